package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk/failure"
)

// take locks a file and retries until ctx ends. It calls wait before every pause. It
// polls, because a thread that blocks in flock cannot be woken.
func (l *Locks) take(ctx context.Context, path string, mode Mode, wait func()) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pause := pollFirst
	for {
		file, err := attempt(path, mode)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return file, err
		}
		wait()
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, pollLast)
	}
}

// attempt opens and locks a file. It returns unix.EWOULDBLOCK if the lock is held.
func attempt(path string, mode Mode) (*os.File, error) {
	for {
		file, err := openLock(path, true)
		if err != nil {
			return nil, err
		}
		if err := flock(file, mode.flock()); err != nil {
			file.Close()
			return nil, err
		}
		// The file may have been removed between open and flock. Then this lock
		// excludes nobody, and a new file may exist.
		same, err := isStill(file, path)
		if err != nil {
			_ = drop(file)
			return nil, err
		}
		if same {
			return file, nil
		}
		_ = drop(file)
	}
}

func openLock(path string, create bool) (*os.File, error) {
	flags := os.O_RDWR | unix.O_NOFOLLOW
	if create {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, 0o600)
	return file, full(err)
}

// full adds advice to the error that there is no room even for a file of a few bytes.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return failure.New(failure.NoSpace, "", "take a lock: %w; make room on the file system of the state directory", err)
	}
	return err
}

func isStill(file *os.File, path string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(mine, there), nil
}

// flock never blocks. It uses SyscallConn so that the descriptor keeps the mode that
// the runtime gave it.
func flock(file *os.File, how int) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) { locked = unix.Flock(int(fd), how|unix.LOCK_NB) }); err != nil {
		return err
	}
	switch {
	case errors.Is(locked, unix.EOPNOTSUPP), errors.Is(locked, unix.ENOSYS), errors.Is(locked, unix.ENOLCK):
		return fmt.Errorf("lock %s: %w; the state directory must be on a local file system that knows flock", file.Name(), locked)
	}
	return locked
}

// drop unlocks the file before closing it. A child between fork and exec still has a
// copy of every descriptor, and would keep the lock until exec.
func drop(file *os.File) error {
	return errors.Join(flock(file, unix.LOCK_UN), file.Close())
}
