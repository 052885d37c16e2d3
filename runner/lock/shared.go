package lock

import (
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// maxIdle is how many locks without a holder are kept open. Tasks follow each other on
// a few devices at a time.
const maxIdle = 32

// reason is what others are told about the holders of a lock. Holders of one key must
// agree in it to share a lock.
type reason struct {
	key string
	who Info
}

// sharing is a shared lock that this process has taken once for all its holders here.
// After the last one releases it, the files stay open but unlocked for a while, so that
// the next holder need not create and open them again.
type sharing struct {
	why     reason
	base    string
	gate    *os.File // not locked
	file    *os.File // locked while there are holders
	note    *os.File // nil: it could not be written
	holders int
}

// share creates a sharing with its first holder. It takes over the gate from the
// caller.
func (l *Locks) share(why reason, gate, file *os.File) *Lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &sharing{why: why, base: l.base(why.key), gate: gate, file: file}
	l.shared[why] = s
	s.say()
	_ = flock(gate, unix.LOCK_UN)
	return l.enters(s)
}

// join adds a holder to a lock that this process holds, or locks one again that it held
// a moment ago. A waiter at the gate comes first, unless the caller has the gate. It
// returns nil if there is no such lock or it is not free at once.
func (l *Locks) join(why reason, atGate bool) *Lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shared[why]
	if s == nil {
		return nil
	}
	if !atGate {
		if flock(s.gate, unix.LOCK_EX) != nil {
			return nil
		}
		defer flock(s.gate, unix.LOCK_UN) //nolint:errcheck // the lock ends with the file in any case
	}
	if s.holders == 0 {
		l.idle = slices.DeleteFunc(l.idle, func(other *sharing) bool { return other == s })
		if !l.again(s) {
			l.forget(s)
			return nil
		}
	}
	return l.enters(s)
}

// again locks the open files and writes the note, provided that they are still the
// files that others see.
func (l *Locks) again(s *sharing) bool {
	if flock(s.file, unix.LOCK_SH) != nil {
		return false
	}
	for path, file := range map[string]*os.File{l.gate(s.why.key): s.gate, l.path(s.why.key): s.file} {
		if same, err := isStill(file, path); err != nil || !same {
			return false
		}
	}
	s.say()
	return true
}

// say writes the note of a holder, into its old file unless an exclusive holder has
// removed that file. The lock's own file says that there are notes beside it; an
// exclusive holder looks for them only then.
func (s *sharing) say() {
	who := filled(s.why.who, s.why.key, Shared)
	if s.note != nil {
		if same, err := isStill(s.note, s.note.Name()); err == nil && same && tell(s.note, who) == nil {
			return
		}
		s.note.Close()
	}
	if told(io.NewSectionReader(s.file, 0, noteLimit)).Mode != Shared {
		_ = tell(s.file, Info{Mode: Shared})
	}
	s.note, _ = newNote(s.base, who)
}

func (l *Locks) enters(s *sharing) *Lock {
	s.holders++
	return &Lock{key: s.why.key, file: s.file, release: func() error { return l.leave(s) }}
}

func (l *Locks) leave(s *sharing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.holders--; s.holders > 0 {
		return nil
	}
	if s.note != nil {
		_ = tell(s.note, Info{})
	}
	err := flock(s.file, unix.LOCK_UN)
	l.idle = append(l.idle, s)
	if len(l.idle) > maxIdle {
		l.forget(l.idle[0])
		l.idle = l.idle[1:]
	}
	return err
}

// forget closes the files of a lock without holders, and removes its note.
func (l *Locks) forget(s *sharing) error {
	if l.shared[s.why] == s {
		delete(l.shared, s.why)
	}
	errs := errors.Join(drop(s.gate), drop(s.file))
	if s.note != nil {
		_ = os.Remove(s.note.Name())
		errs = errors.Join(errs, s.note.Close())
	}
	return errs
}

// Close closes the files that are kept open without a holder. Held locks stay.
func (l *Locks) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, s := range l.idle {
		errs = append(errs, l.forget(s))
	}
	l.idle = nil
	return errors.Join(errs...)
}
