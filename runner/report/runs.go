package report

import (
	"iter"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// Run is one run of a list.
type Run struct {
	ID        string    `json:"run"`
	Plan      string    `json:"plan"`
	Narrowed  bool      `json:"narrowed,omitempty"` // by --only
	Only      string    `json:"only,omitempty"`     // by what; of a single run
	Code      string    `json:"code,omitempty"`     // the last status
	Final     bool      `json:"final"`
	ExitCode  *int      `json:"exit_code,omitempty"` // of a run that ended
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	Tasks     int       `json:"tasks"`
	Succeeded int       `json:"succeeded"`
}

// RunDetail is one run with every task's history.
type RunDetail struct {
	Run
	History []event.Status         `json:"history"` // the run's own
	Details iter.Seq2[Task, error] `json:"-"`       // objects of their own, one after the other; an error ends them; nil: there are none
	// Staged is what is still kept in the staging directory.
	Staged []Staged `json:"staged,omitempty"`
	// Rooms are how much room the destinations had when the run began.
	Rooms []Room `json:"rooms,omitempty"`
	// Stops are the devices of the run that did not come back, with who ended that.
	Stops []Stop `json:"stops,omitempty"`
	// Restore is the restore whose way back the run has stored.
	Restore *Restore `json:"restore,omitempty"`
	// Asked is who asked a server for the run, Cancelled who asked it to cancel it.
	Asked     *Started   `json:"asked_for,omitempty"`
	Cancelled *Cancelled `json:"cancelled,omitempty"`
}

// Room is how much room a destination had when a run looked at it.
type Room struct {
	Destination string        `json:"destination"`
	Root        string        `json:"root"`  // the destination as it names itself
	Free        int64         `json:"free"`  // bytes; -1: it cannot tell
	Total       int64         `json:"total"` // likewise
	At          time.Time     `json:"at"`
	FillsIn     time.Duration `json:"fills_in_ns,omitempty"` // after At, as the runs of the last weeks foresee; absent: it does not fill, or too little is known
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
