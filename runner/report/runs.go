// Package report holds the results of the use cases of package runner. The command line
// shows these structs as text or as JSON, and a server sends them. They decide nothing
// and import nothing that does.
package report

import (
	"iter"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
)

// Run is one run of a list.
type Run struct {
	ID        string    `json:"run"`
	Plan      string    `json:"plan"`
	Narrowed  bool      `json:"narrowed,omitempty"` // by --only
	Only      string    `json:"only,omitempty"`     // the part of the plan that it was for; only of a single run
	Code      string    `json:"code,omitempty"`     // the last status
	Final     bool      `json:"final"`
	ExitCode  *int      `json:"exit_code,omitempty"` // of a run that ended
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	Tasks     int       `json:"tasks"`
	Succeeded int       `json:"succeeded"`
}

// RunDetail is one run with the history of every task.
type RunDetail struct {
	Run
	History []event.Status         `json:"history"` // of the run itself
	Details iter.Seq2[Task, error] `json:"-"`       // objects of their own, one after the other; an error ends them; nil: there are none
	// Staged is what the staging directory still holds.
	Staged []Staged `json:"staged,omitempty"`
	// Rooms is the free space of the destinations when the run began.
	Rooms []Room `json:"rooms,omitempty"`
	// Stops are the devices of the run that did not come back, with who ended that.
	Stops []Stop `json:"stops,omitempty"`
	// Restore is the restore whose way back the run has stored.
	Restore *Restore `json:"restore,omitempty"`
	// Asked says who asked a server for the run. Cancelled says who asked the server to
	// cancel it.
	Asked     *Started   `json:"asked_for,omitempty"`
	Cancelled *Cancelled `json:"cancelled,omitempty"`
}

// Room is the free space of a destination when a run looked at it.
type Room struct {
	Destination string        `json:"destination"`
	Root        string        `json:"root"`  // the destination's own name for itself
	Free        int64         `json:"free"`  // bytes; -1: it cannot tell
	Total       int64         `json:"total"` // bytes; -1: it cannot tell
	At          time.Time     `json:"at"`
	FillsIn     time.Duration `json:"fills_in_ns,omitempty"` // after At, estimated from the runs of the last weeks; absent: it does not fill, or too little is known
}

// Task is one task with its history.
type Task struct {
	Run      string         `json:"run"`
	Task     string         `json:"task"`
	Activity string         `json:"activity"`
	Device   string         `json:"device"`
	Domain   string         `json:"domain,omitempty"`
	Code     string         `json:"code"`
	Final    bool           `json:"final"`
	Files    []string       `json:"files,omitempty"`
	History  []event.Status `json:"history"`
}

// Staged is what is kept of one task.
type Staged struct {
	Run   string `json:"run"`
	Task  string `json:"task"`
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Pruned says what was removed.
type Pruned struct {
	DryRun bool      `json:"dry_run,omitempty"` // nothing was removed: this is what would be
	Runs   []string  `json:"runs"`
	Kept   []KeptRun `json:"kept,omitempty"`
	Staged []Staged  `json:"staged"`
}

// KeptRun is an old run that stays.
type KeptRun struct {
	Run string `json:"run"`
	Why string `json:"why"` // owes, last_good
}

// Swept is what was removed at one destination.
type Swept struct {
	Destination string   `json:"destination"`
	Removed     []string `json:"removed"`         // paths below its directory
	Error       string   `json:"error,omitempty"` // why it could not be swept, or not completely
}

// Result is how an operation on the state directory ended.
type Result struct {
	ExitCode    int             `json:"exit_code"`
	Diagnostics diag.List       `json:"diagnostics,omitempty"` // of the plan file, including warnings
	Told        diag.List       `json:"-"`                     // those that the caller has already received
	Summary     *event.Summary  `json:"summary,omitempty"`     // of the run, if one began
	Recovered   []event.Summary `json:"recovered,omitempty"`   // runs of earlier processes that were finished first
	Owed        []Owed          `json:"owed,omitempty"`        // what is still pending
	Unknown     *Failure        `json:"unknown,omitempty"`     // what else may be pending but cannot be listed
	Failure     *Failure        `json:"failure,omitempty"`     // why it was not done, or not completely
}

// Failure says why something could not be done.
type Failure struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}

// Disruption says what a run may take out of service.
type Disruption struct {
	Plan       string   `json:"plan"`
	Activities []string `json:"activities"` // those that quiesce
	Devices    []string `json:"devices"`
}

// Version describes this dprun.
type Version struct {
	Dprun          string `json:"dprun"`
	Format         int    `json:"format"` // of this JSON output
	PluginProtocol int    `json:"plugin_protocol"`
	Go             string `json:"go"`
	OS             string `json:"os"`
	Arch           string `json:"arch"`
}

// Stop forbids quiesces: a device did not come back, or somebody has set a hold.
type Stop struct {
	Device string `json:"device,omitempty"` // empty: a hold
	// Environment limits the stop to devices with a label, as label=value; empty: it
	// applies to all.
	Environment string    `json:"environment,omitempty"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason,omitempty"`
	Run         string    `json:"run,omitempty"` // the run that saw it
	By          string    `json:"by,omitempty"`  // who set a hold: user@host
	Closed      time.Time `json:"closed,omitzero"`
	ClosedBy    string    `json:"closed_by,omitempty"`
}

// Hold is what forbids quiesces now.
type Hold struct {
	Released bool // the hold was released just now
	Stops    []Stop
}
