package runner

import (
	"context"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/settle"
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
func Exits() []Exit {
	return []Exit{
		{0, "All tasks succeeded. Tasks in `SKIPPED_APIC_DOMAIN` do not count.",
			"Every task captured its files, and every destination has them, verified.",
			"Nothing."},
		{1, "The run failed: no task succeeded. Of other commands: something was in the way.",
			"A fault that all tasks share, such as a network, a password or a destination; or an answer other than yes to the question.",
			"Alert. The summary and `dprun runs show latest` name each task's status; `dprun explain CODE` says what to do about it."},
		{3, "Some tasks succeeded, some did not.",
			"One gateway, domain or destination has trouble of its own.",
			"Alert. Mend what the summary names; `dprun apply PLAN --only device=NAME,domain=NAME` repeats what did not succeed."},
		{10, "The plan is invalid. Nothing of it was contacted.",
			"A change to the plan, or a file that it reads.",
			"Alert whoever changed the plan. `dprun validate PLAN` shows every error with its line."},
		{11, "A plugin that is needed cannot be used. Files of the plugins' directory that nothing needs are warnings.",
			"Its file is not executable or can be changed by others, the directory `plugins` is open to others, two plugins have one name, or it is broken at its start.",
			"Alert. `dprun plugin list` shows all plugins with what is wrong."},
		{12, "The same plan is already running, or its run is being recovered. Nothing of it was contacted.",
			"A run takes longer than the time between two starts, or somebody started the plan by hand.",
			"Usually nothing. Alert if it repeats; the message names the process that has the plan."},
		{13, "The run was started outside its maintenance window. Nothing was contacted.",
			"The timer and the window do not agree, often about a time zone or a change of the clocks; or a missed start was made up for.",
			"Usually nothing. If it repeats, correct the timer or the window."},
		{14, "Nothing matched, or all tasks were skipped: nothing was backed up.",
			"No device could be reached, no pattern matches, or `--only` left nothing.",
			"Alert. The message or the summary says for each device why."},
		{15, "A check of the whole plan, or the plan's pre-script, failed. No device was changed.",
			"No destination can be used, or the pre-script ended with an error.",
			"Alert. `dprun plan PLAN` checks the destinations again; `dprun runs logs latest` has what the script printed."},
		{16, "**A device may still be quiesced, or is back and not healthy, or what a restore has left is not proven or not saved.** Wins over all others.",
			"A device did not come back after its unquiesce, could not be reached, or dprun ended before it could bring it back. Of a restore: its import was cut off, or not saved.",
			"Wake somebody up. `dprun owed` says which device and what to type there; `dprun recover` tries again and verifies."},
		{17, "Every gateway is back, and an `after_unquiesce` script has not worked: **traffic may still be led around a gateway.**",
			"The script that puts a gateway back into the load balancer failed, or dprun ended before it ran.",
			"Alert. `dprun owed` names the script and its last error; mend that, and `dprun recover` runs the script again."},
		{18, "The plan says `four_eyes`: what was asked for waits for a second person. Nothing was contacted.",
			"`dprun --server` asked a server to start such a plan.",
			"Have somebody else approve it, within half an hour: on the page, or by the command that the message shows."},
		{64, "The command line is wrong, or a plan that quiesces was started off a terminal without `--yes`.",
			"A misspelt command, flag, plan or run; a state directory that cannot be used.",
			"Correct it. The message says what was expected, and `--help` what there is."},
		{70, "Internal error: dprun or its journal is at fault.",
			"A fault of dprun, a file system that fails under the state directory, or a host on which no guard process can be started.",
			"Alert. `dprun owed` and `dprun recover` first, then report it with the run's log."},
		{130, "Cancelled by SIGINT (Ctrl-C), cleaned up.",
			"Somebody stopped it.",
			"Nothing."},
		{143, "Cancelled by SIGTERM or SIGHUP, cleaned up.",
			"The service was stopped, the host was shut down, or a terminal was closed.",
			"Nothing."},
	}
}

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
