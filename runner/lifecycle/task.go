package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
)

// Phase is a step of a task's life; a task only goes forward.
type Phase int

// The phases, numbered as in the status documentation.
const (
	PhaseQueue Phase = iota
	PhaseValidate
	PhaseGate // of the plan: no task is in it by itself
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

var phaseNames = [...]string{"queue", "validate", "gate", "ready", "dispatch", "pre-checks", "lock", "pre-script", "quiesce", "capture", "unquiesce", "store", "post-script", "final"}

func (p Phase) String() string { return phaseNames[p] }

// Task is the machine of one task. A run makes it, and enters its first status by [Task.Queue].
type Task struct {
	spec     *sharedSpec
	id       string
	domain   string // empty for the whole device
	lastSize int64
	usual    time.Duration

	phase   Phase
	now     time.Time
	out     []event.Status // of the step that is being made
	seq     int
	started time.Time // dispatched: the long-running clock starts
	heard   []heard   // of destinations, not yet noted by the run
	final   *event.Status
	brought // once it has ended

	*work // idle while it waits, and when it has ended and nothing of it is needed any more
}

// brought is the result of a task that has ended.
type brought struct {
	bytes    int64
	spent    time.Duration
	withheld int
	files    []string
}

// idle is the work of all tasks that have none. Nobody changes it.
var idle = &work{}

// work is what a task knows while it is under way.
type work struct {
	left   time.Time // the device: what follows is only stored
	course course

	validate call // the device check of a task for a whole device, before the plan gate
	prepare  call
	prepared *event.Prepared
	probe    call
	dests    []*destination

	lock     lock
	check    call // once the lock is held
	permit   lock // to quiesce
	recheck  call // right before the quiesce, as are the next two
	confirm  call
	peers    call
	checked  *sdk.CheckReport
	checkAt  time.Time
	survey   survey
	busyAt   time.Time     // first found busy
	permitAt time.Time     // granted
	denial   *event.Denial // of the confirmation; nil: none
	absent   []event.Peer  // members of the group that were not seen in service

	pre, post script
	before    script // before_quiesce
	after     script // after_unquiesce
	quiesce   quiesce
	debt      *Debt // from the moment that the quiesce is about to be sent
	telling   telling
	captures  []*capture

	failures []entered
	warnings []string
	cancels  int // how often the user asked to stop
}

// begin gives the task work of its own, which it may change.
func (t *Task) begin() {
	if t.work != idle {
		return
	}
	t.work = &work{}
	for i := range t.spec.Destinations {
		t.dests = append(t.dests, &destination{spec: &t.spec.Destinations[i]})
	}
}

// rest forgets the work of a task that has ended and has nothing left to undo,
// to remove or to explain. It keeps the task's result.
func (t *Task) rest() {
	if t.work == idle || len(t.failures) > 0 || len(t.Obligations()) > 0 || len(t.Unstored()) > 0 {
		return
	}
	t.brought = brought{t.Bytes(), t.Spent(), t.Withheld(), t.Locations()}
	t.work = idle
}

// Spec returns what the task was made from.
func (t *Task) Spec() TaskSpec {
	s := t.spec
	return TaskSpec{ID: t.id, Run: s.Run, Plan: s.Plan, Activity: s.Activity, Device: s.Device, Domain: t.domain, Seed: s.Seed, Window: s.Window, Timeouts: s.Timeouts,
		Destinations: s.Destinations, LastSize: t.lastSize, Usual: t.usual, OnlyDefault: s.OnlyDefault, Guard: s.Guard, Group: s.Group, Peers: s.Peers, Environment: s.Environment}
}

func (t *Task) quiesces() bool { return t.Spec().Quiesces() }

// Final is the last status, or nil while the task lives.
func (t *Task) Final() *event.Status { return t.final }

// Failed reports whether a failure has been decided, also before the end.
func (t *Task) Failed() bool { return len(t.failures) > 0 }

// MayBeDown reports whether this task sent a quiesce and has not seen its target return.
func (t *Task) MayBeDown() bool { return t.debt != nil && !t.debt.Returned() }

// Apply folds one event into the task and returns the statuses that it led
// to. Results of actions that are no longer pending are ignored.
func (t *Task) Apply(e event.Event) []event.Status {
	return t.step(e.Time, func() {
		t.begin()
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
			t.onCancel(status.CanceledByUser, "cancelled by "+e.Reason)
		case event.JournalFailed:
			t.onCancel(status.CanceledJournalFailed, "the journal cannot be written: nothing new is begun")
		case event.Faulted:
			t.onFault(e)
		case event.Interrupted:
			t.now = e.Time // whatever the clock did meanwhile: what is owed does not wait for it
			t.onInterrupted(e.Recovered)
		}
	})
}

// step runs f at a time, then lets the task go on, and returns the statuses that
// were entered.
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
	if t.final != nil {
		t.rest()
	}
	out := t.out
	t.out = nil
	return out
}

// Queue enters the first status.
func (t *Task) Queue(now time.Time) []event.Status {
	return t.step(now, func() { t.enter(status.WaitingForPreValidation, "") })
}

// Validate begins to ask the device whether the task can work at all.
func (t *Task) Validate(now time.Time) []event.Status {
	return t.step(now, func() {
		t.begin()
		t.to(phaseValidates)
		t.validate.begin(t.now)
	})
}

// Ready says that all validation passed.
func (t *Task) Ready(now time.Time) []event.Status {
	return t.step(now, func() {
		t.to(phaseReady)
		t.enter(status.ReadyForExecution, "")
	})
}

// Dismiss ends a task that was not dispatched.
func (t *Task) Dismiss(now time.Time, code status.Code, message string) []event.Status {
	if t.phase >= PhaseDispatch {
		return nil
	}
	return t.step(now, func() { t.end(code, message) })
}

// Dispatch starts a ready task.
func (t *Task) Dispatch(now time.Time) []event.Status {
	return t.step(now, func() {
		t.begin()
		t.to(phaseDispatched)
		t.enter(status.SentToMDB, "")
	})
}

// Forbid stops a task that has not yet sent its quiesce, for example because
// another device did not return. A task past that point is left alone.
func (t *Task) Forbid(now time.Time, code status.Code, message string) []event.Status {
	if !t.quiesces() || t.debt != nil || t.phase > PhaseQuiesce {
		return nil
	}
	if t.phase < PhaseDispatch {
		return t.Dismiss(now, code, message)
	}
	return t.step(now, func() {
		if t.course == courseAbandoned {
			return
		}
		t.abandon()
		t.fail(rankFirst, code, message)
	})
}

// to takes the task to another phase.
func (t *Task) to(e phaseEvent) { t.phase = phases.after(t.phase, e) }

// abandon ends forward work: nothing more begins, and what must be undone is
// undone.
func (t *Task) abandon() { t.course = courses.after(t.course, courseAbandons) }

// stopped reports whether forward work on the device must end: abandoned, or
// over the time limit.
func (t *Task) stopped() bool { return t.course != courseGoing }

// enter appends a status to the history.
func (t *Task) enter(c status.Code, format string, args ...any) {
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
	s.Run, s.Task, s.Plan = t.spec.Run, t.id, t.spec.Plan
	s.Activity, s.Device, s.Domain = t.spec.Activity.Name, t.spec.Device, t.domain
	t.out = append(t.out, s)
}

// fail enters a failure when it is decided; the task ends later, after undo,
// stores and post-script.
func (t *Task) fail(r rank, c status.Code, message string) {
	t.failures = append(t.failures, entered{c, message, r})
	t.enter(c, "%s", message)
}

// end is the only place where a history is closed. A deciding failure that is
// not the last entry already is repeated as final.
func (t *Task) end(c status.Code, message string) {
	if t.final != nil {
		return
	}
	t.to(phaseEnds)
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

// outcome returns the deciding code, as far as it is known.
func (t *Task) outcome() (status.Code, string) {
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
		return status.FailedNoFilesDownloaded, "no file was stored; run the backup again"
	}
	return status.Success, t.summary()
}

// advance goes through the phases as far as possible without a new event.
func (t *Task) advance() {
	for t.final == nil {
		before := t.phase
		switch t.phase {
		case PhaseDispatch:
			t.started = t.now
			t.enter(status.ExecutionStarted, "")
			t.to(phaseStarts)
			t.enter(status.PreChecksStarted, "")
			t.prepare.begin(t.now)
			if t.Spec().mayWait() {
				t.probe.begin(t.now)
			}
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
		a.Task, a.Device, a.Domain = t.id, t.spec.Device, t.domain
		as = append(as, a)
	}
	if t.phase == PhaseValidate {
		t.pendingValidation(add)
		return as
	}
	if at, ok := t.runLimit(); ok {
		add(Action{ActionID: ActionID{Kind: ActRunTimer}, NotBefore: at})
	}
	if t.lock.wanted() {
		add(Action{ActionID: deviceLock, Exclusive: t.spec.Activity.Exclusive || t.spec.Activity.Quiesce == QuiesceDevice})
	}
	if t.permit.wanted() {
		a := Action{ActionID: thePermit}
		if t.permit.state != lockHeld { // else it has been entered
			owe := t.oweUnquiesce(t.quiesceDebt())
			a.Owe = &owe
		}
		add(a)
	}
	switch t.phase {
	case PhasePreChecks:
		t.pendingPreChecks(add)
	case PhaseLock:
		t.pendingWait(&t.lock, add)
		t.pendingCheck(add)
		t.pendingSurvey(add)
	case PhasePreScript:
		t.pendingScript(add, hookPre, t.spec.Activity.PreScript)
	case PhaseQuiesce:
		t.pendingScript(add, hookBefore, t.spec.Activity.BeforeQuiesce)
		t.pendingWait(&t.permit, add)
		t.pendingCheck(add)
		t.pendingSurvey(add)
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

// runLimit returns when the long-running clock runs out. The clock covers phases
// 5 to 10, stands still while the task waits for the lock or the permit, and
// fires once. After an interruption only actions with limits of their own are
// left.
func (t *Task) runLimit() (time.Time, bool) {
	if t.phase < PhasePreChecks || t.phase > PhaseUnquiesce || t.lock.state == lockWaiting || t.permit.state == lockWaiting || t.lock.state == lockWithout || t.spec.Timeouts.Run <= 0 || t.stopped() {
		return time.Time{}, false
	}
	return t.started.Add(t.waited() + t.spec.Timeouts.Run), true
}

// waited is how long the long-running clock stood still.
func (t *Task) waited() time.Duration { return t.lock.waited + t.permit.waited }

func (t *Task) has(c status.Code) bool {
	return slices.ContainsFunc(t.failures, func(f entered) bool { return f.code == c })
}

// spent returns how long the task has been at its device, without the time that
// it waited for others.
func (t *Task) spent() time.Duration {
	until := t.now
	if !t.left.IsZero() {
		until = t.left
	}
	return until.Sub(t.started) - t.waited()
}

// Spent returns how long the task kept its device, without the time that it
// waited for others; zero if it did not come to its stores.
func (t *Task) Spent() time.Duration {
	if t.work == idle {
		return t.brought.spent
	}
	if t.left.IsZero() {
		return 0
	}
	return t.spent()
}

// target names what the task works on, for messages.
func (t *Task) target() string {
	if t.domain == "" {
		return "device " + t.spec.Device
	}
	return fmt.Sprintf("domain %s of %s", t.domain, t.spec.Device)
}

// Started is when the task was dispatched; zero before.
func (t *Task) Started() time.Time { return t.started }

// Prepared is the task's stamp and set directories, once computed.
func (t *Task) Prepared() *event.Prepared { return t.prepared }
