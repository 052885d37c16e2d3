// Package script describes what a script is told about its run: the JSON object
// that [sdk.RunRequest] carries and that a program reads from standard input.
package script

import "time"

// Context is what a script is told. Fields may be added, never removed. Unknown values
// are left out.
type Context struct {
	Version  int    `json:"version"`            // of this form: 1
	Hook     string `json:"hook"`               // pre, before_quiesce, after_unquiesce, post, plan_pre, plan_post, notify
	Run      string `json:"run"`                // its ID
	Plan     string `json:"plan"`               // its name
	Task     string `json:"task,omitempty"`     // its ID; empty: the script belongs to the plan
	Activity string `json:"activity,omitempty"` // the activity's name
	Type     string `json:"type,omitempty"`     // the activity's type
	Device   string `json:"device,omitempty"`   // its name in the plan
	Domain   string `json:"domain,omitempty"`   // ALL for the whole device
	Stamp    string `json:"stamp,omitempty"`    // of the set, as in file names
	Status   string `json:"status,omitempty"`   // the outcome, for post-scripts and notifications
	Message  string `json:"message,omitempty"`  // why, in words
	Files    []File `json:"files,omitempty"`    // what was captured
	Tasks    []Task `json:"tasks,omitempty"`    // for the plan's post-script and notifications
	// Notice is set when the script runs for a `notify` block.
	Notice *Notice `json:"notice,omitempty"`
}

// File is one captured file.
type File struct {
	File    string `json:"file"`
	Variant string `json:"variant"` // the capture: persisted, running, secure_backup
	Size    int64  `json:"size"`    // bytes
	SHA256  string `json:"sha256"`  // lower-case hex
}

// Task is one ended task. In a critical notification it is one that needs
// attention now.
type Task struct {
	Task     string `json:"task"`
	Activity string `json:"activity"`          // the activity's name
	Type     string `json:"type"`              // the activity's type
	Device   string `json:"device"`            // its name in the plan
	Domain   string `json:"domain,omitempty"`  // empty: the whole device
	Status   string `json:"status"`            // the status code in which it ended
	Message  string `json:"message,omitempty"` // why, in words
}

// Event is the occasion of a notification, as a plan's `on` names it.
type Event string

// The events.
const (
	Critical  Event = "critical"  // somebody should look at a gateway now
	Failed    Event = "failed"    // the run ended, and no task succeeded or something besides the tasks failed
	Partial   Event = "partial"   // the run ended, and some tasks succeeded
	Succeeded Event = "succeeded" // the run ended, and everything succeeded
	Missed    Event = "missed"    // a scheduled run did not take place
)

// Events returns all events, the gravest first.
func Events() []Event { return []Event{Critical, Failed, Partial, Succeeded, Missed} }

// Notice holds what a notification adds to a script's context.
type Notice struct {
	Event    Event     `json:"event"`               // why it is sent
	ID       string    `json:"id"`                  // of the notification: repeated attempts have the same
	Time     time.Time `json:"time"`                // when it was decided
	Host     string    `json:"host,omitempty"`      // where dprun runs
	Started  time.Time `json:"started,omitzero"`    // when the run began
	Ended    time.Time `json:"ended,omitzero"`      // zero: the run has not ended
	ExitCode *int      `json:"exit_code,omitempty"` // absent: the run has not ended
	Counts   *Counts   `json:"counts,omitempty"`    // of its tasks
	Causes   []Cause   `json:"causes,omitempty"`    // what went wrong, by status, the gravest first
	Owed     []Owed    `json:"owed,omitempty"`      // everything that must still be undone on this host, for this run and others
	// Evidence is the run's record of evidence as SEQUENCE:DIGEST. A person who
	// keeps it can see later whether this record, or one before it, was removed
	// or altered.
	Evidence string   `json:"evidence,omitempty"`
	LeftOut  int      `json:"left_out,omitempty"` // number of tasks that are not listed because there are too many
	Commands []string `json:"commands,omitempty"` // commands to type on the host of dprun to see more
}

// Counts counts the tasks of a run.
type Counts struct {
	Succeeded int   `json:"succeeded"` // tasks
	Failed    int   `json:"failed"`    // tasks
	Cancelled int   `json:"cancelled"` // tasks
	Skipped   int   `json:"skipped"`   // tasks
	Bytes     int64 `json:"bytes"`     // captured
}

// Cause is a status with the number of tasks that ended in it.
type Cause struct {
	Status string `json:"status"`          // a status code
	Class  string `json:"class"`           // critical, failed, invalid, cancelled, skipped
	Means  string `json:"means"`           // what it means, in words
	Do     string `json:"do"`              // what to do about it
	Count  int    `json:"count,omitempty"` // tasks; 0: the status is the run's own
}

// Owed is something that must still be undone.
type Owed struct {
	Run    string    `json:"run"`              // the run that caused it
	Kind   string    `json:"kind"`             // unquiesce, discard, post_script
	Device string    `json:"device"`           // its name in the plan
	Domain string    `json:"domain,omitempty"` // empty: the whole device
	Since  time.Time `json:"since"`            // when it was recorded
	// DeviceCommands are to be typed on the gateway, Commands on the host of
	// dprun.
	DeviceCommands []string `json:"device_commands,omitempty"`
	Commands       []string `json:"commands,omitempty"`
	Held           bool     `json:"held,omitempty"` // a process is working on it
}
