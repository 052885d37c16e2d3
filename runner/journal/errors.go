package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The kinds of errors, for errors.Is.
var (
	ErrFull      = errors.New("there is no room")
	ErrReadOnly  = errors.New("it cannot be written")
	ErrBusy      = errors.New("another process holds it")
	ErrDamaged   = errors.New("it is damaged, or not a journal")
	ErrIO        = errors.New("the disk reports an error")
	ErrLost      = errors.New("its history is lost")
	ErrNewer     = errors.New("it was made by a newer dprun")
	ErrNotFound  = errors.New("not found")
	ErrAmbiguous = errors.New("ambiguous")
)

// Error says that the journal could not do something, and what to do about it.
type Error struct {
	Doing  string // the operation that was attempted
	Path   string
	Kind   error // one of the above, or nil
	Err    error
	Remedy string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("journal %s: %s", e.Path, e.Doing)
	if e.Kind != nil {
		s += ": " + e.Kind.Error()
	}
	s += ": " + e.Err.Error()
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// explain adds what an operator can do about an error. It returns errors that
// have an explanation, and errors that are answers (not found, a guard), as they
// are.
func explain(doing, path string, err error) error {
	var known *Error
	var guard *GuardError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &guard):
		return err
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrAmbiguous):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("journal %s: %s: %w", path, doing, err)
	}
	e := &Error{Doing: doing, Path: path, Err: err}
	e.Remedy, e.Kind = classify(path, err)
	return e
}

func classify(path string, err error) (remedy string, kind error) {
	var s *sqlite.Error
	if errors.As(err, &s) {
		switch s.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return full()
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
			return readOnly()
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return "find the process that has it open (fuser " + path + ") and try again", ErrBusy
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return salvage, ErrDamaged
		case sqlite3.SQLITE_IOERR:
			if noRoom(path) { // SQLite has a dozen codes for failed writes
				return full()
			}
			return "look at the kernel's log, and check the disk and its quota", ErrIO
		}
		return "", nil
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return full()
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return readOnly()
	}
	return "", nil
}

func full() (string, error) {
	return "make room on the file system of the state directory; `dprun recover` brings gateways back without it", ErrFull
}

// noRoom reports whether a path's file system is nearly full: it has less room
// than SQLite needs to open its shared memory, or no file is left on it.
func noRoom(path string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(filepath.Dir(path), &fs) != nil {
		return false
	}
	return uint64(fs.Bavail)*uint64(fs.Bsize) < 256<<10 || fs.Files > 0 && fs.Ffree == 0
}

func readOnly() (string, error) {
	return "check who owns the state directory and whether its file system is mounted read-only", ErrReadOnly
}

// salvage tells what to do about a damaged journal. dprun never discards one
// silently, because it may say what must be undone on devices.
const salvage = "keep a copy of it with its -wal and -shm files, check by hand that no gateway is quiesced, then restore it from a backup or move it away"

func damaged(doing, path string, err error) *Error {
	return &Error{Doing: doing, Path: path, Kind: ErrDamaged, Err: err, Remedy: salvage}
}
