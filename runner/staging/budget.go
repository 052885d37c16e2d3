package staging

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk/failure"
)

const (
	// reserveMost stays free on the file system of the staging directory, which
	// the journal shares. On a small file system a twentieth stays free.
	reserveMost  = 512 << 20
	reserveShare = 20

	// A capture may grow to this many times the size of the last good one, and
	// some room. So one that never ends is noticed before it fills the disk.
	growthFactor = 10
	growthRoom   = 1 << 30

	// boundEvery is how often a capture is measured.
	boundEvery = 100 * time.Millisecond
)

// Budget is what one capture may write.
type Budget struct {
	Most    int64 // bytes
	Why     string
	reserve int64 // bytes that must stay free
}

// Budget returns how much a capture may write now. last is the size of the last
// good one; 0: unknown, or not comparable. Every error is a *failure.Error.
func (s *Staging) Budget(last int64) (Budget, error) {
	free, total, err := s.room(s.dir)
	if err != nil {
		return Budget{}, fault(err, "ask for the room in staging directory %s", s.dir)
	}
	b := Budget{reserve: min(reserveMost, total/reserveShare)}
	if b.Most = free - b.reserve; b.Most <= 0 {
		return b, noRoom(s.dir, free, b.reserve)
	}
	b.Why = fmt.Sprintf("that is the room in staging directory %s, less %s that dprun keeps free for its journal", s.dir, size(b.reserve))
	if limit := growthFactor*last + growthRoom; last > 0 && limit < b.Most {
		b.Most, b.Why = limit, fmt.Sprintf("that is %d times the last good backup (%s) and %s more", growthFactor, size(last), size(growthRoom))
	}
	return b, nil
}

func noRoom(dir string, free, reserve int64) *failure.Error {
	return failure.New(failure.NoSpace, failure.StagingIO, "staging directory %s has %s free, and dprun keeps %s free for its journal", dir, size(max(0, free)), size(reserve)).
		WithRemedy("make room in the state directory, for example with `dprun runs prune`")
}

// Bound measures what is written to the directory, as long as the context lives.
// It ends the context, with a *failure.Error as its cause, in two cases: more
// was written than the budget; or the file system runs short of the reserve and
// no other capture has written more. So a capture that never ends does not end
// the others. The capture counts until the returned function is called, when its
// files are discarded or whole.
func (d *Dir) Bound(ctx context.Context, b Budget) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	first := time.AfterFunc(boundEvery, func() { // not for a capture that takes less
		defer close(done)
		tick := time.NewTicker(boundEvery)
		defer tick.Stop()
		for {
			written := d.written()
			largest := d.staging.measured(d, written)
			if written > b.Most {
				cancel(failure.New(failure.NoSpace, failure.StagingIO, "the capture has written %s and may write %s", size(written), size(b.Most)).WithRemedy("%s", b.Why))
				return
			}
			if free, _, err := d.staging.room(d.staging.dir); err == nil && free < b.reserve && largest {
				cancel(noRoom(d.staging.dir, free, b.reserve))
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return ctx, func() {
		cancel(context.Canceled)
		if first.Stop() {
			close(done)
		}
		<-done
		d.staging.measured(d, -1)
	}
}

// written is how many bytes stand in the directory's files.
func (d *Dir) written() (total int64) {
	_ = fs.WalkDir(d.root.FS(), ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is gone again
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// measured notes how much a capture has written (below zero: it ended), and
// reports whether no other capture has written more.
func (s *Staging) measured(d *Dir, written int64) (largest bool) {
	s.measuring.Lock()
	defer s.measuring.Unlock()
	if s.growing == nil {
		s.growing = map[*Dir]int64{}
	}
	if written < 0 {
		delete(s.growing, d)
		return false
	}
	s.growing[d] = written
	for _, other := range s.growing {
		if other > written {
			return false
		}
	}
	return true
}

// room is what is free for an ordinary user on a directory's file system, and
// its size, in bytes.
func room(dir string) (free, total int64, err error) {
	var vfs unix.Statfs_t
	if err := unix.Statfs(dir, &vfs); err != nil {
		return 0, 0, err
	}
	return int64(vfs.Bavail) * int64(vfs.Bsize), int64(vfs.Blocks) * int64(vfs.Bsize), nil
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
