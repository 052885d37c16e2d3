package lifecycle

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// permitted reports whether other devices let the task quiesce, and asks for the
// permit. The task holds the permit until the target is back.
func (t *Task) permitted() bool {
	if t.permit.state == lockIdle {
		t.permit.on(lockAsks)
	}
	return t.permit.state == lockHeld
}

// onPermit: the task may quiesce, or must not.
func (t *Task) onPermit(d *event.Denial, f *failure.Error) {
	if t.permit.state == lockHeld {
		return // it stays pending for as long as it is wanted
	}
	if f == nil && d == nil {
		t.permit.answer(t.now, lockGranted)
		t.permitAt = t.now
		return
	}
	t.permit.answer(t.now, lockRefuses)
	t.permit.release()
	t.abandon()
	if f != nil {
		t.fail(rankFirst, status.CanceledJournalFailed, fmt.Sprintf("the journal cannot be written, so %s was not quiesced: %s", t.target(), f.Error()))
		return
	}
	t.denied(d)
}

// denied enters that something forbids every quiesce.
func (t *Task) denied(d *event.Denial) {
	code := status.CanceledDeviceDidNotReturn
	if d.By == event.ByHold {
		code = status.CanceledQuiesceOnHold
	}
	t.fail(rankFirst, code, fmt.Sprintf("%s was not quiesced: %s", t.target(), d.Why))
}

// stillRight reads everything that decides about the quiesce once more, if it
// was read too long ago or something was done since. True: the quiesce may be
// sent.
func (t *Task) stillRight() bool {
	if t.pre.state != scriptIdle || t.before.state != scriptIdle || t.now.Sub(t.checkAt) > checkFresh {
		t.recheck.begin(t.now)
	}
	if t.recheck.asking() || t.recheck.done() && !t.judge(&t.recheck) || !t.judgeRole() {
		return false // a device that is busy is waited for: what is read of others comes after that
	}
	if t.spec.Guard.Peers && t.spec.Group != "" {
		t.peers.begin(t.now)
	}
	if t.peers.asking() || !t.judgePeers() {
		return false
	}
	// Members that do not answer may be asked for minutes. So what somebody may
	// have stopped meanwhile is read last.
	if t.now.Sub(t.permitAt) > checkFresh {
		t.confirm.begin(t.now)
	}
	return !t.confirm.asking() && t.judgePermit()
}

// judgePermit decides on the confirmation of the permit.
func (t *Task) judgePermit() bool {
	switch {
	case t.confirm.failure != nil:
		t.fail(rankFirst, status.CanceledJournalFailed, fmt.Sprintf("the journal cannot be read, so %s was not quiesced: %s", t.target(), t.confirm.failure.Error()))
	case t.denial != nil:
		t.denied(t.denial)
	default:
		return true
	}
	t.toUndo()
	return false
}

// judgePeers decides on what the reading of the group's other members showed.
func (t *Task) judgePeers() bool {
	var not []string
	switch {
	case !t.peers.done():
		return true
	case t.peers.failure != nil:
		not = []string{t.peers.failure.Error()}
	case len(t.spec.Peers) == 0:
		not = []string{"no plan that was run with this state directory has another member of the group, so nobody knows what serves instead"}
	default:
		for _, p := range t.absent {
			not = append(not, fmt.Sprintf("%s: %s", p.Device, p.Why))
		}
	}
	if len(not) == 0 {
		return true
	}
	t.fail(rankFirst, status.PreChecksPeerNotInService, fmt.Sprintf(
		"%s was not quiesced, because the other members of group %s are not all in service: %s; bring them into service and run again; or, if the members do not stand in for each other, set quiesce_guard { peers = \"ignore\" }",
		t.target(), t.spec.Group, strings.Join(not, "; ")))
	t.toUndo()
	return false
}

// judgeRole refuses to quiesce a device that traffic depends on just now.
func (t *Task) judgeRole() bool {
	r, g := t.checked, t.spec.Guard
	whole := g.RefuseAPIConnect && t.spec.Activity.Quiesce == QuiesceDevice
	var code status.Code
	var why, remedy string
	switch {
	case g.RefuseActive && r.Role == sdk.RoleUnknown:
		code, why = status.RoleUnknownOnDevice, "whether it is the active member of a failover group could not be read: "+orElse(r.RoleDetail, "the plugin did not say why")
		remedy = `mend that and run again; or set quiesce_guard { active = "allow" }`
	case g.RefuseActive && r.Role == sdk.RoleActive:
		code, why = status.PreChecksDeviceIsActive, "it is the active member of a failover group: "+r.RoleDetail
		remedy = `fail over to another member, by hand or with before_quiesce, and run again; or set quiesce_guard { active = "allow" }`
	case whole && r.APIConnectUnknown != "":
		code, why = status.RoleUnknownOnDevice, "whether API Connect has a domain on it could not be read: "+r.APIConnectUnknown
		remedy = `mend that and run again; or set quiesce_guard { apic = "allow" }`
	case whole && len(r.APIConnect) > 0:
		code, why = status.PreChecksAPIConnect, "a quiesce of the device takes API Connect down, which has the domain "+strings.Join(r.APIConnect, ", ")
		remedy = `export the other domains one by one instead; or set quiesce_guard { apic = "allow" }`
	default:
		return true
	}
	t.fail(rankFirst, code, fmt.Sprintf("%s was not quiesced: %s; %s", t.target(), why, remedy))
	t.toUndo()
	return false
}

// heldUp returns what a task has waited for.
func (t *Task) heldUp() string {
	if t.permit.state == lockWaiting {
		return "too many other devices were quiesced all the time, or one of its group"
	}
	return "another backup holds it"
}
