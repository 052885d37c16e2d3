package runner

import (
	"context"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
)

// inWindow returns an error outside of the plan's window.
func (w *restoring) inWindow() error {
	open := w.open
	now := w.Clock.Now()
	if open == nil || w.q.Emergency || open.Open(now) {
		return nil
	}
	opens := "it does not open any more"
	if at, ok := open.OpensAt(now); ok {
		opens = "it opens on " + open.Say(at)
	}
	return errorf(13, "window %s is closed, and an import into a domain at work is an outage: %s. In an emergency add --emergency and --reason TEXT", open.Name, opens)
}

// permit takes the permit to take the domain out of service, as for a quiesce.
func (w *restoring) permit(ctx context.Context) error {
	if err := w.inWindow(); err != nil {
		return err
	}
	if why := w.spec.Devices[w.q.Device].Blocked; why != "" {
		return errorf(1, "device %s: %s", w.q.Device, why)
	}
	facts, free, err := w.lockDevice(ctx, w.reads, w.q.Device, w.spec.ID)
	if err != nil {
		return err
	}
	w.facts = facts
	w.release = append(w.release, free)
	if why := w.spec.BlockedBoxes[facts.Identity]; why != "" {
		return errorf(1, "device %s: %s", w.q.Device, why)
	}
	w.alone = true // everything from here on happens under this lock
	if err := w.roles(ctx); err != nil {
		return err
	}
	held, end := context.WithCancel(context.WithoutCancel(ctx))
	w.release = append(w.release, end)
	waiting := context.AfterFunc(ctx, end)
	got, err := w.reads.Do(held, w.job(lifecycle.ActPermit))
	waiting()
	return denied(got, err)
}

func denied(got *event.Result, err error) error {
	if err == nil && got.Denial != nil {
		return errorf(1, "%s", got.Denial.Why)
	}
	return err
}

// roles refuses a restore for the reasons that forbid a quiesce: members of the
// group that do not serve, a device that is active in a failover group, or a busy
// device.
func (w *restoring) roles(ctx context.Context) error {
	got, err := w.reads.Do(ctx, w.job(lifecycle.ActCheck))
	if err != nil {
		return err
	}
	c, g := got.Check, w.spec.Guard
	switch {
	case c.Busy || c.CurrentCommand != "":
		return errorf(1, "device %s is busy: %s; restore when that has ended", w.q.Device, join(append(slices.Clone(c.BusyWith), c.CurrentCommand)))
	case g.RefuseActive && c.Role == sdk.RoleUnknown:
		return errorf(1, "whether device %s is the active member of a failover group could not be read: %s; mend that, or set quiesce_guard { active = \"allow\" }", w.q.Device, c.RoleDetail)
	case g.RefuseActive && c.Role == sdk.RoleActive:
		return errorf(1, "device %s is the active member of a failover group: %s; fail over to another one first, or set quiesce_guard { active = \"allow\" }", w.q.Device, c.RoleDetail)
	}
	if !g.Peers || w.task.Group == "" {
		return nil
	}
	if len(w.task.Peers) == 0 {
		return errorf(1, "no plan that ran with this state directory has another member of group %s, so it is not known what serves instead; run such a plan, or set quiesce_guard { peers = \"ignore\" }", w.task.Group)
	}
	if got, err = w.reads.Do(ctx, w.job(lifecycle.ActPeers)); err != nil {
		return err
	}
	var not []string
	for _, p := range got.Peers {
		not = append(not, p.Device+": "+p.Why)
	}
	if len(not) > 0 {
		return errorf(1, "the other members of group %s are not all in service: %s; bring them into service first, or set quiesce_guard { peers = \"ignore\" }", w.task.Group, strings.Join(not, "; "))
	}
	return nil
}

// recheck repeats the checks whose result may have changed, because a person may
// take an hour to answer.
func (w *restoring) recheck(ctx context.Context) error {
	if err := w.inWindow(); err != nil {
		return err
	}
	if err := denied(w.reads.Do(ctx, w.job(lifecycle.ActConfirm))); err != nil {
		return err
	}
	got, err := w.reads.Do(ctx, w.job(lifecycle.ActInspect)) // the address may lead to another device by now, and another member looks the same
	if err != nil {
		return err
	}
	if has := got.Inspection.Facts.Identity; has != w.facts.Identity {
		return errorf(1, "another device answers at the address of device %s: it was %s, and is %s now; nothing was sent. Find out what answers there, and restore again", w.q.Device, w.facts.Identity, has)
	}
	return w.roles(ctx)
}
