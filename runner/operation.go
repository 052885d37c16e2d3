package runner

import (
	"context"
	_ "embed"
	"strconv"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/sdk/prose"
)

// Operation is the part of every request that may take long: it says who watches,
// and how the operation is asked to stop. One [Runner] may have several under
// way, each with its own.
type Operation struct {
	Sink event.Sink // receives the events of this operation alone; nil: nobody watches
	Stop *Stop      // nil: the operation is never asked to stop
}

// Stop asks an operation to stop. Each operation decides how: a run starts
// nothing new, and brings back what it has quiesced.
type Stop struct {
	asked    context.Context
	end      context.CancelCauseFunc
	requests chan string
}

// NewStop returns a Stop that nobody has used yet. The end of ctx also asks to
// stop.
func NewStop(ctx context.Context) *Stop {
	s := &Stop{requests: make(chan string, 8)}
	s.asked, s.end = context.WithCancelCause(ctx)
	return s
}

// Ask asks to stop, with the name of a signal. A run that is asked again hurries.
func (s *Stop) Ask(signal string) {
	s.end(Stopped(signal))
	select {
	case s.requests <- signal:
	default: // one more request would change nothing
	}
}

// Asked returns a context that ends at the first request to stop.
func (s *Stop) Asked() context.Context { return s.asked }

// Release frees the resources of the context.
func (s *Stop) Release() { s.end(nil) }

// Stopped returns the error of an operation that a signal has ended.
func Stopped(signal string) *Error {
	code := ExitSIGTERM
	if signal == "SIGINT" {
		code = ExitSIGINT
	}
	return &Error{code, stoppedBy(signal)}
}

// stoppedBy is the name of the signal that has ended an operation.
type stoppedBy string

func (s stoppedBy) Error() string { return "stopped by " + string(s) }

// Is tells errors.Is that it is a cancellation.
func (s stoppedBy) Is(target error) bool { return target == context.Canceled }

// operation is one operation under way, with the state that only it has.
type operation struct {
	*Runner
	*kept    // the journal when the operation began
	sink     *patientSink
	requests <-chan string // requests to stop
	stopped  string        // the signal that came while an earlier run was being finished
	change   string        // the change number from the request
	reason   string        // the reason from the request
	by       string        // who made the request
	lines    *lines
	settler  *settle.Settler
	guarded  *guarded // the guard of the run under way; nil: none
	alone    bool     // the run's only device is locked already
	looking  bool     // it examines restores that are not proven
	guarding string   // the run that this process guards: it undoes nothing of others; empty: no guard
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

// Exit explains an exit code.
type Exit struct {
	Code    int
	Meaning string
	Cause   string // the usual reasons
	Action  string // what a scheduler, or the person whom it wakes, must do
}

// Exits returns the exit codes of dprun, in order. They are an interface: a code
// never changes its meaning. 2 is never used, on purpose.
func Exits() (all []Exit) {
	for s := range prose.Sections(exitTexts) {
		code, _ := strconv.Atoi(s.Name)
		all = append(all, Exit{code, s.Field("meaning"), s.Field("cause"), s.Field("action")})
	}
	return all
}

//go:embed exits.txt
var exitTexts string

// graverExit returns the exit code that wins: first that a device may be
// quiesced, then that traffic may be led away, then an internal error, then the
// later code that is not 0.
func graverExit(a, b int) int {
	for _, code := range []int{ExitOwed, ExitAway, ExitBug} {
		if a == code || b == code {
			return code
		}
	}
	if b != 0 {
		return b
	}
	return a
}
