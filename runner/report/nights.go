package report

import "time"

// Nights is the results of all plans by night. A night lasts from noon to noon.
type Nights struct {
	Zone   string       `json:"timezone"` // of the noons
	Nights []time.Time  `json:"nights"`   // the noons at which they begin, the newest first
	Plans  []NightsPlan `json:"plans"`    // by name and file
}

// NightsPlan is one row of a heat map.
type NightsPlan struct {
	Plan  string  `json:"plan"`
	File  string  `json:"file"`
	Cells []Night `json:"cells"` // one for each night, in their order
}

// Night is the result of one night of one plan.
type Night struct {
	State   NightState `json:"state"`
	Runs    []string   `json:"runs,omitempty"` // runs that began in it, the newest first
	Tasks   int        `json:"tasks"`
	Good    int        `json:"good"`    // with a good copy
	Failed  int        `json:"failed"`  // that should have one and do not
	Missed  int        `json:"missed"`  // times at which the plan was due and no run began
	Running bool       `json:"running"` // one of the runs has not ended
}

// NightState is the result of a night in one word.
type NightState string

// The states of a night.
const (
	NightNothing NightState = "nothing" // no run is known, and none was due
	NightGood    NightState = "good"
	NightPartly  NightState = "partly" // something failed, or a due time was missed
	NightFailed  NightState = "failed" // nothing good came of it
	NightMissed  NightState = "missed" // it was due, and no run began
	NightRunning NightState = "running"
)

// TaskOutcome is the result of one run for one device or domain.
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
	Good     bool      `json:"good"` // it brought a good copy at that time
	Message  string    `json:"message,omitempty"`
	// Set is the set that it stored. SetState is the state of that set now: whole if
	// one copy is.
	Set      string `json:"set,omitempty"`
	SetState string `json:"set_state,omitempty"`
}

// Outcomes is a page of outcomes.
type Outcomes struct {
	Items []TaskOutcome `json:"items"` // those of the newest run first
	// Next is the cursor of the next page; empty: this is the last one. A page may hold
	// few items or none and still have a next one.
	Next string `json:"next,omitempty"`
}

// Timeline is the course of a run.
type Timeline struct {
	Run   Run            `json:"run"`
	Steps []Step         `json:"steps"` // of the run itself
	Tasks []TimelineTask `json:"tasks"` // by activity, device and domain
	// Next is the cursor of the tasks that follow; empty: there are no more.
	Next string `json:"next,omitempty"`
	// Out is what the run took out of service, by device and domain, over all its
	// tasks.
	Out []OutOfService `json:"out_of_service"`
}

// TimelineTask is the course of one task.
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

// OutOfService is a time in which a device or domain did not serve: from the start of
// its quiesce until it was seen back.
type OutOfService struct {
	Task   string    `json:"task"`
	Device string    `json:"device"`
	Domain string    `json:"domain,omitempty"` // absent: the whole device
	Begin  time.Time `json:"begin"`
	End    time.Time `json:"end,omitzero"` // absent: it was not seen back yet
}
