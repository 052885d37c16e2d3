package runner

import (
	"context"
	"errors"
	"time"

	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
)

// ownerLeaves is how long the plugins of a killed run may take to notice and end.
const ownerLeaves = 10 * time.Second

// takeOver takes the lock of a run whose process is gone, and whose children end
// within patience. Without a lock and an
// error, by is the live process that works on the run, or, when that is nil
// too, something that the dead process has started does not end.
//
// A wait is cut short when the holder is working, and not dying. It may be over by the time
// that is asked again: then the run is nobody's, and is tried for anew.
func (r *operation) takeOver(ctx context.Context, run string, patience time.Duration, working func(holder lock.Info) bool) (held *lock.Lock, by *lock.Info, err error) {
	wait, giveUp := context.WithTimeout(ctx, patience)
	defer giveUp()
	for {
		try, cancel := context.WithCancel(wait)
		held, err := r.locks.Acquire(try, lock.RunKey(run), lock.Exclusive, lock.Info{Run: run, Recovery: true}, func(holder lock.Info) {
			if working(holder) {
				cancel()
			}
		})
		cancel()
		if err == nil {
			return held, nil, nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, nil, err
		}
		if by, live := r.holder(ctx, run); live {
			return nil, &by, nil
		}
		if wait.Err() != nil {
			return nil, nil, nil
		}
	}
}

func working(holder lock.Info) bool { return alive(holder.PID) }

// holder is who holds a run's lock, and whether that process is at work. A
// lock alone says only that something which the run has started is still there.
func (r *operation) holder(ctx context.Context, run string) (by lock.Info, live bool) {
	held, by, err := r.locks.Held(lock.RunKey(run))
	if err != nil || !held {
		return by, false
	}
	if by.PID == 0 && r.journal != nil { // it has not said yet
		if known, err := r.journal.Run(ctx, run); err == nil {
			by.PID = known.PID
		}
	}
	return by, alive(by.PID)
}

// holdPlan takes a plan's lock for a new run. Since this process has looked
// for dead runs, one of the plan may have died, or another process may have
// begun to recover one: the new run must not begin beside it. Once the lock is
// ours no new run of the plan can come.
//
// tried are the dead runs with which this process has done what it can.
func (r *operation) holdPlan(ctx context.Context, plan, origin string, tried map[string]bool, res *report.Result) (_ *lock.Lock, err error) {
	held, err := r.locks.TryAcquire(lock.PlanKey(plan, origin), lock.Exclusive, lock.Info{})
	if h := new(lock.HeldError); errors.As(err, &h) {
		return nil, errorf(ExitRunning, "plan %s is already running: %s; wait for it to end", plan, h.Holder)
	}
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	defer func() {
		if err != nil {
			_ = held.Release()
		}
	}()
	runs, err := r.journal.UnfinishedRuns(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	again := false
	for _, run := range runs {
		if run.Plan != plan || run.Origin != origin {
			continue
		}
		by, live := r.holder(ctx, run.ID)
		if live {
			return nil, errorf(ExitRunning, "plan %s: its run %s is being recovered by process %d; wait for that to end, then run the plan again", plan, run.ID, by.PID)
		}
		again = again || !tried[run.ID]
	}
	if again { // it died since this process has looked
		if _, err := r.recover(ctx, res); err != nil {
			return nil, err
		}
		return held, r.unlessStopped()
	}
	// What others were at when it was looked at first may be owed, or paid, now.
	if res.ExitCode == ExitOwed || res.ExitCode == ExitAway {
		res.ExitCode = 0
	}
	r.noteOwed(ctx, res)
	return held, r.unlessStopped()
}

// unlessStopped is an error when a recovery was asked to stop: whoever did
// that wants no run either.
func (r *operation) unlessStopped() error {
	if r.stopped == "" {
		return nil
	}
	return errorf(1, "stopped by %s while an earlier run was being finished; the plan was not begun", r.stopped)
}
