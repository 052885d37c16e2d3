package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// busyLimit bounds the wait for another command on the device to end.
const busyLimit = 5 * time.Minute

// checkFresh is how old the device check may be right before a quiesce.
const checkFresh = 10 * time.Second

// advancePreChecks: the device is up, then the destinations exist, then they
// have room. A task that shares the device's lock with others gets it at once;
// its device check also says whether the device is up, so the device is not
// asked twice.
func (t *Task) advancePreChecks() {
	if t.stopped() {
		t.toPostScript()
		return
	}
	if !t.prepare.done() || t.probe.asking() {
		return
	}
	if f := t.prepare.failure; f != nil {
		t.fail(rankFirst, status.PreChecksInvalidPath, f.Error())
		t.toPostScript()
		return
	}
	if f := t.probe.failure; f != nil {
		t.fail(rankFirst, deviceCode(f), f.Error())
		t.toPostScript()
		return
	}
	checked := true
	for _, d := range t.dests {
		d.check.begin(t.now)
		checked = checked && d.check.done()
	}
	if !checked {
		return
	}
	if !slices.ContainsFunc(t.dests, func(d *destination) bool { return d.state != copyLost }) {
		for i := range t.failures {
			t.failures[i].rank = rankFirst
		}
		t.toPostScript()
		return
	}
	t.to(phaseChecked)
	t.lock.on(lockAsks)
}

func (t *Task) pendingPreChecks(add func(Action)) {
	if t.prepare.asking() {
		add(Action{ActionID: ActionID{Kind: ActPrepare, Attempt: t.prepare.attempt}, NotBefore: t.prepare.notBefore})
	}
	if t.probe.asking() {
		add(Action{ActionID: ActionID{Kind: ActProbe, Attempt: t.probe.attempt}, NotBefore: t.probe.notBefore})
	}
	for _, d := range t.dests {
		if d.check.asking() {
			add(Action{ActionID: ActionID{Kind: ActCheckDestination, Target: d.spec.Name, Attempt: d.check.attempt}, Destination: d.spec.Name, NotBefore: d.check.notBefore})
		}
	}
}

// onDestinationCheck decides about one destination. The task stops only if no
// destination is left; if others are left, the code is entered now and is the
// final one at the end.
func (t *Task) onDestinationCheck(a Action, r *sdk.DestinationReport, f *failure.Error) {
	d := t.destination(a.Destination)
	if d == nil {
		return
	}
	d.check.settlePatiently(f, t.now, t.spec.Seed, t.id+"/"+a.String())
	if !d.check.done() {
		return
	}
	t.heard = append(t.heard, heard{d.spec.Name, ActCheckDestination, d.check.failure})
	if f := d.check.failure; f != nil {
		t.loseDestination(d, f.Error(), f)
		return
	}
	if short := d.spec.MinFree.short(r, t.lastSize); short != "" {
		d.on(copyLoses)
		code := status.PreChecksDestinationOutOfSpace
		if d.spec.Family == familyNFS {
			code = status.PreChecksNFSOutOfSpace
		}
		t.fail(rankStore, code, fmt.Sprintf("destination %s: %s", d.spec.Name, short))
	}
}

// loseDestination goes on without a destination that its check found unusable.
func (t *Task) loseDestination(d *destination, why string, f *failure.Error) {
	d.on(copyLoses)
	t.fail(rankStore, destinationCode(d.spec.Family, f), fmt.Sprintf("destination %s: %s", d.spec.Name, why))
}

// withoutDestination answers the check of a destination from what the run knows
// about it already, without asking it.
func (t *Task) withoutDestination(now time.Time, name, why string, f *failure.Error) []event.Status {
	return t.step(now, func() {
		d := t.destination(name)
		d.check.giveUp(f)
		t.loseDestination(d, why, f)
	})
}

// asksDestination reports whether the task checks a destination just now.
func (t *Task) asksDestination(name string) bool {
	d := t.destination(name)
	return t.phase == PhasePreChecks && d != nil && d.check.asking()
}

// short returns how far a destination falls short of the room that must be free,
// and what to do about it, or nothing. A destination that cannot tell counts as
// having room.
func (m MinFree) short(r *sdk.DestinationReport, need int64) string {
	if r == nil || r.Free < 0 {
		return ""
	}
	if m.Percent > 0 && r.Total > 0 {
		if p := float64(r.Free) * 100 / float64(r.Total); p < m.Percent {
			return fmt.Sprintf("%.1f%% of %s is free (%s), and min_free asks for %g%%; free some space or lower min_free", p, size(r.Total), size(r.Free), m.Percent)
		}
	}
	if m.Bytes > 0 && r.Free < m.Bytes {
		return fmt.Sprintf("%s free, and min_free asks for %s; free some space or lower min_free", size(r.Free), size(m.Bytes))
	}
	if r.Free < need {
		return fmt.Sprintf("%s free, and the last backup of this task took %s; free some space", size(r.Free), size(need))
	}
	return ""
}

// size formats bytes as a person reads them.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, p := float64(n)/unit, 0
	for f >= unit && p < 4 {
		f /= unit
		p++
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTP"[p])
}

// advanceLock: the device's lock, then what the device says right now.
func (t *Task) advanceLock() {
	if t.stopped() {
		t.toUndo()
		return
	}
	if t.lock.state != lockHeld {
		return
	}
	t.check.begin(t.now)
	t.beginSurvey(&t.survey.first)
	if !t.check.done() || !t.judge(&t.check) || !t.surveyed(&t.survey.first) {
		return
	}
	t.to(phaseLocked)
}

// pendingWait bounds the wait for the device's lock or the permit, during which
// the long-running clock stands still. The wait ends with the window, and is no
// longer than that in the queue.
func (t *Task) pendingWait(l *lock, add func(Action)) {
	if l.state != lockWaiting {
		return
	}
	if q := t.spec.Timeouts.Queue; q > 0 {
		add(Action{ActionID: ActionID{Kind: ActQueueTimer}, NotBefore: l.since.Add(q)})
	}
	if w := t.spec.Window; w != nil {
		at := l.since // it may have closed before
		if closes, ok := w.ClosesAt(t.now); ok && w.Open(t.now) {
			at = closes.Add(-t.Spec().needs(t.spent()))
		}
		add(Action{ActionID: ActionID{Kind: ActWindowTimer}, NotBefore: at})
	}
}

// onLock: the lock is held, or cannot be had.
func (t *Task) onLock(f *failure.Error) {
	if t.lock.state == lockHeld {
		return // it stays pending for as long as it is wanted
	}
	if f != nil {
		t.lock.answer(t.now, lockRefuses)
		t.abandon()
		t.fail(rankFirst, status.FailedWithInternalException, "device lock: "+f.Error())
		return
	}
	t.lock.answer(t.now, lockGranted)
}

func (t *Task) pendingCheck(add func(Action)) {
	if t.check.asking() {
		add(Action{ActionID: ActionID{Kind: ActCheck, Attempt: t.check.attempt}, NotBefore: t.check.notBefore})
	}
	if t.recheck.asking() {
		add(Action{ActionID: ActionID{Kind: ActRecheck, Attempt: t.recheck.attempt}, NotBefore: t.recheck.notBefore})
	}
	if t.confirm.asking() {
		add(Action{ActionID: ActionID{Kind: ActConfirm, Attempt: t.confirm.attempt}, NotBefore: t.confirm.notBefore})
	}
	if t.peers.asking() {
		add(Action{ActionID: ActionID{Kind: ActPeers, Attempt: t.peers.attempt}, NotBefore: t.peers.notBefore})
	}
}

// judge decides on a finished device check. True: the task goes on. False: it
// failed, or repeats the check because the device is busy.
func (t *Task) judge(c *call) bool {
	if f := c.failure; f != nil {
		t.fail(rankFirst, checkCode(f), f.Error())
		t.toUndo()
		return false
	}
	r := t.checked
	if r == nil || len(r.Variants) == 0 {
		t.fail(rankFirst, status.FailedWithInternalException, fmt.Sprintf("the source plugin named nothing to capture for %s", t.target()))
		t.toUndo()
		return false
	}
	switch {
	case t.quiesces() && r.Quiesce.State == sdk.StateUnknown:
		t.fail(rankFirst, status.PreChecksDeviceCheckFailed, fmt.Sprintf(
			"whether %s is in service could not be read: %s; nothing was sent. Look at it with show domains", t.target(), orElse(r.Quiesce.Detail, "the device did not say")))
		t.toUndo()
		return false
	case t.quiesces() && t.spec.Activity.Quiesce == QuiesceDevice:
		var down []string
		for d, s := range r.Quiesce.Domains {
			if s != sdk.StateNormal {
				down = append(down, fmt.Sprintf("%s (%s)", d, s))
			}
		}
		slices.Sort(down)
		if len(down) > 0 || r.Quiesce.State != sdk.StateNormal {
			t.fail(rankFirst, status.PreChecksFoundQuiescedDomain, fmt.Sprintf(
				"device %s already has domains that are not in service: %s; nothing was sent. Find out who quiesced them, bring them back, and run again",
				t.spec.Device, strings.Join(down, ", ")))
			t.toUndo()
			return false
		}
	case t.quiesces() && r.Quiesce.State != sdk.StateNormal:
		t.fail(rankFirst, status.PreChecksDomainIsAlreadyQuiesced, fmt.Sprintf(
			"%s is already %s; nothing was sent. Find out who quiesced it, bring it back, and run again", t.target(), r.Quiesce.State))
		t.toUndo()
		return false
	}
	if short := t.shortOnDevice(r); short != "" {
		t.fail(rankFirst, status.NotEnoughFreeSpaceOnDevice, short)
		t.toUndo()
		return false
	}
	if work := otherWork(r); t.quiesces() && work != "" {
		return t.waitWhileBusy(c, work)
	}
	return true
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// otherWork returns what else the device does that will end, or nothing.
func otherWork(r *sdk.CheckReport) string {
	var work []string
	if r.CurrentCommand != "" {
		work = append(work, fmt.Sprintf("it runs %q", r.CurrentCommand))
	}
	if r.Busy {
		work = append(work, orElse(strings.Join(r.BusyWith, "; "), "the plugin did not say with what"))
	}
	return strings.Join(work, "; ")
}

// waitWhileBusy reads the device again until its other work has ended.
func (t *Task) waitWhileBusy(c *call, work string) bool {
	if t.busyAt.IsZero() {
		t.busyAt = t.now
	}
	if t.now.Sub(t.busyAt) >= busyLimit {
		t.fail(rankFirst, status.PreChecksDeviceCheckFailed, fmt.Sprintf(
			"device %s has been busy for %s: %s; nothing was sent. Run again when that has ended", t.spec.Device, busyLimit, work))
		t.toUndo()
		return false
	}
	c.poll(t.now, backoff(t.spec.Seed, t.id+"/busy", c.attempt))
	return false
}
