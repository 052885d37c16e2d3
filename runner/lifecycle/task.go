package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Phase is a step of a task's life; a task only goes forward.
type Phase int

// The phases, numbered as in the status documentation.
const (
	PhaseQueue Phase = iota
	PhaseValidate
	PhaseGate
	PhaseReady
	PhaseDispatch
	PhasePreChecks
	PhaseLock
	PhasePreScript
	PhaseQuiesce
	PhaseCapture
	PhaseUnquiesce
	PhaseStore
	PhasePostScript
	PhaseFinal
)

// Task is the machine of one task. The zero value is of no use: [NewTask].
type Task struct {
	spec  TaskSpec
	phase Phase
	now   time.Time
	out   []event.Status
	seq   int

	started    time.Time     // dispatched: the long-running clock starts
	lockSince  time.Time     // waiting for the lock since
	lockWaited time.Duration // the clock stood still so long

	validate call // the device check of a task for a whole device, before the plan gate
	prepare  call
	prepared *event.Prepared
	probe    call
	dests    []*destination
	locked   bool
	noLock   bool // recovery holds none
	check    call
	checked  *sdk.CheckReport
	checkAt  time.Time
	busyAt   time.Time // first found busy
	recheck  bool      // the check under way is the one right before the quiesce

	pre, post script
	before    script // before_quiesce
	after     script // after_unquiesce
	quiesce   quiesce
	debt      *Debt // from the moment that the quiesce is about to be sent
	captures  []*capture

	undoOnError bool // the way back began after a failure
	undoWaiting bool // the status is entered

	heard []heard // of destinations, not yet noted by the run

	failures []entered
	warnings []string
	cancels  int  // how often the user asked to stop
	abandon  bool // forward work ends here: cancelled, or the run was interrupted
	final    *event.Status
}

// entered is a failure that was decided.
type entered struct {
	code    Code
	message string
	rank    rank
}

// rank orders failures by what they mean for the operator: the lowest decides.
type rank int

const (
	rankUnquiesce rank = iota // a device may still be down
	rankLongRunning
	rankFirst
	rankStore
	rankPostScript
)

// script is a hook of the task.
type script struct {
	begun, started, done bool
	failed               bool // it did not do its work
}

// destination is one destination of the task: its pre-check, then its stores.
type destination struct {
	spec    Destination
	check   call
	usable  bool
	variant int // index of the capture that is stored next
	store   call
	tried   bool           // the first store was let begin
	since   time.Time      // timeouts.store counts from here; zero: not yet
	pausing bool           // the last attempt failed, and the next is not due
	last    *failure.Error // of that attempt
	waiting bool           // that it is waited for has been entered
	stored  bool
	failed  bool
	reports []sdk.StoreReport // of the captures, in their order
}

// heard is what a check or a store told of a destination.
type heard struct {
	destination string
	store       bool
	failure     *failure.Error // nil: it served
}

// capture is one variant.
type capture struct {
	variant      string
	call         call
	begun        bool
	started      bool // of a capture that must not be repeated
	deviceDone   bool
	token        string
	discard      call
	discardSince time.Time // first tried
	captured     *event.Captured
}

// NewTask returns a task that is queued. Its first status is entered by [Task.Queue].
func NewTask(spec TaskSpec) *Task {
	t := &Task{spec: spec}
	for _, d := range spec.Destinations {
		t.dests = append(t.dests, &destination{spec: d, usable: true})
	}
	return t
}

// Spec is what the task was made from.
func (t *Task) Spec() TaskSpec { return t.spec }

// Final is the last status, or nil while the task lives.
func (t *Task) Final() *event.Status { return t.final }

// Failed reports whether a failure has been decided, before the end too.
func (t *Task) Failed() bool { return len(t.failures) > 0 }

// MayBeDown reports whether this task sent a quiesce and has not seen its target return.
func (t *Task) MayBeDown() bool { return t.debt != nil && !t.debt.Returned() }

// Apply folds one event into the task and returns the statuses that it led
// to. Results of actions that are no longer pending are ignored.
func (t *Task) Apply(e event.Event) []event.Status {
	return t.step(e.Time, func() {
		switch e.Kind {
		case event.Started:
			t.onStarted(idOf(e))
		case event.NotBegun:
			t.onNotBegun(idOf(e))
		case event.Progressed:
			t.onProgressed(idOf(e), e.Notice)
		case event.Finished:
			if a, ok := actionOf(t.Pending(), e); ok {
				t.onFinished(a, e)
			}
		case event.CancelRequested:
			t.onCancel(CanceledByUser, "cancelled by "+e.Reason)
		case event.JournalFailed:
			t.onCancel(CanceledJournalFailed, "the journal cannot be written: nothing new is begun")
		case event.Faulted:
			t.onFault(e)
		case event.Interrupted:
			t.now = e.Time // whatever the clock did meanwhile: what is owed does not wait for it
			t.onInterrupted(e.Recovered)
		}
	})
}

// step runs f at a time, then lets the task go on, and returns what was entered.
func (t *Task) step(now time.Time, f func()) []event.Status {
	t.out = nil
	if t.final != nil {
		return nil
	}
	if now.After(t.now) {
		t.now = now
	}
	f()
	t.advance()
	return t.out
}

// Queue enters the first status.
func (t *Task) Queue(now time.Time) []event.Status {
	return t.step(now, func() { t.enter(WaitingForPreValidation, "") })
}

// Validate begins to ask the device whether the task can work at all.
func (t *Task) Validate(now time.Time) []event.Status {
	return t.step(now, func() {
		t.phase = PhaseValidate
		t.validate.begin(t.now)
	})
}

// Ready says that all validation passed.
func (t *Task) Ready(now time.Time) []event.Status {
	return t.step(now, func() {
		t.phase = PhaseReady
		t.enter(ReadyForExecution, "")
	})
}

// Dismiss ends a task that was not dispatched.
func (t *Task) Dismiss(now time.Time, code Code, message string) []event.Status {
	if t.phase >= PhaseDispatch {
		return nil
	}
	return t.step(now, func() { t.end(code, message) })
}

// Dispatch starts a ready task.
func (t *Task) Dispatch(now time.Time) []event.Status {
	return t.step(now, func() {
		t.phase = PhaseDispatch
		t.enter(SentToMDB, "")
	})
}

// Forbid stops a task that has not yet sent its quiesce, for example because
// another device did not return. A task past that point is left alone.
func (t *Task) Forbid(now time.Time, code Code, message string) []event.Status {
	if !t.spec.Quiesces() || t.debt != nil || t.phase > PhaseQuiesce {
		return nil
	}
	if t.phase < PhaseDispatch {
		return t.Dismiss(now, code, message)
	}
	return t.step(now, func() {
		if t.abandon {
			return
		}
		t.abandon = true
		t.fail(rankFirst, code, message)
	})
}

// enter appends a status to the history.
func (t *Task) enter(c Code, format string, args ...any) {
	t.append(event.Status{Code: string(c), Message: fmt.Sprintf(format, args...)})
}

// warn puts a warning beside the result, once.
func (t *Task) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(t.warnings, w) {
		t.warnings = append(t.warnings, w)
	}
}

func (t *Task) append(s event.Status) {
	t.seq++
	s.V, s.Seq, s.Time = event.Version, t.seq, t.now
	s.Run, s.Task, s.Plan = t.spec.Run, t.spec.ID, t.spec.Plan
	s.Activity, s.Device, s.Domain = t.spec.Activity.Name, t.spec.Device, t.spec.Domain
	t.out = append(t.out, s)
}

// fail enters a failure when it is decided; the task ends later, after undo,
// stores and post-script.
func (t *Task) fail(r rank, c Code, message string) {
	t.failures = append(t.failures, entered{c, message, r})
	t.enter(c, "%s", message)
}

// end is the only place where a history is closed. A deciding failure that is
// not the last entry already is repeated as final.
func (t *Task) end(c Code, message string) {
	if t.final != nil {
		return
	}
	t.phase = PhaseFinal
	s := event.Status{Code: string(c), Message: message, Final: true, Warnings: t.warnings}
	seen := false
	for _, f := range t.failures {
		if !seen && f.code == c && f.message == message {
			seen = true
			continue
		}
		s.Causes = append(s.Causes, event.Cause{Code: string(f.code), Message: f.message})
	}
	t.append(s)
	last := t.out[len(t.out)-1]
	t.final = &last
}

// outcome is the code that decides, as far as it is known.
func (t *Task) outcome() (Code, string) {
	if len(t.failures) > 0 {
		best := t.failures[0]
		for _, f := range t.failures[1:] {
			if f.rank < best.rank {
				best = f
			}
		}
		return best.code, best.message
	}
	if !t.anyStored() {
		return FailedNoFilesDownloaded, "no file was stored; run the backup again"
	}
	return Success, t.summary()
}

// advance goes through the phases as far as possible without a new event.
func (t *Task) advance() {
	for t.final == nil {
		before := t.phase
		switch t.phase {
		case PhaseDispatch:
			t.started = t.now
			t.enter(ExecutionStarted, "")
			t.phase = PhasePreChecks
			t.enter(PreChecksStarted, "")
			t.prepare.begin(t.now)
			t.probe.begin(t.now)
		case PhasePreChecks:
			t.advancePreChecks()
		case PhaseLock:
			t.advanceLock()
		case PhasePreScript:
			t.advancePreScript()
		case PhaseQuiesce:
			t.advanceQuiesce()
		case PhaseCapture:
			t.advanceCapture()
		case PhaseUnquiesce:
			t.advanceUnquiesce()
		case PhaseStore:
			t.advanceStore()
		case PhasePostScript:
			t.advancePostScript()
		}
		if t.phase == before {
			return
		}
	}
}

// Pending is every action that should be in flight now.
func (t *Task) Pending() []Action {
	if t.final != nil || t.phase < PhasePreChecks && t.phase != PhaseValidate {
		return nil
	}
	var as []Action
	add := func(a Action) {
		a.Task, a.Device, a.Domain = t.spec.ID, t.spec.Device, t.spec.Domain
		as = append(as, a)
	}
	if t.phase == PhaseValidate {
		t.pendingValidation(add)
		return as
	}
	if at, ok := t.runLimit(); ok {
		add(Action{ActionID: ActionID{Kind: ActRunTimer}, NotBefore: at})
	}
	if t.phase >= PhaseLock && t.phase <= PhaseUnquiesce && !t.noLock {
		add(Action{ActionID: deviceLock, Exclusive: t.spec.Activity.Exclusive || t.spec.Activity.Quiesce == QuiesceDevice})
	}
	switch t.phase {
	case PhasePreChecks:
		t.pendingPreChecks(add)
	case PhaseLock:
		t.pendingWait(add)
		t.pendingCheck(add)
	case PhasePreScript:
		t.pendingScript(add, hookPre, t.spec.Activity.PreScript)
	case PhaseQuiesce:
		t.pendingScript(add, hookBefore, t.spec.Activity.BeforeQuiesce)
		t.pendingCheck(add)
		t.pendingQuiesce(add)
	case PhaseCapture:
		t.pendingCapture(add)
	case PhaseStore:
		t.pendingStore(add)
	case PhasePostScript:
		t.pendingScript(add, hookPost, t.spec.Activity.PostScript)
	}
	t.pendingUndo(add)
	t.pendingScript(add, hookAfter, t.spec.Activity.AfterUnquiesce)
	t.pendingDiscard(add)
	return as
}

// runLimit is when the long-running clock runs out. It covers the phases 5 to
// 10, stands still while the lock is waited for, and fires once. After an
// interruption only what is bounded by itself is left.
func (t *Task) runLimit() (time.Time, bool) {
	if t.phase < PhasePreChecks || t.phase > PhaseUnquiesce || !t.lockSince.IsZero() || t.spec.Timeouts.Run <= 0 || t.has(FailedLongRunning) || t.abandon || t.noLock {
		return time.Time{}, false
	}
	return t.started.Add(t.lockWaited + t.spec.Timeouts.Run), true
}

func (t *Task) has(c Code) bool {
	return slices.ContainsFunc(t.failures, func(f entered) bool { return f.code == c })
}

// target names what the task works on, for messages.
func (t *Task) target() string {
	if t.spec.Domain == "" {
		return "device " + t.spec.Device
	}
	return fmt.Sprintf("domain %s of %s", t.spec.Domain, t.spec.Device)
}

// Obligations is what the task owes to the outside world now.
func (t *Task) Obligations() []Obligation {
	var os []Obligation
	if t.MayBeDown() {
		spec := t.debt.Spec()
		os = append(os, Obligation{ID: OwedUnquiesce, Kind: OweUnquiesce, Task: t.spec.ID, Device: t.spec.Device, Domain: spec.Domain, Debt: &spec, DueBack: t.dueBack()})
	}
	for _, c := range t.captures {
		if c.token != "" && !(c.discard.done && c.discard.failure == nil) {
			os = append(os, Obligation{ID: owedDiscard(c.variant), Kind: OweDiscard, Task: t.spec.ID, Device: t.spec.Device, Token: c.token})
		}
	}
	if t.OwesRejoin() {
		os = append(os, Obligation{ID: OwedAfterUnquiesce, Kind: OwePostScript, Task: t.spec.ID, Device: t.spec.Device, Domain: t.spec.Domain, Script: t.spec.Activity.AfterUnquiesce.Address})
	}
	if t.owesPostScript() && t.final == nil {
		os = append(os, Obligation{ID: OwedPostScript, Kind: OwePostScript, Task: t.spec.ID, Device: t.spec.Device, Domain: t.spec.Domain, Script: t.spec.Activity.PostScript.Address})
	}
	return os
}

// dueBack is when the task's target should be back at the latest, whatever
// happens: after that something is wrong with whoever works on it.
func (t *Task) dueBack() time.Time {
	return t.started.Add(t.lockWaited + t.spec.Timeouts.Run + t.spec.Timeouts.Unquiesce + t.spec.Timeouts.Grace + arrivesWithin)
}

// owesPostScript reports whether the post-script must run even if the run is
// interrupted: what a pre-script began, it ends.
func (t *Task) owesPostScript() bool {
	p := t.spec.Activity.PostScript
	return p != nil && p.When != OnSuccess && t.pre.started && !t.post.done
}

// Started is when the task was dispatched; zero before.
func (t *Task) Started() time.Time { return t.started }

// Prepared is the task's stamp and set directories, once computed.
func (t *Task) Prepared() *event.Prepared { return t.prepared }

// Captured lists what stands in staging for the task.
func (t *Task) Captured() []event.Captured {
	var out []event.Captured
	for _, c := range t.captures {
		if c.captured != nil {
			out = append(out, *c.captured)
		}
	}
	return out
}

// stagedBytes is the size of what stands in staging for the task.
func (t *Task) stagedBytes() (n int64) {
	for _, c := range t.Captured() {
		for _, a := range c.Artifacts {
			n += a.Size
		}
	}
	return n
}
