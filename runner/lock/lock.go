package lock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Mode is how a lock is held.
type Mode string

// The modes.
const (
	Shared    Mode = "shared"    // together with other shared holders
	Exclusive Mode = "exclusive" // alone
)

func (m Mode) flock() int {
	if m == Shared {
		return unix.LOCK_SH
	}
	return unix.LOCK_EX
}

const (
	pollFirst = 2 * time.Millisecond
	pollLast  = 200 * time.Millisecond
	// probes of [Locks.Held] hold a lock for microseconds; TryAcquire outlasts them.
	probeGrace = 25 * time.Millisecond
	// waitGrace is how long a wait is before it is worth telling: others that
	// come at the same time, and do not exclude each other, pass within it.
	waitGrace = 250 * time.Millisecond
)

// Locks is a directory of locks.
type Locks struct{ dir string }

// Open returns the locks of a directory, which must be there and on a local file system.
func Open(dir string) (*Locks, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of locks: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open the directory of locks: %s is not a directory", dir)
	}
	return &Locks{dir: dir}, nil
}

// Lock is a lock that is held.
type Lock struct {
	key  string
	base string
	file *os.File
	who  Info
	note string
	once sync.Once
	err  error
}

// HeldError says that a lock is held by somebody else, or waited for.
type HeldError struct {
	Key    string
	Holder Info
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is locked by %s", e.Key, e.Holder)
}

// Acquire takes the lock of a key, and waits for it until ctx ends. When it
// must wait for more than a moment it calls onWait (which may be nil) once, with
// the likeliest holder. who is what others are told; its Key, Mode, PID and (when
// zero) Since are filled in.
func (l *Locks) Acquire(ctx context.Context, key string, mode Mode, who Info, onWait func(holder Info)) (*Lock, error) {
	told, begun := false, time.Now()
	wait := func() {
		if told || onWait == nil || time.Since(begun) < waitGrace {
			return
		}
		told = true
		onWait(holder(key, l.base(key)))
	}
	gate, err := l.take(ctx, l.gate(key), Exclusive, wait)
	if err != nil {
		return nil, fmt.Errorf("queue for the lock of %s: %w", key, err)
	}
	defer drop(gate)
	file, err := l.take(ctx, l.path(key), mode, wait)
	if err != nil {
		return nil, fmt.Errorf("take the lock of %s: %w", key, err)
	}
	return l.held(key, mode, who, file), nil
}

// TryAcquire takes the lock of a key without waiting. It returns a
// *[HeldError] when somebody holds it, or waits for it.
func (l *Locks) TryAcquire(key string, mode Mode, who Info) (*Lock, error) {
	deadline := time.Now().Add(probeGrace)
	for {
		lock, err := l.try(key, mode, who)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			if err != nil {
				return nil, fmt.Errorf("take the lock of %s: %w", key, err)
			}
			return lock, nil
		}
		if time.Now().After(deadline) {
			return nil, &HeldError{Key: key, Holder: holder(key, l.base(key))}
		}
		time.Sleep(pollFirst)
	}
}

func (l *Locks) try(key string, mode Mode, who Info) (*Lock, error) {
	gate, err := attempt(l.gate(key), Exclusive)
	if err != nil {
		return nil, err
	}
	defer drop(gate)
	file, err := attempt(l.path(key), mode)
	if err != nil {
		return nil, err
	}
	return l.held(key, mode, who, file), nil
}

// held leaves the note of a new holder and removes those of holders that
// cannot be there any more.
func (l *Locks) held(key string, mode Mode, who Info, file *os.File) *Lock {
	lock := &Lock{key: key, base: l.base(key), file: file}
	var dead []note
	for _, n := range readNotes(l.base(key)) {
		if mode == Exclusive || n.info.Mode == Exclusive {
			dead = append(dead, n)
		}
	}
	_ = removeNotes(dead) // notes decide nothing; what stays is removed by the next holder
	who.Key, who.Mode, who.PID = key, mode, os.Getpid()
	if who.Since.IsZero() {
		who.Since = time.Now().UTC()
	}
	lock.who = who
	lock.note, _ = writeNote(lock.base, who)
	return lock
}

// Begun tells that the holder's run is in the journal. Should nothing be told of
// the holder from then on, because there is no room, it counts as begun.
func (l *Lock) Begun() {
	_ = removeNotes([]note{{path: l.note}})
	l.who.Beginning = false
	l.note, _ = writeNote(l.base, l.who)
}

// Left is what the last holder of a lock has said, where it had no time to take
// that back. Nobody holds the lock.
func (l *Locks) Left(key string) Info { return holder(key, l.base(key)) }

// Held reports whether anybody holds the lock of a key, and who that is
// likely to be. It may disturb a concurrent TryAcquire for microseconds only.
func (l *Locks) Held(key string) (bool, Info, error) {
	file, err := openLock(l.path(key), false)
	if errors.Is(err, fs.ErrNotExist) {
		return false, Info{}, nil
	}
	if err != nil {
		return false, Info{}, fmt.Errorf("ask for the lock of %s: %w", key, err)
	}
	defer file.Close()
	err = flock(file, unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, holder(key, l.base(key)), nil
	}
	if err != nil {
		return false, Info{}, fmt.Errorf("ask for the lock of %s: %w", key, err)
	}
	// Unlock, not only close: a child that is just being started may hold a copy.
	if err := flock(file, unix.LOCK_UN); err != nil {
		return false, Info{}, fmt.Errorf("give back the lock of %s: %w", key, err)
	}
	return false, Info{}, nil
}

// Path is the file that is locked for a key, for messages: what holds it can
// be found by it.
func (l *Locks) Path(key string) string { return l.path(key) }

// Remove deletes the files of a key that will not be used again, such as an
// old run's. It returns a *[HeldError] when the lock is held.
func (l *Locks) Remove(key string) error {
	gate, err := attempt(l.gate(key), Exclusive)
	if err == nil {
		defer drop(gate)
		var file *os.File
		if file, err = attempt(l.path(key), Exclusive); err == nil {
			defer drop(file)
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &HeldError{Key: key, Holder: holder(key, l.base(key))}
	}
	if err != nil {
		return fmt.Errorf("remove the lock of %s: %w", key, err)
	}
	// Both are held: whoever opened them in the meantime sees that they are gone, and opens anew.
	if err := errors.Join(removeNotes(readNotes(l.base(key))), os.Remove(l.path(key)), os.Remove(l.gate(key))); err != nil {
		return fmt.Errorf("remove the lock of %s: %w", key, err)
	}
	return nil
}

// Key is what is locked.
func (l *Lock) Key() string { return l.key }

// File is the descriptor that holds the lock, for a child process to inherit
// (exec.Cmd.ExtraFiles). It belongs to the lock: do not close it.
func (l *Lock) File() *os.File { return l.file }

// Release frees the lock at once, even where a child inherited it: the holder
// says that what it guarded is over. Later calls do nothing.
func (l *Lock) Release() error {
	l.once.Do(func() {
		_ = removeNotes([]note{{path: l.note}})
		l.err = drop(l.file)
	})
	if l.err != nil {
		return fmt.Errorf("release the lock of %s: %w", l.key, l.err)
	}
	return nil
}

func (l *Locks) base(key string) string { return filepath.Join(l.dir, fileName(key)) }
func (l *Locks) path(key string) string { return l.base(key) + ".lock" }
func (l *Locks) gate(key string) string { return l.base(key) + ".gate" }

// Runs lists the runs that have a lock, held or not.
func (l *Locks) Runs() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("list the locks of runs: %w", err)
	}
	var out []string
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), ".lock")
		id, isRun := strings.CutPrefix(name, "run-")
		if i := strings.LastIndexByte(id, '-'); isLock && isRun && i > 0 && fileName(RunKey(id[:i])) == name {
			out = append(out, id[:i])
		}
	}
	return out, nil
}
