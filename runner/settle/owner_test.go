package settle

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/testfixtures/need"
)

// settlers are two that share their locks, as if they were processes.
func settlers(t *testing.T) (a, b *Settler) {
	t.Helper()
	dir := t.TempDir()
	open := func() *Settler {
		locks := need.Value(lock.Open(dir))(t)
		return &Settler{Locks: locks}
	}
	return open(), open()
}

// The holder is alive when a recovery asks who it is, and done a moment later:
// the run is taken, not called one that hangs.
func TestARunThatIsLetGoAtTheLastMomentIsTaken(t *testing.T) {
	t.Parallel()
	a, b := settlers(t)
	theirs, err := a.Locks.TryAcquire(lock.RunKey("r"), lock.Exclusive, lock.Info{Run: "r", Recovery: true})
	if err != nil {
		t.Fatal(err)
	}
	mine, by, err := b.takeOver(t.Context(), "r", ownerLeaves, func(holder lock.Info) bool {
		if holder.PID != os.Getpid() || !holder.Recovery {
			t.Errorf("it is held by %+v", holder)
		}
		_ = theirs.Release()
		return true
	})
	if mine == nil || by != nil || err != nil {
		t.Fatalf("let go at the last moment: %v, %v, %v", mine, by, err)
	}
	_ = mine.Release()
}

// Something that a dead process has started keeps the run's lock: nobody owns the run.
func TestARunWhoseProcessIsGoneAndWhoseChildHangsIsNotTaken(t *testing.T) {
	t.Parallel()
	s, _ := settlers(t)
	hangs := need.Value(os.OpenFile(s.Locks.Path(lock.RunKey("r")), os.O_CREATE|os.O_RDWR, 0o600))(t)
	defer func() { _ = hangs.Close() }()
	need.Done(t, unix.Flock(int(hangs.Fd()), unix.LOCK_EX))
	held, by, err := s.takeOver(t.Context(), "r", 300*time.Millisecond, working)
	if held != nil || by != nil || err != nil {
		t.Errorf("owned: %v, %v, %v", held, by, err)
	}
}
