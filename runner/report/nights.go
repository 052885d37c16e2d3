package report

import "time"

// Nights is what the nights of all plans came to. A night is from noon to noon.
type Nights struct {
	Zone   string       `json:"timezone"` // whose noons
	Nights []time.Time  `json:"nights"`   // the noons with which they begin, the newest first
	Plans  []NightsPlan `json:"plans"`    // by name and file
}

// NightsPlan is one row of a heat map.
type NightsPlan struct {
	Plan  string  `json:"plan"`
	File  string  `json:"file"`
	Cells []Night `json:"cells"` // one for each night, in their order
}

// Night is what one night of one plan came to.
type Night struct {
	State   NightState `json:"state"`
	Runs    []string   `json:"runs,omitempty"` // that began in it, the newest first
	Tasks   int        `json:"tasks"`
	Good    int        `json:"good"`    // that brought a good copy
	Failed  int        `json:"failed"`  // that did not, and should have
	Missed  int        `json:"missed"`  // times at which it was due and no run was begun
	Running bool       `json:"running"` // one of the runs has not ended
}

// NightState is what a night came to, in one word.
type NightState string

// The states of a night.
const (
	NightNothing NightState = "nothing" // no run is known, and none that was due
	NightGood    NightState = "good"
	NightPartly  NightState = "partly" // something failed, or a time was missed
	NightFailed  NightState = "failed" // nothing good came of it
	NightMissed  NightState = "missed" // it was due, and no run was begun
	NightRunning NightState = "running"
)

// TaskOutcome is what one run came to for one device or domain.
type TaskOutcome struct {
	Run      string    `json:"run"`
	Plan     string    `json:"plan"`
	File     string    `json:"file"`
	Narrowed bool      `json:"narrowed,omitempty"`
	Started  time.Time `json:"started"` // of the run
	Task     string    `json:"task"`
	Activity string    `json:"activity"`
	Device   string    `json:"device"`
	Domain   string    `json:"domain,omitempty"`
	Code     string    `json:"code"`
	Final    bool      `json:"final"`
	Good     bool      `json:"good"` // it brought a good copy then
	Message  string    `json:"message,omitempty"`
	// Set is what it stored; SetState what is known of that now: whole where one copy is.
	Set      string `json:"set,omitempty"`
	SetState string `json:"set_state,omitempty"`
}

// Outcomes is a page of them.
type Outcomes struct {
	Items []TaskOutcome `json:"items"` // those of the newest run first
	// Next is the cursor for those that follow; empty: there are no more. A page may
	// hold few, or none, and have a next one.
	Next string `json:"next,omitempty"`
}

// Timeline is a run in its time.
type Timeline struct {
	Run   Run            `json:"run"`
	Steps []Step         `json:"steps"` // of the run itself
	Tasks []TimelineTask `json:"tasks"` // by activity, device and domain
	// Next is the cursor for the tasks that follow; empty: there are no more.
	Next string `json:"next,omitempty"`
	// Out is what the run has taken out of service, by device and domain, of all its tasks.
	Out []OutOfService `json:"out_of_service"`
}

// TimelineTask is one task in its time.
type TimelineTask struct {
	Task     string `json:"task"`
	Activity string `json:"activity"`
	Device   string `json:"device"`
	Domain   string `json:"domain,omitempty"`
	Code     string `json:"code"`
	Final    bool   `json:"final"`
	Steps    []Step `json:"steps"`
}

// Step is one status and how long it lasted.
type Step struct {
	Code    string    `json:"code"`
	Doing   string    `json:"doing,omitempty"` // the phase in words
	Begin   time.Time `json:"begin"`
	End     time.Time `json:"end,omitzero"` // absent: it is the last one
	Message string    `json:"message,omitempty"`
}

// OutOfService is how long a device or domain did not serve, from when the quiesce
// was begun until it was seen back.
type OutOfService struct {
	Task   string    `json:"task"`
	Device string    `json:"device"`
	Domain string    `json:"domain,omitempty"` // absent: the whole device
	Begin  time.Time `json:"begin"`
	End    time.Time `json:"end,omitzero"` // absent: it was not seen back yet
}
