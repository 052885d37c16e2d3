package lifecycle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/failure"
)

// onStarted notes that an action which must not be repeated is being sent.
func (t *Task) onStarted(id ActionID) {
	switch id.Kind {
	case ActQuiesce:
		t.owe()
	case ActScript:
		if s, _, _ := t.hook(id.Target); s.state == scriptAsked {
			s.on(scriptStarted)
		}
	case ActCapture:
		if c := t.capture(id.Variant); c != nil {
			if t.checked != nil && c.deposit.token == "" {
				c.deposit.may(t.checked.Token) // owed from here on: what the capture tells may be lost
			}
		}
	}
}

// onNotBegun takes a start back: nothing must be undone because of it.
func (t *Task) onNotBegun(id ActionID) {
	switch id.Kind {
	case ActQuiesce:
		t.debt = nil
	case ActScript:
		if s, _, _ := t.hook(id.Target); s.state == scriptRunning {
			s.on(scriptTakenBack)
		}
	case ActCapture:
		if c := t.capture(id.Variant); c != nil && c.deposit.state == depositOwed {
			c.deposit.on(depositTakenBack)
			c.deposit.token = ""
		}
	}
}

// onProgressed notes news of a running action.
func (t *Task) onProgressed(id ActionID, n *event.Notice) {
	if n == nil {
		return
	}
	switch id {
	case deviceLock:
		if t.lock.awaits(t.now) {
			t.enter(status.CheckManifestWaiting, "%s is waiting for %s", t.target(), n.Waiting)
		}
		return
	case thePermit:
		if t.permit.awaits(t.now) {
			t.enter(status.WaitingForPermit, "%s is not quiesced yet: %s", t.target(), n.Waiting)
		}
		return
	}
	if c := t.capture(id.Variant); c != nil {
		if n.DeviceDone && c.open() {
			c.on(captureLeaves)
		}
		c.deposit.may(n.Token)
	}
}

// onFinished folds the result of a pending action.
func (t *Task) onFinished(a Action, e event.Event) {
	r := cmp.Or(e.Result, &event.Result{})
	if a.Kind.Timer() {
		if !t.now.Before(a.NotBefore) { // a timer that was moved may still have fired
			t.onTimer(a)
		}
		return
	}
	switch a.Kind {
	case ActLock:
		t.onLock(e.Failure)
	case ActPrepare:
		t.settle(&t.prepare, a, e.Failure)
		t.prepared = r.Prepared
	case ActProbe:
		t.settle(&t.probe, a, e.Failure)
	case ActCheckDestination:
		t.onDestinationCheck(a, r.Destination, e.Failure)
	case ActValidate:
		t.onValidated(a, r.Check, e.Failure)
	case ActCheck:
		t.settle(&t.check, a, e.Failure)
		t.checked, t.checkAt = r.Check, t.now
	case ActRecheck:
		t.settle(&t.recheck, a, e.Failure)
		t.checked, t.checkAt = r.Check, t.now
	case ActPermit:
		t.onPermit(r.Denial, e.Failure)
	case ActConfirm:
		t.settle(&t.confirm, a, e.Failure)
		t.denial = r.Denial
	case ActPeers:
		t.settle(&t.peers, a, e.Failure)
		t.absent = r.Peers
	case ActScript:
		t.onScript(a, r.Script, e.Failure)
	case ActQuiesce:
		t.onQuiesceSent(e.Failure)
	case ActQuiesceState:
		t.onState(r.Quiesce, e.Failure)
	case ActHealth, ActHealthAgain:
		t.onSurvey(a, r.Health, e.Failure)
	case ActUnquiesce, ActUnquiesceState, ActHealthBack:
		t.onUndo(a, r, e.Failure)
	case ActCapture:
		t.onCaptured(a, r.Capture, e.Failure)
	case ActStore, ActManifest:
		t.onStored(a, r.Store, e.Failure)
	case ActDiscard:
		t.onDiscarded(a, e.Failure)
	}
}

// settle ends or repeats a call.
func (t *Task) settle(c *call, a Action, f *failure.Error) {
	c.settle(f, t.now, t.spec.Seed, t.id+"/"+a.String())
}

func (t *Task) onTimer(a Action) {
	switch a.Kind {
	case ActUnquiesceTimer:
		t.onUndo(a, nil, nil)
	case ActAgainTimer:
		t.destination(a.Destination).on(copyResumes)
	case ActStoreTimer:
		t.onStoreTimeout(t.destination(a.Destination))
	case ActRunTimer:
		t.course = courses.after(t.course, courseLimit)
		t.fail(rankLongRunning, status.FailedLongRunning, fmt.Sprintf(
			"%s: not finished after %s; it was stopped here, and what it began on the device may still be running: check the device", t.target(), t.spec.Timeouts.Run))
	case ActQuiesceTimer:
		t.quiesce.on(quiesceTimesOut)
		t.fail(rankFirst, status.QuiesceTimeoutOccurred, fmt.Sprintf(
			"%s did not reach quiesced within %s + %s grace (last state: %s); it is being unquiesced", t.target(), t.spec.Timeouts.Quiesce, t.spec.Timeouts.Grace, t.quiesce.last()))
	case ActQueueTimer:
		t.abandon()
		t.fail(rankFirst, status.CanceledBecauseADayPassed, fmt.Sprintf("%s was not free for %s: %s", t.target(), t.spec.Timeouts.Queue, t.heldUp()))
	case ActWindowTimer:
		t.abandon()
		t.fail(rankFirst, status.CanceledBecauseMaintenanceWindow, fmt.Sprintf("%s was not free in time: too little is left of window %s", t.target(), t.spec.Window.Name))
	}
}

// onCancel stops forward work; what must be undone is still undone.
func (t *Task) onCancel(c status.Code, message string) {
	if t.cancels++; t.cancels > 1 && t.debt != nil {
		t.debt.Hurry()
	}
	if t.phase < PhaseDispatch {
		t.end(c, message)
		return
	}
	if t.course == courseAbandoned || t.phase > PhaseStore {
		return
	}
	t.abandon()
	t.fail(rankFirst, c, message)
}

func (t *Task) onFault(e event.Event) {
	message := "internal error"
	if e.Failure != nil {
		message = e.Failure.Error()
	}
	if t.phase < PhaseDispatch {
		t.end(status.FailedWithInternalException, message)
		return
	}
	t.abandon()
	t.fail(rankFirst, status.FailedWithInternalException, message)
}

const neverStarted = "the run was interrupted before this task began; run the backup again"

// Unreplayed returns how a task ends whose run cannot be replayed, by the last
// code of its history. The pending files settle what it owes.
func Unreplayed(last status.Code) (code status.Code, message string) {
	e, known := status.Lookup(last)
	if last == "" || known && len(e.Phases) > 0 && Phase(slices.Max(e.Phases)) < PhaseDispatch {
		return status.RecoveredNeverStarted, neverStarted
	}
	return status.RecoveredObligationsPaid, "the run was interrupted and cannot be finished as it was begun; dprun undoes separately what this task left (`dprun owed` lists what remains); run the plan again"
}

// onInterrupted is applied after the replay of a run that died. It sends nothing
// again that must not be repeated: a quiesce of unknown outcome is undone, and a
// script of unknown outcome is left alone. Files that were staged whole are
// stored.
//
// done lists what recovery did before that for the task's target, and what it
// removed from the device. The task does the rest now.
func (t *Task) onInterrupted(done []event.Recovered) {
	if t.phase < PhaseDispatch {
		t.end(status.RecoveredNeverStarted, neverStarted)
		return
	}
	t.lock.on(lockInterrupted)
	t.permit.on(lockInterrupted)
	if t.phase < PhaseCapture || len(t.captures) > 0 && !t.whole() {
		t.abandon()
	}
	if t.debt.begun() && !t.debt.ended() {
		t.debt.Restart(t.now)
	}
	for _, d := range t.dests { // the time that nobody worked does not count
		if d.state == copyPausing {
			d.on(copyResumes)
		}
		d.since = t.now
	}
	for _, c := range t.captures {
		c.deposit.notBefore = t.now
	}
	for _, r := range done {
		t.onRecovered(r)
	}
	t.pre.interrupt()
	t.before.interrupt()
	if t.after.state == scriptRunning {
		t.after.on(scriptRedone) // whatever became of it: it is run until it has worked
	}
	switch p := t.spec.Activity.PostScript; {
	case p == nil || t.post.ended():
	case t.post.state == scriptRunning:
		t.post.interrupt()
		t.warnings = append(t.warnings, "the post-script was started before the interruption; its outcome is unknown")
	case !t.owesPostScript():
		t.post.on(scriptDrops) // its configuration was not kept
		if p.due(!t.whole()) {
			t.warnings = append(t.warnings, fmt.Sprintf("script %s was not run: the run was interrupted before the script was due", p.Address))
		}
	}
}

// onRecovered takes over how one obligation was settled from its pending file.
func (t *Task) onRecovered(r event.Recovered) {
	if r.Task != t.id {
		return
	}
	if r.ID == OwedUnquiesce && t.MayBeDown() {
		t.recovered(r)
		return
	}
	for _, c := range t.captures {
		if d := &c.deposit; r.ID == owedDiscard(c.variant) && d.open() {
			var f *failure.Error
			if r.Trouble != "" {
				f = failure.New(failure.Unavailable, "", "%s", r.Trouble)
			}
			d.begin(t.now)
			t.discarded(d, f)
		}
	}
}
