package lock

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// take takes a shared lock of a run, and waits for it.
func take(t *testing.T, l *Locks, key, run string) *Lock {
	t.Helper()
	return need.Value(l.Acquire(t.Context(), key, Shared, Info{Run: run}, nil))(t)
}

func notes(t *testing.T, l *Locks) []string {
	t.Helper()
	return need.Value(filepath.Glob(filepath.Join(l.dir, "*"+noteSuffix)))(t)
}

// refused is who holds the lock that cannot be had.
func refused(t *testing.T, l *Locks, key string) Info {
	t.Helper()
	held := new(HeldError)
	if _, err := l.TryAcquire(key, Exclusive, Info{Run: "X"}); !errors.As(err, &held) {
		t.Fatalf("TryAcquire = %v, want a HeldError", err)
	}
	return held.Holder
}

func TestTasksOfARunShareOneLockAndTheLastFreesIt(t *testing.T) {
	t.Parallel()
	l := open(t)
	first, second, other := take(t, l, "device/A", "R"), take(t, l, "device/A", "R"), take(t, l, "device/A", "S")
	if n := notes(t, l); len(n) != 2 {
		t.Errorf("notes of two runs: %v", n)
	}
	release(t, first)
	release(t, first) // a second time frees nobody
	release(t, other)
	if who := refused(t, l, "device/A"); who.Run != "R" || who.PID != os.Getpid() {
		t.Errorf("held by %v", who)
	}
	release(t, second)
	release(t, try(t, l, "device/A", Exclusive))
}

func TestTasksThatFollowEachOtherMakeNoFile(t *testing.T) {
	t.Parallel()
	l := open(t)
	release(t, take(t, l, "device/A", "R"))
	before := need.Value(os.ReadDir(l.dir))(t)
	for range 5 {
		lock := take(t, l, "device/A", "R")
		if who := refused(t, l, "device/A"); who.Run != "R" || time.Since(who.Since) > time.Minute {
			t.Errorf("held by %v", who)
		}
		release(t, lock)
	}
	after := need.Value(os.ReadDir(l.dir))(t)
	if !slices.EqualFunc(before, after, func(a, b os.DirEntry) bool { return a.Name() == b.Name() }) {
		t.Errorf("%v became %v", before, after)
	}
	need.Done(t, l.Close())
	if n := notes(t, l); len(n) != 0 {
		t.Errorf("left behind: %v", n)
	}
}

func TestAWaitingExclusiveIsNotOvertakenByThoseWhoShare(t *testing.T) {
	t.Parallel()
	l := open(t)
	first := take(t, l, "device/A", "R")
	waits, got := make(chan struct{}), make(chan *Lock, 1)
	go func() {
		lock, err := l.Acquire(t.Context(), "device/A", Exclusive, Info{Run: "X"}, func(Info) { close(waits) })
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	<-waits
	second := make(chan *Lock, 1)
	go func() {
		lock, err := l.Acquire(t.Context(), "device/A", Shared, Info{Run: "R"}, nil)
		if err != nil {
			t.Error(err)
		}
		second <- lock
	}()
	select {
	case <-second:
		t.Fatal("a task of the run that holds the lock overtook a waiting exclusive one")
	case <-time.After(50 * time.Millisecond):
	}
	release(t, first)
	exclusive := <-got
	select {
	case <-second:
		t.Fatal("shared beside an exclusive one")
	case <-time.After(50 * time.Millisecond):
	}
	release(t, exclusive)
	release(t, <-second)
}

// What one process keeps open between two tasks excludes nobody, and nobody is
// told of it as the holder.
func TestWhatIsKeptOpenIsNotHeld(t *testing.T) {
	t.Parallel()
	l := open(t)
	another := need.Value(Open(l.dir))(t)
	t.Cleanup(func() { need.Done(t, another.Close()) })
	release(t, take(t, l, "device/A", "R"))
	if held, who, err := another.Held("device/A"); held || err != nil {
		t.Errorf("held by %v, %v", who, err)
	}
	theirs := take(t, another, "device/A", "S")
	if who := refused(t, l, "device/A"); who.Run != "S" {
		t.Errorf("held by %v", who)
	}
	release(t, theirs)
	exclusive := need.Value(another.TryAcquire("device/A", Exclusive, Info{Run: "X"}))(t)
	if who := refused(t, l, "device/A"); who.Run != "X" {
		t.Errorf("held by %v", who)
	}
	release(t, exclusive)
	lock := take(t, l, "device/A", "R") // its note was removed with those of the dead
	if who := refused(t, another, "device/A"); who.Run != "R" {
		t.Errorf("held by %v", who)
	}
	release(t, lock)
}

func TestALockThatWasRemovedMeanwhileIsTakenAnew(t *testing.T) {
	t.Parallel()
	l := open(t)
	another := need.Value(Open(l.dir))(t)
	t.Cleanup(func() { need.Done(t, another.Close()) })
	release(t, take(t, l, "device/A", "R"))
	need.Done(t, another.Remove("device/A"))
	lock := take(t, l, "device/A", "R")
	if who := refused(t, another, "device/A"); who.Run != "R" {
		t.Errorf("held by %v", who)
	}
	release(t, lock)
}

func TestFewLocksAreKeptOpen(t *testing.T) {
	t.Parallel()
	l := open(t)
	for i := range 2 * maxIdle {
		release(t, take(t, l, "device/"+strings.Repeat("x", i), "R"))
	}
	if n := notes(t, l); len(n) != maxIdle || len(l.shared) != maxIdle {
		t.Errorf("%d notes, %d kept open, want %d", len(n), len(l.shared), maxIdle)
	}
}
