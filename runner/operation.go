package runner

import (
	"context"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/settle"
)

// Operation is what every request holds that may take long: who watches it,
// and by what it is asked to stop. Several may be under way on one [Runner],
// each with its own.
type Operation struct {
	Sink event.Sink // gets the events of this operation and of no other; nil: nobody watches
	Stop *Stop      // nil: it is never asked to stop
}

// Stop asks an operation to stop. What that means is for the operation to
// decide: a run starts nothing new, and brings back what it has quiesced.
type Stop struct {
	asked    context.Context
	end      context.CancelCauseFunc
	requests chan string
}

// NewStop makes a request to stop that is not made yet. It ends with ctx, too.
func NewStop(ctx context.Context) *Stop {
	s := &Stop{requests: make(chan string, 8)}
	s.asked, s.end = context.WithCancelCause(ctx)
	return s
}

// Ask asks to stop, by a signal's name. A run hurries when it is asked again.
func (s *Stop) Ask(signal string) {
	s.end(Stopped(signal))
	select {
	case s.requests <- signal:
	default: // so many that one more says nothing new
	}
}

// Asked ends when it is asked to stop for the first time.
func (s *Stop) Asked() context.Context { return s.asked }

// Release gives up what the Stop holds of its context.
func (s *Stop) Release() { s.end(nil) }

// Stopped is the error of something that a signal has ended.
func Stopped(signal string) *Error {
	code := ExitSIGTERM
	if signal == "SIGINT" {
		code = ExitSIGINT
	}
	return &Error{code, stoppedBy(signal)}
}

// stoppedBy is a signal that has ended something.
type stoppedBy string

func (s stoppedBy) Error() string { return "stopped by " + string(s) }

// Is tells errors.Is that it is a cancellation.
func (s stoppedBy) Is(target error) bool { return target == context.Canceled }

// operation is one operation that is under way, and what it alone knows.
type operation struct {
	*Runner
	*kept    // as it was when the operation began
	sink     *patientSink
	requests <-chan string // to stop
	stopped  string        // the signal that came while an earlier run was being finished
	change   string        // the change number that whoever began it has given
	reason   string        // and why
	by       string        // who began it
	lines    *lines
	settler  *settle.Settler
	guarded  *guarded // the guard of the run that is under way; nil: none
	alone    bool     // the only device of the run is locked already
	looking  bool     // at what became of restores
	guarding string   // the run whose guard this process is: it does nothing for others
}

// begin begins an operation.
func (r *Runner) begin(o Operation) *operation {
	k := r.kept.Load()
	op := &operation{Runner: r, kept: k, lines: &lines{journal: k.journal, log: r.Log}}
	if o.Sink == nil {
		o.Sink = unwatched{}
	}
	op.sink = newPatientSink(o.Sink)
	if o.Stop != nil {
		op.requests = o.Stop.requests
	}
	op.settler = &settle.Settler{Pending: r.pending, Journal: k.journal, Locks: r.locks, Plugins: r.plugins.host, Clock: r.Clock, Redact: &r.redact, Log: r.Log,
		Sink: op.sink, By: whoami(), Requests: op.requests, Asked: func(signal string) { op.stopped = signal }, Secrets: r.fresh,
		Executor: func(run, plan, dir string, answers execute.Plan) *execute.Executor {
			return op.executor(run, plan, dir, answers, r.plugins.host, nil)
		}}
	return op
}

// unwatched is the sink of an operation that nobody watches.
type unwatched struct{}

func (unwatched) Run(event.RunInfo)       {}
func (unwatched) Status(event.Status)     {}
func (unwatched) Progress(event.Progress) {}
func (unwatched) Log(event.Log)           {}
func (unwatched) Summary(event.Summary)   {}
func (unwatched) Settled(event.Settled)   {}
