package report

import (
	"time"

	"github.com/dprun/dprun/runner/event"
)

// LiveEvent is an event of a run, as it happens. Its Kind decides which of the pointers
// is set.
type LiveEvent struct {
	// Seq numbers the events of all runs of the state directory, also across restarts
	// of the server. An event without a number cannot be read again.
	Seq  int64  `json:"seq,omitempty"`
	Kind string `json:"kind"` // run, status, end, progress, log, summary, settled, result, gap or beat
	Run  string `json:"run,omitempty"`

	Begun  *event.RunInfo `json:"begun,omitempty"` // run: it has begun, or is being finished after its process died
	Status *event.Status  `json:"status,omitempty"`
	End    *RunEnd        `json:"end,omitempty"` // the run is over
	// Without a number, of the runs of this server:
	Progress *event.Progress `json:"progress,omitempty"`
	Log      *event.Log      `json:"log,omitempty"`
	Summary  *event.Summary  `json:"summary,omitempty"`
	Settled  *event.Settled  `json:"settled,omitempty"`
	Result   *Result         `json:"result,omitempty"` // the last event of a run, also of one that was requested and did not begin
}

// The kinds of events that say nothing about a run.
const (
	LiveGap  = "gap"  // events in between are lost: read everything again; Seq says where the stream continues
	LiveBeat = "beat" // nothing has happened for a while
)

// RunEnd is how a run ended.
type RunEnd struct {
	Ended    time.Time `json:"ended"`
	ExitCode int       `json:"exit_code"`
	Code     string    `json:"code"`
}
