package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
)

// ackJournal is the target that begins a new journal if the old one is lost.
const ackJournal = "journal"

var errNotLost = errorf(ExitUsage, "the journal is not lost: it stays, and no new one was begun")

// AcknowledgeRequest names what a person has looked at.
type AcknowledgeRequest struct {
	Target string // a device, the ID of a run, or "journal"
	By     string // the person; empty: the user that dprun runs as
	Who    string // as in [StartRequest]; empty: nobody asked a server
	Reason string // for the record of evidence, with a change number
	Change string
}

// Acknowledge enters that a person looked at a device. Everything pending on the
// device that no live process works on counts as done, and the device no longer
// stops quiesces of others. With a run's ID, Acknowledge enters that everything
// pending for the run itself, and not for a device, is done; or that a run which
// the journal has forgotten left nothing behind. The error is an *[Error].
func (r *Runner) Acknowledge(ctx context.Context, q AcknowledgeRequest) (report.Acknowledged, error) {
	op := r.begin(Operation{})
	op.by = cmp.Or(q.By, whoami())
	done, err := op.acknowledge(ctx, q.Target, q.Who == "")
	if err == nil && op.journal != nil {
		r.prove(ctx, op.journal, nil, nil, evidence.Record{Kind: evidence.Acknowledge, User: q.By, Change: q.Change, Reason: q.Reason, Actions: []evidence.Action{{Device: done.Device, Run: done.Run, Outcome: "acknowledged"}}})
	}
	return done, err
}

// acknowledge does so. names: its errors may name what else must be undone, which
// not everybody may see who asks a server.
func (r *operation) acknowledge(ctx context.Context, target string, names bool) (report.Acknowledged, error) {
	done := report.Acknowledged{Device: target}
	if r.journal == nil && target == ackJournal {
		return r.beginJournal(ctx)
	}
	all, err := r.outstanding(ctx)
	if err != nil {
		return done, err
	}
	forgotten, err := r.forgotten(ctx)
	if err != nil {
		return done, &Error{ExitBug, err}
	}
	wasForgotten := slices.ContainsFunc(forgotten, func(f forgottenRun) bool { return f.run == target })
	var targets, devices []string
	for _, o := range all {
		if o.Left(r.Clock.Now()) || o.Unused() {
			continue
		}
		if name := acknowledgedBy(o.Obligation.Obligation); !slices.Contains(targets, name) {
			targets = append(targets, name)
		}
		if o.Device != "" && o.Run == target && !slices.Contains(devices, o.Device) {
			devices = append(devices, o.Device)
		}
		if acknowledgedBy(o.Obligation.Obligation) != target {
			continue
		}
		if o.Device == "" {
			done = report.Acknowledged{Run: target, Obligations: done.Obligations}
		}
		if err := r.settler.Done(ctx, o.Obligation.Obligation); err != nil {
			return done, &Error{ExitBug, err}
		}
		if o.Kind == pending.Restore && r.journal != nil {
			if err := r.journal.EndRestore(ctx, o.Run, "acknowledged", "by "+r.by, r.Clock.Now()); err != nil {
				return done, &Error{ExitBug, err}
			}
		}
		done.Obligations++
	}
	if wasForgotten && len(devices) == 0 {
		done = report.Acknowledged{Run: target, Obligations: done.Obligations}
		if err := r.staging.RemoveRun(target); err != nil {
			return done, &Error{ExitBug, err}
		}
		if err := r.locks.Remove(lock.RunKey(target)); err != nil {
			return done, &Error{ExitBug, err}
		}
		return done, nil
	}
	if done.Run != "" {
		return done, nil
	}
	released := false
	if r.journal != nil {
		now := r.Clock.Now()
		for _, err := range []error{r.journal.CloseBreaker(ctx, target, r.by, now), r.journal.EndLockouts(ctx, target, now)} {
			switch {
			case err == nil:
				released = true
			case !errors.Is(err, journal.ErrNotFound):
				return done, &Error{ExitBug, err}
			}
		}
	}
	if done.Obligations > 0 || released {
		return done, nil
	}
	slices.Sort(targets)
	err = fmt.Errorf("nothing is left to undo on a device %q, nor for a run with that ID", target)
	if len(devices) > 0 && !names {
		err = fmt.Errorf("what run %s left must be undone on devices; name a device and not the run: the list of what is pending says which", target)
	} else if len(devices) > 0 {
		err = fmt.Errorf("what run %s left must be undone on devices; name the devices: %s", target, strings.Join(devices, ", "))
	} else if len(targets) > 0 && names {
		err = fmt.Errorf("%w; acknowledge one of: %s", err, strings.Join(targets, ", "))
	}
	if target == ackJournal {
		return done, errNotLost
	}
	return done, &Error{ExitUsage, err}
}

// acknowledgedBy returns the target that acknowledges an obligation.
func acknowledgedBy(o pending.Obligation) string {
	if o.Device == "" {
		return o.Run
	}
	return o.Device
}

// beginJournal renames what is left of a lost journal and begins a new one. If
// several processes do so at once, only one succeeds.
func (r *operation) beginJournal(ctx context.Context) (report.Acknowledged, error) {
	if !errors.Is(r.lost, journal.ErrLost) {
		return report.Acknowledged{}, r.lost
	}
	held, err := r.locks.Acquire(ctx, lock.JournalKey, lock.Exclusive, lock.Info{}, func(lock.Info) {})
	if err != nil {
		return report.Acknowledged{}, &Error{ExitBug, err}
	}
	defer func() { _ = held.Release() }()
	if r.Runner.kept.Load().journal == nil {
		r.open(ExitOwed) // another process may have begun a new one meanwhile
	}
	switch k := r.Runner.kept.Load(); {
	case k.journal != nil:
		return report.Acknowledged{}, errNotLost
	case !errors.Is(k.lost, journal.ErrLost):
		return report.Acknowledged{}, k.lost
	}
	j, aside, err := journal.Restart(r.state.Journal(), r.Clock.Now())
	if err != nil {
		return report.Acknowledged{}, &Error{ExitBug, err}
	}
	r.Runner.kept.Store(&kept{journal: j})
	return report.Acknowledged{Journal: aside}, nil
}
