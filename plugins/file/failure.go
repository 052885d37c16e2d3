package file

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/dprun/dprun/sdk/failure"
)

// classify makes an error of the file system a failure. missing is the reason
// when something is not there.
func classify(what, path string, err error, missing failure.Reason) *failure.Error {
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	kind, reason, remedy := failure.Internal, failure.Reason(""), ""
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		kind = failure.Timeout
	case errors.Is(err, context.Canceled):
		kind = failure.Cancelled
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind, reason, remedy = failure.NoSpace, failure.OutOfSpace, "free some space"
	case errors.Is(err, syscall.EROFS):
		kind, reason, remedy = failure.Denied, failure.ReadOnly, "mount the file system for writing"
	case errors.Is(err, fs.ErrPermission):
		kind, reason, remedy = failure.Denied, failure.NoAccess, "give dprun's user the right to write there"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		kind, reason = failure.NotFound, missing
	case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EISDIR):
		kind, reason = failure.Exists, failure.Occupied
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EINVAL):
		kind = failure.Precondition
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENOTCONN):
		kind, reason = failure.Unavailable, failure.Unreachable
	case isEscape(err):
		kind, reason, remedy = failure.Denied, failure.NoAccess, "a symbolic link leads out of the directory and is not followed: name where it leads to as `directory`, or change the destination's `path`"
	}
	f := failure.New(kind, reason, "%s %s: %w", what, path, err)
	f.Remedy = remedy
	return f
}

// isEscape tells the refusal of os.Root, which has no exported error: a
// *PathError without a system error in it.
func isEscape(err error) bool {
	var errno syscall.Errno
	_, ok := errors.AsType[*fs.PathError](err)
	return ok && !errors.As(err, &errno)
}

func sourceError(path string, err error) *failure.Error {
	return failure.New(failure.Corrupt, failure.SourceIO, "read the staged file %s: %w", path, err)
}
