// Package script holds what a script is told of its run: the JSON object that
// [sdk.RunRequest] carries, and that a program reads from standard input.
package script

import "time"

// Context is what a script is told. The form only grows: what is not known is left out.
type Context struct {
	Version  int    `json:"version"`            // of this form: 1
	Hook     string `json:"hook"`               // pre, before_quiesce, after_unquiesce, post, plan_pre, plan_post, notify
	Run      string `json:"run"`                // its ID
	Plan     string `json:"plan"`               // its name
	Task     string `json:"task,omitempty"`     // its ID; empty: the script is the plan's
	Activity string `json:"activity,omitempty"` // its name
	Type     string `json:"type,omitempty"`     // of the activity
	Device   string `json:"device,omitempty"`   // its name in the plan
	Domain   string `json:"domain,omitempty"`   // ALL for the whole device
	Stamp    string `json:"stamp,omitempty"`    // of the set, as file names have it
	Status   string `json:"status,omitempty"`   // the outcome, for post-scripts and notifications
	Message  string `json:"message,omitempty"`  // why, in words
	Files    []File `json:"files,omitempty"`    // what was captured
	Tasks    []Task `json:"tasks,omitempty"`    // for the plan's post-script and notifications
	// Notice is there when the script runs for a `notify` block.
	Notice *Notice `json:"notice,omitempty"`
}

// File is one captured file.
type File struct {
	File    string `json:"file"`
	Variant string `json:"variant"` // which capture: persisted, running, secure_backup
	Size    int64  `json:"size"`    // bytes
	SHA256  string `json:"sha256"`  // lower-case hex
}

// Task is one ended task; in a critical notification, one that needs somebody now.
type Task struct {
	Task     string `json:"task"`
	Activity string `json:"activity"`          // its name
	Type     string `json:"type"`              // of the activity
	Device   string `json:"device"`            // its name in the plan
	Domain   string `json:"domain,omitempty"`  // empty: the whole device
	Status   string `json:"status"`            // the status code that it ended in
	Message  string `json:"message,omitempty"` // why, in words
}

// Event is what a notification is about, as `on` of a plan names it.
type Event string

// The events.
const (
	Critical  Event = "critical"  // somebody should look at a gateway now
	Failed    Event = "failed"    // the run ended, and not one task succeeded, or something beside the tasks failed
	Partial   Event = "partial"   // the run ended, and some tasks succeeded
	Succeeded Event = "succeeded" // the run ended, and everything succeeded
	Missed    Event = "missed"    // a scheduled run did not take place
)

// Events lists them, the gravest first.
func Events() []Event { return []Event{Critical, Failed, Partial, Succeeded, Missed} }

// Notice is what a notification has beside what every script is told.
type Notice struct {
	Event    Event     `json:"event"`               // why it is sent
	ID       string    `json:"id"`                  // of the notification: the same however often it is sent
	Time     time.Time `json:"time"`                // when it was decided
	Host     string    `json:"host,omitempty"`      // where dprun runs
	Started  time.Time `json:"started,omitzero"`    // when the run began
	Ended    time.Time `json:"ended,omitzero"`      // zero: the run goes on
	ExitCode *int      `json:"exit_code,omitempty"` // absent: the run goes on
	Counts   *Counts   `json:"counts,omitempty"`    // of its tasks
	Causes   []Cause   `json:"causes,omitempty"`    // what did not go well, by status, the gravest first
	Owed     []Owed    `json:"owed,omitempty"`      // everything that is not undone on this host, of this run and of others
	// Evidence is the run's record of evidence as SEQUENCE:DIGEST. A person who
	// keeps it can see later whether that record, or one before it, is gone or
	// altered.
	Evidence string   `json:"evidence,omitempty"`
	LeftOut  int      `json:"left_out,omitempty"` // tasks that are not listed, because there are so many
	Commands []string `json:"commands,omitempty"` // what to type on the host of dprun to see more
}

// Counts counts the tasks of a run.
type Counts struct {
	Succeeded int   `json:"succeeded"` // tasks
	Failed    int   `json:"failed"`    // tasks
	Cancelled int   `json:"cancelled"` // tasks
	Skipped   int   `json:"skipped"`   // tasks
	Bytes     int64 `json:"bytes"`     // captured
}

// Cause is a status that several tasks may share.
type Cause struct {
	Status string `json:"status"`          // a status code
	Class  string `json:"class"`           // critical, failed, invalid, cancelled, skipped
	Means  string `json:"means"`           // what it means, in words
	Do     string `json:"do"`              // what to do about it
	Count  int    `json:"count,omitempty"` // of tasks; 0: the run's own
}

// Owed is something that is not undone.
type Owed struct {
	Run    string    `json:"run"`              // the run that owes it
	Kind   string    `json:"kind"`             // unquiesce, discard, post_script
	Device string    `json:"device"`           // its name in the plan
	Domain string    `json:"domain,omitempty"` // empty: the whole device
	Since  time.Time `json:"since"`            // when it was promised
	// Commands are what to type: on the gateway, then on the host of dprun.
	DeviceCommands []string `json:"device_commands,omitempty"`
	Commands       []string `json:"commands,omitempty"`
	Held           bool     `json:"held,omitempty"` // a process is at work on it
}
