package report

import (
	"time"

	"github.com/dprun/dprun/runner/event"
)

// LiveEvent is something that became of a run, as it happens. By its Kind, one of
// the pointers is set.
type LiveEvent struct {
	// Seq is its number over all runs of the state directory, also when the server
	// is started anew; what has none cannot be had again.
	Seq  int64  `json:"seq,omitempty"`
	Kind string `json:"kind"` // run, status, end, progress, log, summary, settled, result, gap or beat
	Run  string `json:"run,omitempty"`

	Begun  *event.RunInfo `json:"begun,omitempty"` // run: it has begun, or is being finished after its process died
	Status *event.Status  `json:"status,omitempty"`
	End    *RunEnd        `json:"end,omitempty"` // it is over
	// Without a number, of the runs of this server:
	Progress *event.Progress `json:"progress,omitempty"`
	Log      *event.Log      `json:"log,omitempty"`
	Summary  *event.Summary  `json:"summary,omitempty"`
	Settled  *event.Settled  `json:"settled,omitempty"`
	Result   *Result         `json:"result,omitempty"` // the last of a run, also of one that was asked for and did not begin
}

// The kinds of events that say nothing of a run.
const (
	LiveGap  = "gap"  // what was between is not kept any more: look at everything anew; Seq is from where on it goes on
	LiveBeat = "beat" // nothing has happened for a while
)

// RunEnd is how a run ended.
type RunEnd struct {
	Ended    time.Time `json:"ended"`
	ExitCode int       `json:"exit_code"`
	Code     string    `json:"code"`
}
