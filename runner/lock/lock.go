package lock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Mode says how a lock is held.
type Mode string

// The modes of a lock.
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
	// probeGrace is longer than the microseconds for which [Locks.Held] may hold a
	// lock, so that TryAcquire outlasts such a probe.
	probeGrace = 25 * time.Millisecond
	// waitGrace is how long a wait lasts before it is reported. Others that arrive at
	// the same time, and do not exclude each other, pass within it.
	waitGrace = 250 * time.Millisecond
)

// Locks is a directory of locks. Close releases the files that it keeps open.
type Locks struct {
	dir string

	mu     sync.Mutex
	shared map[reason]*sharing
	idle   []*sharing // without holders, the oldest first
}

// Open returns the locks of a directory. The directory must exist and be on a local
// file system.
func Open(dir string) (*Locks, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of locks: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open the directory of locks: %s is not a directory", dir)
	}
	return &Locks{dir: dir, shared: map[reason]*sharing{}}, nil
}

// Lock is a held lock.
type Lock struct {
	key     string
	file    *os.File
	who     Info
	release func() error
	once    sync.Once
	err     error
}

// HeldError says that somebody else holds a lock or waits for it.
type HeldError struct {
	Key    string
	Holder Info
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is locked by %s", e.Key, e.Holder)
}

// Acquire takes the lock of a key. It waits until ctx ends. If it must wait for more
// than a moment, it calls onWait once with the most likely holder; onWait may be nil.
// who is the description that others see; Acquire fills in Key, Mode, PID and, if it is
// zero, Since.
func (l *Locks) Acquire(ctx context.Context, key string, mode Mode, who Info, onWait func(holder Info)) (*Lock, error) {
	told, begun := false, time.Now()
	wait := func() {
		if told || onWait == nil || time.Since(begun) < waitGrace {
			return
		}
		told = true
		onWait(holder(key, l.base(key)))
	}
	why := reason{key, who}
	if mode == Shared && ctx.Err() == nil {
		if lock := l.join(why, false); lock != nil {
			return lock, nil
		}
	}
	gate, err := l.take(ctx, l.gate(key), Exclusive, wait)
	if err != nil {
		return nil, fmt.Errorf("queue for the lock of %s: %w", key, err)
	}
	lock, err := l.enter(why, mode, gate, func() (*os.File, error) { return l.take(ctx, l.path(key), mode, wait) })
	if err != nil {
		return nil, fmt.Errorf("take the lock of %s: %w", key, err)
	}
	return lock, nil
}

// TryAcquire takes the lock of a key without waiting. It returns a *[HeldError] if
// somebody holds the lock or waits for it.
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
	return l.enter(reason{key, who}, mode, gate, func() (*os.File, error) { return attempt(l.path(key), mode) })
}

// enter takes a lock while the caller has its gate, and opens the gate again.
func (l *Locks) enter(why reason, mode Mode, gate *os.File, take func() (*os.File, error)) (*Lock, error) {
	if mode == Shared {
		if lock := l.join(why, true); lock != nil {
			return lock, drop(gate)
		}
	}
	file, err := take()
	switch {
	case err != nil:
		_ = drop(gate)
		return nil, err
	case mode == Shared:
		return l.share(why, gate, file), nil
	}
	defer drop(gate) //nolint:errcheck // the lock ends with the file in any case
	if told(io.NewSectionReader(file, 0, noteLimit)).Mode == Shared {
		_ = removeNotes(l.base(why.key)) // these holders no longer exist; the next holder removes what stays
	}
	lock := &Lock{key: why.key, file: file, who: filled(why.who, why.key, Exclusive)}
	_ = tell(file, lock.who)
	lock.release = func() error {
		_ = tell(file, Info{})
		return drop(file)
	}
	return lock, nil
}

// filled completes the description of a holder.
func filled(who Info, key string, mode Mode) Info {
	who.Key, who.Mode, who.PID = key, mode, os.Getpid()
	if who.Since.IsZero() {
		who.Since = time.Now().UTC()
	}
	return who
}

// Begun says that the holder's run is now in the journal. If the note cannot be written
// for lack of room, the run counts as begun too.
func (l *Lock) Begun() {
	l.who.Beginning = false
	if tell(l.file, l.who) != nil {
		_ = l.file.Truncate(0)
	}
}

// Left returns the note that the last holder of a lock could not take back. It is meant
// for a lock that nobody holds.
func (l *Locks) Left(key string) Info { return holder(key, l.base(key)) }

// Held reports whether somebody holds the lock of a key, and who that probably is. It
// can disturb a concurrent TryAcquire, but only for microseconds.
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
	// Closing alone is not enough: a child that is just being started may have a copy.
	if err := flock(file, unix.LOCK_UN); err != nil {
		return false, Info{}, fmt.Errorf("give back the lock of %s: %w", key, err)
	}
	return false, Info{}, nil
}

// Path returns the file that is locked for a key. With it an operator can find the
// process that holds the lock.
func (l *Locks) Path(key string) string { return l.path(key) }

// Remove deletes the files of a key that will not be used again, such as that of an old
// run. It returns a *[HeldError] if the lock is held.
func (l *Locks) Remove(key string) error {
	gate, err := attempt(l.gate(key), Exclusive)
	if err == nil {
		defer drop(gate) //nolint:errcheck // the lock ends with the file in any case
		var file *os.File
		if file, err = attempt(l.path(key), Exclusive); err == nil {
			defer drop(file) //nolint:errcheck // the lock ends with the file in any case
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &HeldError{Key: key, Holder: holder(key, l.base(key))}
	}
	if err != nil {
		return fmt.Errorf("remove the lock of %s: %w", key, err)
	}
	// Both files are locked. A process that has opened them in the meantime notices
	// that they are gone, and opens new ones.
	if err := errors.Join(removeNotes(l.base(key)), os.Remove(l.path(key)), os.Remove(l.gate(key))); err != nil {
		return fmt.Errorf("remove the lock of %s: %w", key, err)
	}
	return nil
}

// Key returns the key of the lock.
func (l *Lock) Key() string { return l.key }

// File returns the descriptor that holds the lock, for a child process to inherit
// (exec.Cmd.ExtraFiles). The caller must not close it.
func (l *Lock) File() *os.File { return l.file }

// Release frees the lock at once, even if a child inherited it: the holder says that
// the guarded work is over. If others in this process hold the same shared lock, they
// keep it. Later calls do nothing.
func (l *Lock) Release() error {
	l.once.Do(func() { l.err = l.release() })
	if l.err != nil {
		return fmt.Errorf("release the lock of %s: %w", l.key, l.err)
	}
	return nil
}

const lockSuffix = ".lock"

func (l *Locks) base(key string) string { return filepath.Join(l.dir, fileName(key)) }
func (l *Locks) path(key string) string { return l.base(key) + lockSuffix }
func (l *Locks) gate(key string) string { return l.base(key) + ".gate" }

// Runs lists the runs that have a lock, held or not.
func (l *Locks) Runs() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("list the locks of runs: %w", err)
	}
	var out []string
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), lockSuffix)
		id, isRun := strings.CutPrefix(name, "run-")
		if i := strings.LastIndexByte(id, '-'); isLock && isRun && i > 0 && fileName(RunKey(id[:i])) == name {
			out = append(out, id[:i])
		}
	}
	return out, nil
}

// PlanKey returns the key of a plan, made of its name and the file that holds it. A
// plan runs once at a time.
func PlanKey(plan, origin string) string { return "plan/" + plan + "\x00" + origin }

// RunKey returns the key of a run. It is held while the run's process or one of its
// plugins lives.
func RunKey(run string) string { return "run/" + run }

// JournalKey is held while a lost journal is put aside and a new one is created.
const JournalKey = "journal"

// ServerKey is held while a server works on the state directory.
const ServerKey = "server"

// GuardKey returns the key of a run's guard. It is held while the guard process lives.
func GuardKey(run string) string { return "guard/" + run }

// DeviceKey returns the key of a box. It uses the identity, because plans may give the
// box different names.
func DeviceKey(identity string) string { return "device/" + identity }

// SetKey returns the key of a set. Readers of its files share it, and a process that
// deletes them needs it exclusively.
func SetKey(set string) string { return "set-" + set }

// readable is how much of a key is part of the file's name.
const readable = 48

// fileName returns the file name for a key: the readable part, and a hash that keeps
// apart keys that differ only in case or in characters that a name cannot hold.
func fileName(key string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, key)
	clean = strings.TrimLeft(clean, ".-")
	sum := sha256.Sum256([]byte(key))
	return clean[:min(len(clean), readable)] + "-" + hex.EncodeToString(sum[:8])
}
