package settle

import (
	"context"
	"errors"
	"time"

	"github.com/dprun/dprun/runner/lock"
)

// ownerLeaves is how long the plugins of a killed run may take to notice and end.
const ownerLeaves = 10 * time.Second

// TakeOver takes the lock of a run whose process is gone, and waits for its children to
// end. If it returns neither a lock nor an error, by is the live process that works on
// the run. If by is nil too, something that the dead process started does not end.
//
// TakeOver stops waiting when it sees that the holder is working and not dying. If that
// holder is gone when TakeOver checks again, it tries anew.
func (s *Settler) TakeOver(ctx context.Context, run string) (held *lock.Lock, by *lock.Info, err error) {
	return s.takeOver(ctx, run, ownerLeaves, working)
}

func (s *Settler) takeOver(ctx context.Context, run string, patience time.Duration, working func(holder lock.Info) bool) (held *lock.Lock, by *lock.Info, err error) {
	wait, giveUp := context.WithTimeout(ctx, patience)
	defer giveUp()
	for {
		try, cancel := context.WithCancel(wait)
		held, err := s.Locks.Acquire(try, lock.RunKey(run), lock.Exclusive, lock.Info{Run: run, Recovery: true}, func(holder lock.Info) {
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
		if by, live := s.Holder(ctx, run); live {
			return nil, &by, nil
		}
		if wait.Err() != nil {
			return nil, nil, nil
		}
	}
}

func working(holder lock.Info) bool { return alive(holder.PID) }

// Holder returns who holds a run's lock, and whether that process is alive. A held lock
// alone shows only that something started by the run still exists.
func (s *Settler) Holder(ctx context.Context, run string) (by lock.Info, live bool) {
	held, by, err := s.Locks.Held(lock.RunKey(run))
	if err != nil || !held {
		return by, false
	}
	if by.PID == 0 && s.Journal != nil { // its note is not written yet
		if known, err := s.Journal.Run(ctx, run); err == nil {
			by.PID = known.PID
		}
	}
	return by, alive(by.PID)
}
