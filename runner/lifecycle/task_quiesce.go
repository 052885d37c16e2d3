package lifecycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// quiesce is the way down.
type quiesce struct {
	entered  bool // the status is entered: the action is pending
	sent     bool // journalled as started: from here on an undo is owed
	returned bool // the request came back, accepted or of unknown outcome
	refused  bool // the device said no
	felt     bool // the target was seen to be anything but normal since
	over     bool // timed out or refused
	since    time.Time
	polls    polls
	reached  bool
}

// undo is the way back. It may run beside a download.
type undo struct {
	begun    bool
	onError  bool
	since    time.Time
	attempt  int       // of the unquiesce request, from 1
	accepted bool      // the device said OK to the latest request
	sendAt   time.Time // not before, for the latest request
	sentAt   time.Time // when the latest request was accepted
	polls    polls
	returned bool
	over     bool // timed out
	refusal  string
	denials  int // logins refused on the way back
}

// polls counts readings of a state.
type polls struct {
	n     int // of the reading under way, from 1
	at    time.Time
	state sdk.QuiesceState
}

func (q quiesce) last() string {
	if q.polls.state == "" {
		return "never read"
	}
	return string(q.polls.state)
}

// next plans the next reading.
func (p *polls) next(now time.Time, seed uint64, id string) {
	p.n++
	p.at = now.Add(backoff(seed, id, p.n))
}

// restart begins the way back again after an interruption: the time-out
// counts from now, and the request is sent again.
func (u *undo) restart(now time.Time) {
	u.since, u.accepted, u.sendAt = now, false, now
	u.attempt++
}

// advanceQuiesce checks once more right before, sends, and waits.
func (t *Task) advanceQuiesce() {
	if t.stopped() || t.quiesce.over {
		t.toUndo()
		return
	}
	if !t.windowStillFits() {
		return
	}
	if !t.spec.Quiesces() {
		t.beginCaptures()
		return
	}
	if t.quiesce.reached {
		t.beginCaptures()
		return
	}
	if t.quiesce.entered || !t.drained() {
		return
	}
	if t.has(BeforeQuiesceScriptError) {
		t.toUndo()
		return
	}
	if !t.recheck && (t.pre.begun || t.before.begun || t.now.Sub(t.checkAt) > checkFresh) {
		t.recheck = true
		t.check = call{attempt: 1}
	}
	if !t.check.done {
		return
	}
	if t.recheck && !t.judgeCheck() {
		return
	}
	t.quiesce.entered, t.quiesce.since = true, t.now
	t.enter(QuiesceStarted, "%s", t.target())
}

// windowStillFits cancels a task that has not begun when too little of the
// window is left for it to come back in time.
func (t *Task) windowStillFits() bool {
	w := t.spec.Window
	if w == nil || t.quiesce.entered || t.phase != PhaseQuiesce {
		return true
	}
	if !w.Open(t.now) {
		t.fail(rankFirst, CanceledBecauseMaintenanceWindow, fmt.Sprintf("window %s closed before %s was begun", w.Name, t.target()))
		t.toUndo()
		return false
	}
	if closes, ok := w.ClosesAt(t.now); ok && closes.Sub(t.now) < t.spec.needs() {
		t.fail(rankFirst, CanceledBecauseMaintenanceWindow, fmt.Sprintf(
			"window %s closes in %s, and quiesce and unquiesce of %s may take %s", w.Name, closes.Sub(t.now).Round(time.Second), t.target(), t.spec.needs()))
		t.toUndo()
		return false
	}
	return true
}

func (t *Task) pendingQuiesce(add func(Action)) {
	q := &t.quiesce
	if !q.entered || q.over || q.reached {
		return
	}
	add(Action{ID: "timer/quiesce", Kind: ActTimer, NotBefore: q.since.Add(t.spec.Timeouts.Quiesce + t.spec.Timeouts.Grace)})
	if !q.returned {
		// The device's own limit lies beyond ours unless it may force: ours
		// fires first, and traffic is not cut.
		device := t.spec.Timeouts.Quiesce + t.spec.Timeouts.Grace + time.Minute
		if t.spec.Activity.OnBusy == Force {
			device = t.spec.Timeouts.Quiesce
		}
		add(Action{ID: "quiesce/1", Kind: ActQuiesce, DeviceTimeout: device})
		return
	}
	add(Action{ID: fmt.Sprintf("quiesce_state/%d", q.polls.n), Kind: ActQuiesceState, NotBefore: q.polls.at})
}

// onQuiesceSent: accepted, refused, or nobody knows. An unknown outcome is
// never sent again; the state tells.
func (t *Task) onQuiesceSent(f *failure.Error) {
	q := &t.quiesce
	q.sent, q.returned = true, true
	if f != nil && f.Kind != failure.Timeout && f.Kind != failure.Unavailable {
		q.over, q.refused = true, refusal(f)
		t.fail(rankFirst, QuiesceError, fmt.Sprintf("%s refused to quiesce: %s", t.target(), f.Error()))
		return
	}
	message := t.target()
	if f != nil {
		message += ": the answer to the quiesce was lost (" + f.Error() + "); reading the state"
	}
	t.enter(QuiesceWaiting, "%s", message)
	q.polls.next(t.now, t.spec.Seed, t.spec.ID+"/quiesce_state")
}

// onState folds one reading, on the way down or back. A failed reading is
// read again until the phase's limit.
func (t *Task) onState(a Action, r *sdk.QuiesceReport, f *failure.Error) {
	state := sdk.StateUnknown
	if f == nil && r != nil {
		state = r.State
	}
	if strings.HasPrefix(a.ID, "unquiesce_state/") {
		t.onUndoState(state, f)
		return
	}
	q := &t.quiesce
	q.polls.state = state
	q.felt = q.felt || feels(state)
	switch {
	case state == sdk.StateQuiesced:
		q.reached = true
	case state == sdk.StateError:
		q.over = true
		t.fail(rankFirst, QuiesceError, fmt.Sprintf("%s reports an error while quiescing; it is being unquiesced", t.target()))
	default:
		q.polls.next(t.now, t.spec.Seed, t.spec.ID+"/quiesce_state")
	}
}

// beginUndo starts the way back, once, if this task sent a quiesce.
func (t *Task) beginUndo() {
	u := &t.undo
	if u.begun || !t.quiesce.sent {
		return
	}
	u.begun, u.onError, u.since, u.attempt = true, t.Failed() || t.abandon, t.now, 1
	code := UnquiesceStarted
	if u.onError {
		code = UnquiesceOnErrorStarted
	}
	t.enter(code, "%s", t.target())
}

func (t *Task) pendingUndo(add func(Action)) {
	u := &t.undo
	if !u.begun || u.returned || u.over {
		return
	}
	grace := t.spec.Timeouts.Grace
	if t.cancels > 1 { // a second request to stop shortens the grace
		grace = 0
	}
	add(Action{ID: "timer/unquiesce", Kind: ActTimer, NotBefore: u.since.Add(t.spec.Timeouts.Unquiesce + grace)})
	if !u.accepted {
		add(Action{ID: fmt.Sprintf("unquiesce/%d", u.attempt), Kind: ActUnquiesce, NotBefore: u.sendAt})
		return
	}
	add(Action{ID: fmt.Sprintf("unquiesce_state/%d", u.polls.n), Kind: ActQuiesceState, NotBefore: u.polls.at})
}

// onUnquiesceSent: unlike a quiesce it is safe to repeat, and it is repeated
// until the phase's limit.
func (t *Task) onUnquiesceSent(f *failure.Error) {
	u := &t.undo
	if f != nil {
		u.refusal = f.Error()
		if t.lockedOut(f) {
			return
		}
		u.sendAt = t.now.Add(backoff(t.spec.Seed, t.spec.ID+"/unquiesce", u.attempt))
		u.attempt++
		return
	}
	first := u.polls.n == 0
	u.accepted, u.sentAt, u.refusal = true, t.now, ""
	u.polls.next(t.now, t.spec.Seed, t.spec.ID+"/unquiesce_state")
	if first {
		code := UnquiesceWaiting
		if u.onError {
			code = UnquiesceOnErrorWaiting
		}
		t.enter(code, "%s", t.target())
	}
}

// maxDenials is how often a login may be refused on the way back: more
// attempts would lock the account, and with it everybody who could help.
const maxDenials = 2

// lockedOut gives the way back up when the login has been refused too often.
func (t *Task) lockedOut(f *failure.Error) bool {
	if credentialRefused(f) {
		t.undo.denials++
	}
	if t.undo.denials < maxDenials {
		return false
	}
	t.onUndoTimeout()
	return true
}

func (t *Task) onUndoState(state sdk.QuiesceState, f *failure.Error) {
	u := &t.undo
	if f != nil {
		u.refusal = f.Error()
		if t.lockedOut(f) {
			return
		}
	} else {
		u.refusal, u.polls.state = "", state
		t.quiesce.felt = t.quiesce.felt || feels(state)
	}
	switch {
	case state == sdk.StateNormal && !t.mayStillArrive():
		u.returned = true
		t.enter(UnquiesceDone, "%s is back in service", t.target())
	case (state == sdk.StateQuiesced || state == sdk.StateError) && t.now.Sub(u.sentAt) >= unquiesceAgain:
		u.accepted, u.sendAt = false, t.now
		u.attempt++
		u.polls.n++
	default:
		u.polls.next(t.now, t.spec.Seed, t.spec.ID+"/unquiesce_state")
	}
}

// mayStillArrive reports whether the quiesce may be on its way yet: it was
// given up or its answer was lost, and the target has not been seen to follow
// it. That the target is normal now would then say nothing.
func (t *Task) mayStillArrive() bool {
	q := t.quiesce
	return !q.refused && !q.felt && t.now.Sub(t.undo.since) < min(unquiesceAgain, t.spec.Timeouts.Unquiesce/2)
}

// feels reports whether a state shows that a quiesce has arrived.
func feels(s sdk.QuiesceState) bool {
	return s == sdk.StateQuiescing || s == sdk.StateQuiesced || s == sdk.StateUnquiescing || s == sdk.StateError
}

// refusal tells an answer of the device from the loss of one.
func refusal(f *failure.Error) bool {
	switch f.Kind {
	case failure.Denied, failure.NotFound, failure.Exists, failure.Precondition:
		return true
	}
	return false
}

// onUndoTimeout: the device may still be down. The obligation stays.
func (t *Task) onUndoTimeout() {
	u := &t.undo
	u.over = true
	code := UnquiesceTimeoutOccurred
	if u.onError {
		code = UnquiesceOnErrorTimeoutOccurred
	}
	what := "last state: unknown"
	if u.polls.state != "" {
		what = "last state: " + string(u.polls.state)
	}
	if u.refusal != "" {
		what += "; last error: " + u.refusal
	}
	t.fail(rankUnquiesce, code, fmt.Sprintf(
		"%s DID NOT COME BACK within %s + grace (%s). It may still be out of service. On the appliance: configure terminal; %s; then: dprun recover",
		t.target(), t.spec.Timeouts.Unquiesce, what, t.unquiesceCommand()))
}

// unquiesceCommand is the appliance's own command line to do it by hand.
func (t *Task) unquiesceCommand() string {
	if t.spec.Activity.Quiesce == QuiesceDevice || t.spec.Domain == "" {
		return "appliance-unquiesce"
	}
	return "domain-unquiesce " + t.spec.Domain
}

// toUndo leaves forward work: everything that is owed comes next.
func (t *Task) toUndo() { t.phase = PhaseUnquiesce }

// advanceUnquiesce waits for the target's return and the clean-up on the device.
func (t *Task) advanceUnquiesce() {
	t.beginUndo()
	if t.undo.begun && !t.undo.returned && !t.undo.over {
		return
	}
	rejoined := t.rejoined()
	for _, c := range t.captures {
		if c.token != "" && !c.discard.done {
			return
		}
	}
	if !rejoined {
		return
	}
	if t.whole() && !t.abandon {
		t.phase = PhaseStore
		t.beginStore()
		return
	}
	t.toPostScript()
}
