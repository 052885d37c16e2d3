package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

func open(t *testing.T) *Locks {
	t.Helper()
	l := need.Value(Open(t.TempDir()))(t)
	t.Cleanup(func() { need.Done(t, l.Close()) })
	return l
}

func try(t *testing.T, l *Locks, key string, mode Mode) *Lock {
	t.Helper()
	lock, err := l.TryAcquire(key, mode, Info{Run: "R-" + string(mode)})
	if err != nil {
		t.Fatalf("TryAcquire(%s, %s): %v", key, mode, err)
	}
	return lock
}

func release(t *testing.T, lock *Lock) {
	t.Helper()
	need.Done(t, lock.Release())
}

func TestModesExcludeEachOtherWithinOneProcess(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		first, second Mode
		both          bool
	}{
		{Shared, Shared, true},
		{Shared, Exclusive, false},
		{Exclusive, Shared, false},
		{Exclusive, Exclusive, false},
	} {
		t.Run(fmt.Sprintf("%s then %s", tc.first, tc.second), func(t *testing.T) {
			t.Parallel()
			l := open(t)
			first := try(t, l, "device/A", tc.first)
			second, err := l.TryAcquire("device/A", tc.second, Info{})
			if tc.both {
				if err != nil {
					t.Fatalf("second: %v", err)
				}
				release(t, second)
				release(t, first)
				return
			}
			held := new(HeldError)
			if !errors.As(err, &held) {
				t.Fatalf("second = %v, want a HeldError", err)
			}
			want := Info{Key: "device/A", Mode: tc.first, PID: os.Getpid(), Run: "R-" + string(tc.first), Since: held.Holder.Since}
			if d := cmp.Diff(want, held.Holder); d != "" {
				t.Errorf("holder: %s", d)
			}
			if held.Holder.Since.IsZero() || !strings.Contains(err.Error(), "run R-") {
				t.Errorf("error %q does not say who since when", err)
			}
			release(t, first)
			release(t, try(t, l, "device/A", tc.second))
		})
	}
}

func TestKeysDoNotExcludeEachOther(t *testing.T) {
	t.Parallel()
	l := open(t)
	for _, key := range []string{"plan/a/b", "plan/a-b", "plan/A-b", "run/x", "", "../../x", strings.Repeat("long", 100), "device/[x]*?\\"} {
		defer release(t, try(t, l, key, Exclusive))
	}
	entries := need.Value(os.ReadDir(l.dir))(t)
	if want := 8 * 2; len(entries) != want { // lock, gate
		t.Errorf("%d files in the directory, want %d", len(entries), want)
	}
}

func TestAcquireWaitsAndSaysForWhom(t *testing.T) {
	t.Parallel()
	l := open(t)
	first := try(t, l, "device/A", Exclusive)
	told := make(chan Info, 10)
	got := make(chan error, 1)
	go func() {
		lock, err := l.Acquire(t.Context(), "device/A", Shared, Info{}, func(h Info) { told <- h })
		if err == nil {
			err = lock.Release()
		}
		got <- err
	}()
	if h := <-told; h.Run != "R-exclusive" {
		t.Errorf("waits for %v", h)
	}
	select {
	case err := <-got:
		t.Fatalf("Acquire returned (%v) while the lock is held", err)
	case <-time.After(20 * time.Millisecond):
	}
	release(t, first)
	need.Done(t, <-got)
	if len(told) != 0 {
		t.Errorf("onWait was called again")
	}
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := open(t)
	first := try(t, l, "k", Exclusive)
	defer release(t, first)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := l.Acquire(ctx, "k", Exclusive, Info{}, func(Info) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire = %v, want context.Canceled", err)
	}
	if _, err := l.Acquire(ctx, "other", Exclusive, Info{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire of a free lock with an ended context = %v", err)
	}
}

func TestAWaitingExclusiveIsNotOvertaken(t *testing.T) {
	t.Parallel()
	l := open(t)
	first := try(t, l, "device/A", Shared)
	waits, got := make(chan struct{}), make(chan *Lock, 1)
	go func() {
		lock, err := l.Acquire(t.Context(), "device/A", Exclusive, Info{}, func(Info) { close(waits) })
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	<-waits
	if lock, err := l.TryAcquire("device/A", Shared, Info{}); err == nil {
		release(t, lock)
		t.Error("a shared lock overtook a waiting exclusive one")
	}
	release(t, first)
	if lock := <-got; lock != nil {
		release(t, lock)
	}
}

func TestThoseWhoDoNotExcludeEachOtherDoNotWait(t *testing.T) {
	t.Parallel()
	l := open(t)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			<-begin
			lock, err := l.Acquire(t.Context(), "device/A", Shared, Info{}, func(h Info) { t.Errorf("waits for %v", h) })
			if err != nil {
				t.Error(err)
				return
			}
			release(t, lock)
		})
	}
	close(begin)
	all.Wait()
}

func TestManyContendersAreAloneInTurn(t *testing.T) {
	t.Parallel()
	l := open(t)
	var inside, turns atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				lock, err := l.Acquire(t.Context(), "k", Exclusive, Info{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				turns.Add(1)
				inside.Add(-1)
				if err := lock.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if turns.Load() != 40 {
		t.Errorf("%d turns, want 40", turns.Load())
	}
}

func TestHeldAsksWithoutTaking(t *testing.T) {
	t.Parallel()
	l := open(t)
	ask := func(want bool, run string) {
		t.Helper()
		got, who, err := l.Held("run/1")
		if err != nil || got != want || who.Run != run {
			t.Errorf("Held = %v, %v, %v; want %v by %q", got, who, err, want, run)
		}
	}
	ask(false, "")
	if entries, _ := os.ReadDir(l.dir); len(entries) != 0 {
		t.Errorf("asking made %v", entries)
	}
	for _, mode := range []Mode{Shared, Exclusive} {
		lock := try(t, l, "run/1", mode)
		ask(true, "R-"+string(mode))
		release(t, lock)
		ask(false, "")
	}
}

func TestHeldDoesNotFailATryAcquire(t *testing.T) {
	t.Parallel()
	l := open(t)
	release(t, try(t, l, "k", Exclusive))
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, _, err := l.Held("k"); err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
	for range 200 {
		release(t, try(t, l, "k", Exclusive))
	}
	close(stop)
	asking.Wait()
}

func TestRemoveDeletesOnlyAFreeLock(t *testing.T) {
	t.Parallel()
	l := open(t)
	lock := try(t, l, "run/1", Shared)
	if err := l.Remove("run/1"); !errors.As(err, new(*HeldError)) {
		t.Errorf("Remove of a held lock = %v", err)
	}
	release(t, lock)
	need.Done(t, l.Remove("run/1"))
	if entries, _ := os.ReadDir(l.dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestLocksExcludeWhileTheirFilesAreRemoved(t *testing.T) {
	t.Parallel()
	l := open(t)
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				lock, err := l.TryAcquire("k", Exclusive, Info{})
				if err != nil {
					continue
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				inside.Add(-1)
				if err := lock.Release(); err != nil {
					t.Error(err)
				}
				if err := l.Remove("k"); err != nil && !errors.As(err, new(*HeldError)) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestASecondReleaseFreesNobodyElse(t *testing.T) {
	t.Parallel()
	l := open(t)
	lock := try(t, l, "k", Exclusive)
	release(t, lock)
	other := try(t, l, "k", Exclusive)
	release(t, lock) // must not free the other's
	if held, _, _ := l.Held("k"); !held {
		t.Error("a second Release freed somebody else's lock")
	}
	release(t, other)
}

func TestOpenWantsADirectory(t *testing.T) {
	t.Parallel()
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open = %v", err)
	}
}

func TestALockOnARemovedFileIsNoticed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "k.lock")
	file := need.Value(openLock(path, true))(t)
	defer file.Close()
	check := func(when string, want bool) {
		t.Helper()
		if got, err := isStill(file, path); err != nil || got != want {
			t.Errorf("%s: isStill = %v, %v; want %v", when, got, err, want)
		}
	}
	check("at first", true)
	need.Done(t, os.Remove(path))
	check("removed", false)
	another := need.Value(openLock(path, true))(t)
	defer another.Close()
	check("made anew", false)
}

func TestAFullFileSystemIsToldAsThat(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{unix.ENOSPC, unix.EDQUOT} {
		f, ok := errors.AsType[*failure.Error](full(&os.PathError{Op: "open", Path: "/state/locks/x.lock", Err: cause}))
		if !ok || f.Kind != failure.NoSpace || !strings.Contains(f.Error(), "/state/locks/x.lock") || !strings.Contains(f.Error(), "make room") {
			t.Errorf("%v: %v", cause, f)
		}
	}
	if err := full(unix.EACCES); !errors.Is(err, unix.EACCES) {
		t.Errorf("another error: %v", err)
	}
}
