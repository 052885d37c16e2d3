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

// Locks is a directory of locks. Close it to release what it keeps open.
type Locks struct {
	dir string

	mu     sync.Mutex
	shared map[reason]*sharing
	idle   []*sharing // without a holder, the oldest first
}

// Open returns the locks of a directory, which must be there and on a local file system.
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

// Lock is a lock that is held.
type Lock struct {
	key     string
	file    *os.File
	who     Info
	release func() error
	once    sync.Once
	err     error
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
	return l.enter(reason{key, who}, mode, gate, func() (*os.File, error) { return attempt(l.path(key), mode) })
}

// enter takes a lock for whoever has its gate, and opens that again.
func (l *Locks) enter(why reason, mode Mode, gate *os.File, take func() (*os.File, error)) (*Lock, error) {
	if mode == Shared {
		if lock := l.join(why, true); lock != nil {
			return lock, drop(gate)
		}
	}
	file, err := take()
	switch {
	case err != nil:
		drop(gate)
		return nil, err
	case mode == Shared:
		return l.share(why, gate, file), nil
	}
	defer drop(gate)
	if told(io.NewSectionReader(file, 0, noteLimit)).Mode == Shared {
		_ = removeNotes(l.base(why.key)) // of holders that cannot be there any more; what stays is removed by the next one
	}
	lock := &Lock{key: why.key, file: file, who: filled(why.who, why.key, Exclusive)}
	_ = tell(file, lock.who)
	lock.release = func() error {
		_ = tell(file, Info{})
		return drop(file)
	}
	return lock, nil
}

// filled is what others are told of a holder.
func filled(who Info, key string, mode Mode) Info {
	who.Key, who.Mode, who.PID = key, mode, os.Getpid()
	if who.Since.IsZero() {
		who.Since = time.Now().UTC()
	}
	return who
}

// Begun tells that the holder's run is in the journal. Should nothing be told of
// the holder from then on, because there is no room, it counts as begun.
func (l *Lock) Begun() {
	l.who.Beginning = false
	if tell(l.file, l.who) != nil {
		_ = l.file.Truncate(0)
	}
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
	if err := errors.Join(removeNotes(l.base(key)), os.Remove(l.path(key)), os.Remove(l.gate(key))); err != nil {
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
// says that what it guarded is over. Where others of this process hold the same
// shared lock it stays theirs. Later calls do nothing.
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

// PlanKey is the key of a plan by its name and the file that holds it: it runs
// once at a time.
func PlanKey(plan, origin string) string { return "plan/" + plan + "\x00" + origin }

// RunKey is the key of a run: held while its process or one of its plugins lives.
func RunKey(run string) string { return "run/" + run }

// JournalKey is held while a lost journal is put aside and a new one is begun.
const JournalKey = "journal"

// ServerKey is held while a server works on the state directory.
const ServerKey = "server"

// GuardKey is the key of a run's guard: held while the guard process lives.
func GuardKey(run string) string { return "guard/" + run }

// DeviceKey is the key of a box by its identity, whatever name a plan gives it.
func DeviceKey(identity string) string { return "device/" + identity }

// SetKey is the key of a set: shared by those who read its files, exclusive for
// whoever deletes them.
func SetKey(set string) string { return "set-" + set }

// readable is how much of a key stands in the file's name.
const readable = 48

// fileName is a key as a file name: what a person can read of it, and a hash
// that tells keys apart that differ only in what a name cannot hold, or in
// case.
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
