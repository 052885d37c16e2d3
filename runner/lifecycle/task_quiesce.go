package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// quiesce is the way down. The way back is [Debt].
type quiesce struct {
	state quiesceState
	since time.Time // about to be sent
	polls polls
}

func (q *quiesce) on(e quiesceEvent) { q.state = quiesces.after(q.state, e) }

// begun reports whether the quiesce was about to be sent, or has been sent.
func (q quiesce) begun() bool { return q.state != quiesceIdle && q.state != quiesceChecking }

func (q quiesce) last() string {
	if q.polls.state == "" {
		return "never read"
	}
	return string(q.polls.state)
}

// advanceQuiesce checks once more right before, sends, and waits.
func (t *Task) advanceQuiesce() {
	q := &t.quiesce
	if t.stopped() || q.state == quiesceRefused || q.state == quiesceTimedOut || q.state == quiesceFailed {
		t.toUndo()
		return
	}
	if !t.windowStillFits() {
		return
	}
	if !t.quiesces() || q.state == quiesceReached {
		t.beginCaptures()
		return
	}
	if q.state == quiesceIdle {
		q.on(quiesceTurn)
	}
	if q.begun() || !t.permitted() || !t.drained() {
		return
	}
	if t.has(status.BeforeQuiesceScriptError) {
		t.toUndo()
		return
	}
	// The objects come first, because reading them may take minutes. What may
	// forbid the quiesce is read after that.
	if t.beginSurvey(&t.survey.second); !t.surveyed(&t.survey.second) || !t.stillRight() {
		return
	}
	t.tellSurvey()
	q.on(quiesceSends)
	q.since = t.now
	t.enter(status.QuiesceStarted, "%s", t.target())
}

// windowStillFits cancels a task that has not begun if too little of the window
// is left for its target to come back in time.
func (t *Task) windowStillFits() bool {
	w := t.spec.Window
	if w == nil || t.quiesce.begun() || t.phase != PhaseQuiesce {
		return true
	}
	if !w.Open(t.now) {
		t.fail(rankFirst, status.CanceledBecauseMaintenanceWindow, fmt.Sprintf("window %s closed before %s was begun", w.Name, t.target()))
		t.toUndo()
		return false
	}
	if closes, ok := w.ClosesAt(t.now); ok {
		if why := t.Spec().tooShort(closes.Sub(t.now), t.spent(), t.target()); why != "" {
			t.fail(rankFirst, status.CanceledBecauseMaintenanceWindow, why)
			t.toUndo()
			return false
		}
	}
	return true
}

func (t *Task) pendingQuiesce(add func(Action)) {
	q := &t.quiesce
	if q.state != quiesceSending && q.state != quiesceWaiting {
		return
	}
	add(Action{ActionID: ActionID{Kind: ActQuiesceTimer}, NotBefore: q.since.Add(t.spec.Timeouts.Quiesce + t.spec.Timeouts.Grace)})
	if q.state == quiesceSending {
		// The device's own limit lies beyond ours unless it may force: ours
		// fires first, and traffic is not cut.
		device := t.spec.Timeouts.Quiesce + t.spec.Timeouts.Grace + time.Minute
		if t.spec.Activity.OnBusy == Force {
			device = t.spec.Timeouts.Quiesce
		}
		add(Action{ActionID: theQuiesce, DeviceTimeout: device})
		return
	}
	add(Action{ActionID: ActionID{Kind: ActQuiesceState, Attempt: q.polls.n}, NotBefore: q.polls.at})
}

// owe begins the debt of a quiesce that is about to be sent.
func (t *Task) owe() { t.debt = NewDebt(t.quiesceDebt()) }

// quiesceDebt says how the target of a quiesce that is sent now comes back.
func (t *Task) quiesceDebt() DebtSpec {
	spec := DebtSpec{Device: t.spec.Device, Domain: t.domain, QuiescedAt: t.now, Unquiesce: t.spec.Timeouts.Unquiesce, Grace: t.spec.Timeouts.Grace, Seed: t.spec.Seed}
	if t.spec.Activity.Quiesce == QuiesceDevice {
		spec.Domain = ""
	}
	if t.checked != nil && spec.Domain == "" {
		for name := range t.checked.Quiesce.Domains {
			if name != defaultDomain { // never goes down
				spec.Domains = append(spec.Domains, name)
			}
		}
		slices.Sort(spec.Domains)
	}
	if up := t.survey.compare().up; len(up) > 0 {
		spec.Up, spec.Healthy = up, t.spec.Timeouts.Healthy
	}
	return spec
}

// onQuiesceSent: the quiesce was accepted or refused, or the outcome is unknown.
// An unknown one is never sent again; the state shows what happened.
func (t *Task) onQuiesceSent(f *failure.Error) {
	q := &t.quiesce
	if t.debt == nil { // its start was not journalled as an event of its own
		t.owe()
	}
	if f != nil && f.Kind != failure.Timeout && f.Kind != failure.Unavailable {
		q.on(quiesceRefuses)
		if refusal(f) {
			t.debt.Refuse()
		}
		t.fail(rankFirst, status.QuiesceError, fmt.Sprintf("%s refused to quiesce: %s", t.target(), f.Error()))
		return
	}
	message := t.target()
	if f != nil {
		message += ": the answer to the quiesce was lost (" + f.Error() + "); reading the state"
	}
	q.on(quiesceAnswered)
	t.enter(status.QuiesceWaiting, "%s", message)
	q.polls.next(t.now, t.spec.Seed, t.id+"/quiesce_state")
}

// onState folds one reading on the way down. A failed reading is read again
// until the phase's limit.
func (t *Task) onState(r *sdk.QuiesceReport, f *failure.Error) {
	state := sdk.StateUnknown
	if f == nil && r != nil {
		state = r.State
		t.debt.Observe(r)
	}
	q := &t.quiesce
	q.polls.state = state
	switch {
	case state == sdk.StateQuiesced && t.debt.allDown(r):
		q.on(quiesceReaches)
	case state == sdk.StateError:
		q.on(quiesceErrs)
		t.fail(rankFirst, status.QuiesceError, fmt.Sprintf("%s reports an error while quiescing; it is being unquiesced", t.target()))
	default:
		q.on(quiesceReads)
		q.polls.next(t.now, t.spec.Seed, t.id+"/quiesce_state")
	}
}

// beginUndo starts the way back, once, if this task sent a quiesce.
func (t *Task) beginUndo() {
	if t.debt == nil || t.debt.begun() {
		return
	}
	how := tellsReturn
	if t.Failed() || t.course == courseAbandoned {
		how = tellsRescue
	}
	t.telling = tellings.after(t.telling, how)
	t.debt.Begin(t.now)
	t.enter(t.undoCode(status.UnquiesceStarted, status.UnquiesceOnErrorStarted), "%s", t.target())
}

// undoCode picks between the code of a normal return and that of one after an error.
func (t *Task) undoCode(normal, onError status.Code) status.Code {
	if t.telling == toldRescue || t.telling == toldRescueWaiting {
		return onError
	}
	return normal
}

func (t *Task) pendingUndo(add func(Action)) {
	if t.debt == nil {
		return
	}
	for _, a := range t.debt.Pending() {
		add(a)
	}
}

// onUndo folds a result of the way back.
func (t *Task) onUndo(a Action, r *event.Result, f *failure.Error) {
	told := len(t.debt.healing.lacks) > 0
	t.debt.Finish(t.now, a, r, f)
	if t.debt.state == debtHealing {
		t.tellHealing(told)
		return
	}
	t.afterUndo()
}

// afterUndo enters where the way back stands.
func (t *Task) afterUndo() {
	switch t.debt.state {
	case debtPolling:
		message := t.target()
		if why := t.debt.Waiting(t.now); why != "" {
			message += ": " + why
		}
		t.tellWaiting(message)
	case debtReturned:
		t.enter(status.UnquiesceDone, "%s is back in service", t.target())
		t.tellReturn()
	case debtGaveUp: // the target may still be down: the obligation stays
		t.fail(rankUnquiesce, t.undoCode(status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred), t.debt.Complaint())
	case debtUnwell: // nor has it returned before it is healthy
		t.fail(rankUnquiesce, status.UnquiesceNotHealthy, t.debt.Complaint())
	}
}

// tellWaiting says once that the target is waited for.
func (t *Task) tellWaiting(message string) {
	if t.telling == toldReturn || t.telling == toldRescue {
		t.telling = tellings.after(t.telling, tellsWaiting)
		t.enter(t.undoCode(status.UnquiesceWaiting, status.UnquiesceOnErrorWaiting), "%s", message)
	}
}

// recovered takes over what was done for an interrupted task from its pending
// file: its target is back, or the reason why not.
func (t *Task) recovered(r event.Recovered) {
	told := t.debt.GaveUp() // the history says so already
	t.beginUndo()
	if !told {
		t.tellWaiting(t.target())
	}
	t.debt.Restart(t.now)
	if r.Trouble == "" {
		t.debt.on(debtReadBack)
		t.afterUndo()
		return
	}
	stays, code := debtStays, t.undoCode(status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred)
	if r.Unwell {
		stays, code = debtStaysIll, status.UnquiesceNotHealthy
	}
	t.debt.on(stays)
	if !told {
		t.fail(rankUnquiesce, code, r.Trouble)
	}
}

// refusal distinguishes an answer of the device from a lost one.
func refusal(f *failure.Error) bool {
	switch f.Kind {
	case failure.Denied, failure.NotFound, failure.Exists, failure.Precondition:
		return true
	}
	return false
}

// toUndo leaves forward work: next comes everything that must be undone.
func (t *Task) toUndo() { t.to(phaseUndoes) }

// advanceUnquiesce waits for the target's return and the clean-up on the device.
func (t *Task) advanceUnquiesce() {
	t.beginUndo()
	for _, c := range t.captures {
		c.deposit.begin(t.now)
	}
	if t.debt != nil && !t.debt.ended() {
		return
	}
	rejoined := t.rejoined()
	if !rejoined || slices.ContainsFunc(t.captures, func(c *capture) bool { return c.deposit.open() }) {
		return
	}
	t.permit.release()
	t.lock.release()
	if t.whole() && t.course != courseAbandoned {
		t.to(phaseStores)
		t.beginStore()
		return
	}
	t.toPostScript()
}
