package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
)

// Owed lists everything that is not undone, with who is at it, and says what
// else may be owed: a pending file that cannot be read, a run that the journal
// has forgotten.
func (r *Runner) Owed(ctx context.Context) report.Pending { return r.begin(Operation{}).owed(ctx) }

// outstanding lists what is not done. The error is an *[Error].
func (r *operation) outstanding(ctx context.Context) ([]settle.Outstanding, error) {
	all, err := r.settler.Outstanding(ctx)
	if err != nil {
		return nil, &Error{ExitOwed, err}
	}
	return all, nil
}

func (r *operation) owed(ctx context.Context) report.Pending {
	all, err := r.outstanding(ctx)
	if err != nil {
		return pendingOf(nil, err)
	}
	now := r.Clock.Now()
	var out []report.Owed
	for _, o := range all {
		item := report.Owed{Run: o.Run, Task: o.Task, Plan: o.Plan, Kind: string(o.Kind), ID: o.ID, Device: o.Device, Domain: o.Domain, Since: o.Since, DueBack: o.DueBack,
			LastError: o.LastError, Held: o.Left(now) && !(o.Holder.Recovery && o.Attempts > 0)} // a recovery that has failed before says nothing of this time
		if held, by, err := r.locks.Held(lock.GuardKey(o.Run)); o.Kind == pending.Unquiesce && err == nil && held && by.PID > 0 {
			item.GuardedBy = fmt.Sprintf("process %d", by.PID)
			if !o.Live && o.NextTry.After(now) {
				item.NextTry = o.NextTry
			}
		}
		r.byHand(&item, o.Obligation.Obligation)
		if o.Live {
			item.HeldBy = o.Holder.String()
			if settle.Stopped(o.Holder.PID) {
				item.HeldBy += fmt.Sprintf(" (it is stopped: kill -CONT %[1]d lets it go on; or kill -KILL %[1]d, then dprun recover)", o.Holder.PID)
			}
		}
		out = append(out, item)
	}
	p := pendingOf(out, r.unknown(ctx))
	if p.Stops, err = stops(ctx, r.journal, ""); err != nil {
		r.Log.Error("the journal cannot be read: what forbids quiesces is not known", "error", err)
	}
	return p
}

// pendingOf adds the exit code that a list calls for: a device that may be
// quiesced decides it, then traffic that may be led away.
func pendingOf(owed []report.Owed, unknown error) report.Pending {
	p := report.Pending{Owed: owed, ExitCode: owedExit(owed)}
	if e := new(Error); errors.As(unknown, &e) {
		p.Unknown = &report.Failure{Message: e.Error(), ExitCode: e.ExitCode}
		p.ExitCode = graverExit(p.ExitCode, e.ExitCode)
	}
	return p
}

// unknown is an error about what may be owed and cannot be listed.
func (r *operation) unknown(ctx context.Context) error {
	exit := ExitOwed
	var says []string
	_, damaged, err := r.pending.List()
	if err != nil {
		says = append(says, err.Error())
	}
	for _, d := range damaged {
		says = append(says, d.Error())
	}
	forgotten, err := r.forgotten(ctx)
	if err != nil {
		says = append(says, err.Error())
	}
	for _, f := range forgotten {
		says = append(says, f.String())
	}
	if lost := new(Error); errors.As(r.lost, &lost) {
		if len(says) == 0 {
			exit = lost.ExitCode
		}
		says = append(says, lost.Error())
	}
	if len(says) == 0 {
		return nil
	}
	return errorf(exit, "%s", strings.Join(says, "\n"))
}

// noteOwed puts what is still owed into a result.
func (r *operation) noteOwed(ctx context.Context, res *report.Result) {
	left := r.owed(context.WithoutCancel(ctx))
	res.Owed, res.Unknown, res.ExitCode = left.Owed, left.Unknown, graverExit(res.ExitCode, left.ExitCode)
}

// noteProcess puts into a summary with what code the process ends, and why,
// where something else than the run decides about it.
func (r *operation) noteProcess(ctx context.Context, s *event.Summary) {
	left := report.Result{ExitCode: s.ExitCode}
	r.noteOwed(ctx, &left)
	if left.ExitCode == s.ExitCode {
		return
	}
	s.ProcessExit = left.ExitCode
	i := slices.IndexFunc(left.Owed, func(o report.Owed) bool { return owedExit([]report.Owed{o}) == left.ExitCode })
	if i < 0 {
		s.ProcessWhy, _, _ = strings.Cut(left.Unknown.Message, ": ") // all of it comes last
		return
	}
	s.ProcessWhy = fmt.Sprintf("run %s still owes something to device %s: dprun owed", left.Owed[i].Run, left.Owed[i].Device)
}

// owedExit is the exit code that what is owed calls for. In a domain that a drill
// has left something may be at work.
func owedExit(owed []report.Owed) int {
	exit := 0
	for _, o := range owed {
		switch {
		case o.Held:
		case o.Kind == string(pending.Unquiesce), o.Kind == string(pending.DropDomain), o.Kind == string(pending.Restore):
			return ExitOwed
		case o.ID == lifecycle.OwedAfterUnquiesce:
			exit = ExitAway
		}
	}
	return exit
}
