package report

import "time"

// Overview is what somebody must know at a glance, in the order of the questions: what
// is down because of us, what runs and what comes next, what lacks a young enough
// backup, what failed tonight, and whether all of that is true.
//
// A part that could not be read is marked as unknown, with the reason. It is never left
// out as if it were good.
type Overview struct {
	At       time.Time        `json:"at"`
	State    OverviewState    `json:"state"` // the gravest of all parts
	Down     OverviewDown     `json:"down"`
	Work     OverviewWork     `json:"work"`
	Coverage OverviewCoverage `json:"coverage"`
	Failures OverviewFailures `json:"failures"`
	Truth    OverviewTruth    `json:"truth"`
}

// OverviewState is the state of an overview in one word.
type OverviewState string

// The states of an overview, the gravest first.
const (
	OverviewIsDown  OverviewState = "down"    // something is out of service because of us although it should be back
	OverviewUnknown OverviewState = "unknown" // something that may be worse than good cannot be read
	OverviewNow     OverviewState = "now"     // somebody has to act before the morning
	OverviewMorning OverviewState = "morning" // somebody has to look at 08:00
	OverviewGood    OverviewState = "good"
)

// OverviewDown says what is out of service, or may be, because of a run.
type OverviewDown struct {
	Unknown string         `json:"unknown,omitempty"` // what may be pending and cannot be read; empty: everything can be read
	Owed    []OverviewOwed `json:"owed"`              // what nobody brings back in time, and what a live run keeps quiesced
	Stops   []Stop         `json:"stops"`             // what forbids quiesces
	// Recovered are the runs that died and were finished without a person since the
	// server's start, the newest first, at most 20.
	Recovered []RecoveredRun `json:"recovered"`
}

// OverviewOwed is one obligation, with who settles it.
type OverviewOwed struct {
	Owed
	BringsBack string `json:"brings_back"` // who or what brings it back, as a sentence
}

// OverviewWork says what runs and what is due next.
type OverviewWork struct {
	Unknown string         `json:"unknown,omitempty"` // why it is unknown
	Runs    []OverviewRun  `json:"runs"`              // under way, or left by a dead process; the oldest first
	Next    []OverviewNext `json:"next"`              // of plans that are served, the earliest first
	Paused  *Pause         `json:"paused,omitempty"`  // nothing new is started, not even what is due
}

// OverviewRun is a run that has not ended.
type OverviewRun struct {
	Run
	File   string `json:"file"`             // of the plan
	Alive  bool   `json:"alive"`            // false: its process is gone, and it waits to be recovered
	Holder string `json:"holder,omitempty"` // the process that works on it
	// Quiesced is how many devices and domains it keeps out of service now.
	Quiesced int `json:"quiesced"`
	// WindowCloses is when the plan's window ends; absent: there is no window, the plan
	// is not served, or the window never closes.
	WindowCloses time.Time `json:"window_closes,omitzero"`
	WindowOpen   bool      `json:"window_open"` // also true without a window
}

// OverviewNext is a plan that is due.
type OverviewNext struct {
	Plan  string    `json:"plan"`
	File  string    `json:"file"`
	Due   time.Time `json:"due"`
	Start time.Time `json:"start"` // Due plus the jitter of that night
	// Quiesces names the devices on which something will be quiesced.
	Quiesces     []string  `json:"quiesces,omitempty"`
	WindowCloses time.Time `json:"window_closes,omitzero"`   // absent: there is no window that closes
	Outside      bool      `json:"outside_window,omitempty"` // the window is closed at that time, so the plan is not started
}

// OverviewCoverage says what has no good set within its goal.
type OverviewCoverage struct {
	Unknown string         `json:"unknown,omitempty"` // why it is unknown
	Plans   []OverviewPlan `json:"plans"`             // the most urgent first
	// Worst are the most urgent subjects of all plans. More is how many are not listed.
	Worst []OverviewSubject `json:"worst"`
	More  int               `json:"more,omitempty"`
}

// OverviewPlan is the state of one plan's backups.
type OverviewPlan struct {
	Plan string `json:"plan"`
	File string `json:"file"`
	// Unknown says why nobody can tell, for example because there was no whole run.
	// Then nothing of the plan counts as good.
	Unknown string        `json:"unknown,omitempty"`
	Goal    time.Duration `json:"goal_ns"` // the greatest age of a good set
	// Expected is how much the last whole run had to back up, without what is never
	// backed up.
	Expected int `json:"expected"`
	Fresh    int `json:"fresh"`
	Stale    int `json:"stale"`
	None     int `json:"none"`
	// Waits is the time until the goal passes for the first subject that is still
	// fresh. Negative: the time since it passed for the oldest one. 0 with None > 0:
	// some subject has no good set at all.
	Waits time.Duration `json:"waits_ns"`
	// LastRun is the last run that ended, whole or not.
	LastRun *Run `json:"last_run,omitempty"`
}

// OverviewSubject is something without a good set within the goal.
type OverviewSubject struct {
	Plan     string        `json:"plan"`
	File     string        `json:"file"`
	Activity string        `json:"activity"`
	Device   string        `json:"device"`
	Domain   string        `json:"domain,omitempty"` // absent: the whole device
	State    CoverageState `json:"state"`            // stale or none
	Set      string        `json:"set,omitempty"`    // the last good one
	Captured time.Time     `json:"captured,omitzero"`
	Waits    time.Duration `json:"waits_ns"`       // the goal minus the age, so negative; 0: there is no set
	Code     string        `json:"code,omitempty"` // how the last whole run ended for it
}

// OverviewFailures says what failed tonight, by cause.
type OverviewFailures struct {
	Unknown string          `json:"unknown,omitempty"` // why it is unknown
	Since   time.Time       `json:"since"`             // runs that began later count
	Morning time.Time       `json:"morning"`           // the next 08:00
	Causes  []OverviewCause `json:"causes"`            // the most urgent first
}

// OverviewCause is one cause of failures.
type OverviewCause struct {
	Code    string `json:"code,omitempty"` // the status code; absent: a run did not begin
	Meaning string `json:"meaning"`
	Action  string `json:"action"`  // what to do about it
	Tasks   int    `json:"tasks"`   // or runs, if no task is to blame; without MadeUp
	MadeUp  int    `json:"made_up"` // tasks that a later run has backed up
	// Message is that of the newest of them.
	Message string    `json:"message,omitempty"`
	Plans   []string  `json:"plans"`
	Devices []string  `json:"devices,omitempty"` // at most 20
	Runs    []string  `json:"runs,omitempty"`    // at most 20, the newest first
	Last    time.Time `json:"last"`              // when the last of these runs began
	Now     bool      `json:"now"`               // it needs somebody now; otherwise at 08:00
	Why     string    `json:"why"`               // as a sentence
}

// OverviewTruth says how far the other parts can be believed.
type OverviewTruth struct {
	Unknown string `json:"unknown,omitempty"` // why it is unknown
	// Newest is the time of the last write to the journal: the beginning or end of a
	// run, or a sign of life of the server.
	Newest time.Time `json:"newest,omitzero"`
	// Server is the scheduler; absent: there was none, so nothing starts by itself.
	Server *Server `json:"server,omitempty"`
	// Late says that the scheduler should have written by now.
	Late         bool                  `json:"late,omitempty"`
	Broken       []BrokenPlan          `json:"broken"` // plan files that are not valid
	Destinations []OverviewDestination `json:"destinations"`
	// Notices are notifications that failed since the night began, the newest first.
	Notices []OverviewNotice `json:"notices"`
}

// OverviewDestination is a destination as the last run saw it.
type OverviewDestination struct {
	Room
	Plan string `json:"plan"` // the plan of that run
	Full bool   `json:"full"` // less than a tenth is free, or it will be full within two weeks
}

// OverviewNotice is a notification that failed.
type OverviewNotice struct {
	Run  string    `json:"run"`
	Plan string    `json:"plan"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}
