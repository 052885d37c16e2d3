package report

import "time"

// Overview is what somebody has to know at one glance, in the order in which it
// is asked: what is down because of us, what runs and comes next, what has no
// young enough backup, what failed tonight, and whether all of that is true.
//
// What could not be read is unknown, and says why; it is never left out as if it
// were good.
type Overview struct {
	At       time.Time        `json:"at"`
	State    OverviewState    `json:"state"` // the gravest of all that follows
	Down     OverviewDown     `json:"down"`
	Work     OverviewWork     `json:"work"`
	Coverage OverviewCoverage `json:"coverage"`
	Failures OverviewFailures `json:"failures"`
	Truth    OverviewTruth    `json:"truth"`
}

// OverviewState is what an overview comes to, in one word.
type OverviewState string

// The states of an overview, the gravest first.
const (
	OverviewIsDown  OverviewState = "down"    // something is out of service because of us, and should be back
	OverviewUnknown OverviewState = "unknown" // something that would be worse than good cannot be read
	OverviewNow     OverviewState = "now"     // somebody has to do something before the morning
	OverviewMorning OverviewState = "morning" // somebody has to look at 08:00
	OverviewGood    OverviewState = "good"
)

// OverviewDown says what is out of service, or may be, because of a run.
type OverviewDown struct {
	Unknown string         `json:"unknown,omitempty"` // what else may be owed and cannot be read; empty: all of it can
	Owed    []OverviewOwed `json:"owed"`              // what nobody is at in time, and what a run at work holds
	Stops   []Stop         `json:"stops"`             // what forbids quiesces
	// Recovered are the runs that had died, and were finished without a person
	// since the server's start; the newest first, at most 20.
	Recovered []RecoveredRun `json:"recovered"`
}

// OverviewOwed is one thing that is owed, and who does it.
type OverviewOwed struct {
	Owed
	BringsBack string `json:"brings_back"` // who or what does it, as a sentence
}

// OverviewWork says what runs, and what is due next.
type OverviewWork struct {
	Unknown string         `json:"unknown,omitempty"` // why it is not known
	Runs    []OverviewRun  `json:"runs"`              // under way, or left by a dead process; the oldest first
	Next    []OverviewNext `json:"next"`              // the earliest first; of plans that are served
	Paused  *Pause         `json:"paused,omitempty"`  // nothing new is started, what is due neither
}

// OverviewRun is a run that has not ended.
type OverviewRun struct {
	Run
	File   string `json:"file"`             // of the plan
	Alive  bool   `json:"alive"`            // false: its process is gone, and it waits to be recovered
	Holder string `json:"holder,omitempty"` // the process that is at it
	// Quiesced is how many devices and domains it keeps out of service now.
	Quiesced int `json:"quiesced"`
	// WindowCloses is when the plan's window ends; absent: it has none, is not served, or never closes.
	WindowCloses time.Time `json:"window_closes,omitzero"`
	WindowOpen   bool      `json:"window_open"` // also without a window
}

// OverviewNext is a plan that is due.
type OverviewNext struct {
	Plan  string    `json:"plan"`
	File  string    `json:"file"`
	Due   time.Time `json:"due"`
	Start time.Time `json:"start"` // due, and the jitter of that night
	// Quiesces are the devices of which something will be quiesced.
	Quiesces     []string  `json:"quiesces,omitempty"`
	WindowCloses time.Time `json:"window_closes,omitzero"`   // absent: there is no window that closes
	Outside      bool      `json:"outside_window,omitempty"` // the window is closed then, so it is not started
}

// OverviewCoverage says what has no good set within its goal.
type OverviewCoverage struct {
	Unknown string         `json:"unknown,omitempty"` // why it is not known
	Plans   []OverviewPlan `json:"plans"`             // the one that can wait least first
	// Worst are what can wait least over all plans; More is how many are not listed.
	Worst []OverviewSubject `json:"worst"`
	More  int               `json:"more,omitempty"`
}

// OverviewPlan is how the backups of one plan stand.
type OverviewPlan struct {
	Plan string `json:"plan"`
	File string `json:"file"`
	// Unknown says why nobody can tell, such as no run that was whole; then nothing of it counts as good.
	Unknown string        `json:"unknown,omitempty"`
	Goal    time.Duration `json:"goal_ns"` // how old a good set may be
	// Expected is how much the last whole run had to back up, without what is never backed up.
	Expected int `json:"expected"`
	Fresh    int `json:"fresh"`
	Stale    int `json:"stale"`
	None     int `json:"none"`
	// Waits is how long it is until the goal passes for the first thing that is
	// fresh; negative: since when it has passed for the oldest one; 0 and None > 0:
	// there is something without any good set.
	Waits time.Duration `json:"waits_ns"`
	// LastRun is the last that ended, whole or not.
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
	Unknown string          `json:"unknown,omitempty"` // why it is not known
	Since   time.Time       `json:"since"`             // what began after it counts
	Morning time.Time       `json:"morning"`           // the next 08:00
	Causes  []OverviewCause `json:"causes"`            // what cannot wait first
}

// OverviewCause is one cause of failures.
type OverviewCause struct {
	Code    string `json:"code,omitempty"` // the status code; absent: a run was not begun
	Meaning string `json:"meaning"`
	Action  string `json:"action"`  // what to do about it
	Tasks   int    `json:"tasks"`   // or runs, where no task is to blame; without those made up for
	MadeUp  int    `json:"made_up"` // that a later run has backed up
	// Message is that of the newest of them.
	Message string    `json:"message,omitempty"`
	Plans   []string  `json:"plans"`
	Devices []string  `json:"devices,omitempty"` // at most 20
	Runs    []string  `json:"runs,omitempty"`    // at most 20, the newest first
	Last    time.Time `json:"last"`              // when the last of these runs began
	Now     bool      `json:"now"`               // it needs somebody now; else at 08:00
	Why     string    `json:"why"`               // as a sentence
}

// OverviewTruth says how far the rest can be believed.
type OverviewTruth struct {
	Unknown string `json:"unknown,omitempty"` // why it is not known
	// Newest is when the journal was written last, by a run that began or ended, or by the server.
	Newest time.Time `json:"newest,omitzero"`
	// Server is the scheduler; absent: there was none, so nothing is started by itself.
	Server *Server `json:"server,omitempty"`
	// Late says that the scheduler should have written by now.
	Late         bool                  `json:"late,omitempty"`
	Broken       []BrokenPlan          `json:"broken"` // plan files that do not validate
	Destinations []OverviewDestination `json:"destinations"`
	// Notices are notifications that failed since the night began, the newest first.
	Notices []OverviewNotice `json:"notices"`
}

// OverviewDestination is a destination as the last run saw it.
type OverviewDestination struct {
	Room
	Plan string `json:"plan"` // whose run it was
	Full bool   `json:"full"` // less than a tenth is free, or it will be full within two weeks
}

// OverviewNotice is a notification that failed.
type OverviewNotice struct {
	Run  string    `json:"run"`
	Plan string    `json:"plan"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}
