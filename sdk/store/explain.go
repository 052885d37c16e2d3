package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/dprun/dprun/sdk/failure"
)

// Explain turns an error into a failure whose message begins with what was
// attempted. A failure keeps its class. Errors of the os package, and errors
// that wrap them, get the class that they mean everywhere.
func Explain(what string, err error) *failure.Error {
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return prefixed(what, f)
	}
	c := classify(err)
	f := failure.New(c.kind, c.reason, "%s: %w", what, err)
	f.Remedy = c.remedy
	return f
}

func prefixed(what string, f *failure.Error) *failure.Error {
	out := failure.New(f.Kind, f.Reason, "%s: %w", what, f)
	out.Message, out.Remedy = what+": "+f.Message, f.Remedy
	return out
}

// class is the meaning of an error.
type class struct {
	kind   failure.Kind
	reason failure.Reason
	remedy string
}

func classify(err error) class {
	is := func(errnos ...syscall.Errno) bool {
		return slices.ContainsFunc(errnos, func(e syscall.Errno) bool { return errors.Is(err, e) })
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return class{failure.Timeout, "", ""}
	case errors.Is(err, context.Canceled):
		return class{failure.Cancelled, "", ""}
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return class{failure.NoSpace, failure.OutOfSpace, "free some space"}
	case is(syscall.EROFS):
		return class{failure.Denied, failure.ReadOnly, "mount the file system for writing"}
	case errors.Is(err, fs.ErrPermission):
		return class{failure.Denied, failure.NoAccess, "give dprun's user the right to write there"}
	case errors.Is(err, fs.ErrNotExist):
		return class{failure.NotFound, failure.NoSuchFile, ""}
	case is(syscall.ENOTDIR):
		return class{failure.Exists, failure.Occupied, remedyInTheWay}
	case errors.Is(err, fs.ErrExist), is(syscall.EISDIR):
		return class{failure.Exists, failure.Occupied, ""}
	case is(syscall.ENAMETOOLONG):
		return class{failure.Precondition, failure.BadConfig, "shorten the destination's `path`"}
	case is(syscall.ELOOP, syscall.EINVAL):
		return class{failure.Precondition, "", ""}
	case is(syscall.EIO, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ENOTCONN):
		return class{failure.Unavailable, failure.Unreachable, ""}
	}
	return class{failure.Internal, "", ""}
}

const (
	remedyInTheWay = "change the destination's `path`, or find out what it is before you move it away"
	remedyOccupied = "find out whose it is (a set has a manifest, *.dprun.json, beside it) before you move it away, or make the destination's `path` distinct, for example with ${stamp}"
)

// InTheWay is the failure of [Files.Mkdir] if there is a file in place of a
// directory. The file may be somebody's only copy of something, so the remedy
// never is to remove it.
func InTheWay(location string) *failure.Error {
	return failure.New(failure.Exists, failure.Occupied, "%s exists and is not a directory: %w", location, fs.ErrExist).WithRemedy(remedyInTheWay)
}

// absent reports whether an error says that a name does not exist.
func absent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	f, ok := errors.AsType[*failure.Error](err)
	return ok && f.Kind == failure.NotFound && f.Reason == failure.NoSuchFile
}

// ended is the failure of an operation whose context has ended.
func ended(ctx context.Context, what string) *failure.Error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return failure.New(failure.Timeout, "", "%s: no end within the time limit: %w", what, err)
	}
	return failure.New(failure.Cancelled, "", "%s: %w", what, err)
}

// session is one call of the destination: its files, and the beginning of the
// messages of its failures.
type session struct {
	Names
	files   Files   // nil: objects
	objects Objects // nil: files
	d       *Destination
	what    string
}

// fail turns err into a failure. doing says what was being done; "": the error
// says it.
func (s *session) fail(ctx context.Context, doing string, err error) *failure.Error {
	what := s.what
	if doing != "" {
		what += ": " + doing
	}
	if ctx.Err() != nil {
		return ended(ctx, s.what)
	}
	return Explain(what, err)
}

func (s *session) failf(k failure.Kind, r failure.Reason, format string, args ...any) *failure.Error {
	return failure.New(k, r, "%s: %w", s.what, fmt.Errorf(format, args...))
}

func (s *session) noDirectory() *failure.Error {
	return s.failf(failure.NotFound, failure.NoDirectory, "the directory %s does not exist", s.Location("")).WithRemedy("%s", s.d.o.DirectoryRemedy)
}

// ready makes sure that the top directory exists. It does not create it,
// because a missing one may be a mount.
func (s *session) ready(ctx context.Context) error {
	i, err := s.Stat(ctx, "")
	switch {
	case err != nil && absent(err), err == nil && !i.Dir:
		return s.noDirectory()
	case err != nil:
		return s.fail(ctx, "", err)
	}
	return nil
}

// missing is the failure of something that does not exist, or of a missing top
// directory.
func (s *session) missing(ctx context.Context, err error) error {
	if absent(err) {
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	return s.fail(ctx, "", err)
}
