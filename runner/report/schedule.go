package report

import "time"

// Schedule says when a plan is due next.
type Schedule struct {
	Plan  string         `json:"plan"`
	Rules []ScheduleRule `json:"schedules"` // empty: only somebody can start it
	Next  []DueTime      `json:"next"`      // the earliest first
}

// ScheduleRule is one schedule block of a plan.
type ScheduleRule struct {
	Cron     string        `json:"cron"`
	Timezone string        `json:"timezone"`
	Jitter   time.Duration `json:"jitter_ns,omitempty"`
	Missed   string        `json:"missed"` // run_once or skip
}

// DueTime is a time at which a plan is due.
type DueTime struct {
	Due     time.Time `json:"due"`               // as clocks in the schedule's zone show it
	Start   time.Time `json:"start"`             // Due plus the jitter of that night
	Outside bool      `json:"outside,omitempty"` // the plan's window is closed at that time, so the plan is not started
}

// Firings is what a server has decided.
type Firings struct {
	Server *Server  `json:"server,omitempty"` // absent: there was none
	Paused *Pause   `json:"paused,omitempty"` // nothing new is started
	Due    []Firing `json:"due"`              // the newest first
}

// Server is what the last server of the state directory reported about itself.
type Server struct {
	Host    string       `json:"host"`
	PID     int          `json:"pid"`
	Plans   string       `json:"plans"` // the directory of its plans
	Started time.Time    `json:"started"`
	Beat    time.Time    `json:"beat"`             // when it wrote this, which it does every minute
	Stopped time.Time    `json:"stopped,omitzero"` // absent: it was not stopped properly
	Running bool         `json:"running"`
	Broken  []BrokenPlan `json:"broken"`
}

// BrokenPlan is a plan file that is not valid.
type BrokenPlan struct {
	Path     string    `json:"path"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	LastGood bool      `json:"last_good,omitempty"` // it is served as it was before
}

// Firing is the decision about one time at which a plan was due.
type Firing struct {
	Plan     string    `json:"plan"`
	Origin   string    `json:"file"`
	Due      time.Time `json:"due"`
	Decided  time.Time `json:"decided"`
	Verdict  string    `json:"verdict"` // run, missed, outside or overlaps
	Run      string    `json:"run,omitempty"`
	Ended    time.Time `json:"ended,omitzero"` // absent: it is under way
	ExitCode int       `json:"exit_code"`
	Message  string    `json:"message,omitempty"`
}
