package sftp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// directory is the configured directory with everything below it, for one call.
// It has one session. If the session is lost, only cleaning up gets a new one;
// nothing else is tried again.
type directory struct {
	d     *destination
	first *session // from the pool
	s     *session // first, or its replacement
	gone  bool     // s can no longer be used
	taken string   // a directory that is assumed to exist, because it did a moment ago
}

// open implements [store.Open].
func (d *destination) open(ctx context.Context) (store.Files, func(), error) {
	x, err := d.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return x, x.release, nil
}

func (d *destination) acquire(ctx context.Context) (*directory, error) {
	s, err := d.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &directory{d: d, first: s, s: s}, nil
}

func (x *directory) release() {
	if x.s != x.first {
		x.s.close()
	}
	x.d.pool.release(x.first)
}

// on runs f on a session. If ctx ends first, it cuts the connection, so that f
// returns. dir is the directory that a failure may be about.
func (x *directory) on(ctx context.Context, dir string, f func(*session) error) error {
	if x.gone || !x.s.alive() {
		x.s.kill()
		fresh, err := x.d.pool.open(ctx)
		if err != nil {
			return err
		}
		if x.s != x.first {
			x.s.close()
		}
		x.s, x.gone = fresh, false
	}
	s := x.s
	stop := context.AfterFunc(ctx, s.kill)
	defer func() {
		if !stop() {
			s.kill() // the kill of AfterFunc may not have begun yet, and nobody else may get the session meanwhile
		}
	}()
	err := f(s)
	if err == nil {
		return nil
	}
	x.gone = x.gone || connectionFailed(s, err)
	return x.d.explain(ctx, s, err, path.Join(s.base, dir))
}

// connectionFailed reports whether err, explained or not, comes from a lost
// connection. The session itself notices the loss a little later.
func connectionFailed(s *session, err error) bool {
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f.Reason == failure.Unreachable || f.Reason == failure.Stalled
	}
	return !s.alive() || lost(err)
}

func (x *directory) Location(name string) string {
	return x.d.config.location(path.Join(x.s.base, name))
}

// Mkdir also finds out the server's habits, because everything after it needs them.
func (x *directory) Mkdir(ctx context.Context, dir string) error {
	return x.on(ctx, dir, func(s *session) error {
		if err := x.make(ctx, s, path.Join(s.base, dir)); err != nil {
			return err
		}
		_, err := x.d.habitsFor(ctx, x)
		return err
	})
}

// make checks whether a directory exists and then makes what is missing. It skips
// a directory that existed a moment ago: [directory.Put] notices if it is gone.
func (x *directory) make(ctx context.Context, s *session, dir string) error {
	if x.d.there.has(dir) {
		x.taken = dir
		return nil
	}
	x.taken = ""
	if err := x.makeAll(ctx, s, dir); err != nil {
		return err
	}
	x.d.there.add(dir)
	return nil
}

func (x *directory) makeAll(ctx context.Context, s *session, dir string) error {
	st, err := s.sftp.Stat(dir)
	if err == nil && st.IsDir() {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) && status(err) < 0 {
		return err
	}
	if parent := path.Dir(dir); err != nil && dir != s.base && x.d.there.has(parent) && s.sftp.Mkdir(dir) == nil {
		x.made(s, dir, parent)
		return nil
	}
	st, err = s.sftp.Stat(s.base)
	if err == nil && !st.IsDir() {
		return fs.ErrNotExist
	}
	if err != nil {
		return err
	}
	x.d.there.add(s.base)
	at := s.base
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(dir, s.base), "/"), "/") {
		parent := at
		at = path.Join(at, part)
		made, err := x.makeOne(ctx, s, at)
		if err != nil {
			return err
		}
		if made {
			x.made(s, at, parent)
		} else {
			x.d.there.add(at)
		}
	}
	return nil
}

// made completes a new directory, and syncs its name.
func (x *directory) made(s *session, dir, parent string) {
	_ = s.sftp.Chmod(dir, directoryMode(x.d.fileMode)) // the mode of the files is what matters
	flush(s, parent)
	x.d.there.add(dir)
}

func (x *directory) makeOne(ctx context.Context, s *session, dir string) (made bool, err error) {
	err = s.sftp.Mkdir(dir)
	if err == nil {
		return true, nil
	}
	// It may exist already, or another call has just made it.
	st, serr := s.sftp.Stat(dir)
	switch {
	case serr == nil && st.IsDir():
		return false, nil
	case serr == nil:
		return false, store.InTheWay(x.d.config.location(dir))
	}
	return false, store.Explain("make the directory "+dir, x.d.explain(ctx, s, err, path.Dir(dir)))
}

// directoryMode adds the right to enter a directory for everybody who may read the files.
func directoryMode(file fs.FileMode) fs.FileMode { return file | file>>2&0o111 }

func (x *directory) Put(ctx context.Context, name string, src io.ReaderAt, size int64) (i store.Info, err error) {
	err = x.on(ctx, path.Dir(name), func(s *session) error {
		full := path.Join(s.base, name)
		f, err := create(s, full)
		if dir := path.Dir(full); status(err) >= 0 && x.taken == dir {
			x.d.there.remove(dir)
			if err := x.make(ctx, s, dir); err != nil {
				return err
			}
			f, err = create(s, full)
		}
		if err != nil {
			return err
		}
		// Exports hold keys and passwords, so they must not be readable for all,
		// whatever the umask. Whether the server has set the mode is checked below.
		_ = f.Chmod(x.d.fileMode)
		if _, err := f.ReadFromWithConcurrency(io.NewSectionReader(src, 0, size), s.inFlight); err != nil {
			failed := x.d.explainWrite(ctx, s, err, path.Dir(full))
			_ = f.Close()
			return failed
		}
		st, durable, err := finish(s, f, full)
		if err != nil {
			return store.Explain("flush and close", x.d.explainWrite(ctx, s, err, path.Dir(full)))
		}
		i, _ = store.InfoOf(st, nil)
		i.Durable = store.No
		if durable {
			i.Durable = store.Yes
		}
		return nil
	})
	return i, err
}

func (x *directory) Get(ctx context.Context, name string, expect int64, w io.Writer) (n int64, err error) {
	err = x.on(ctx, path.Dir(name), func(s *session) error {
		n, err = copyOut(s, path.Join(s.base, name), expect, w)
		return err
	})
	return n, err
}

// Publish checks that the name is free if the server's rename replaces.
func (x *directory) Publish(ctx context.Context, temporary, final string) error {
	return x.on(ctx, path.Dir(final), func(s *session) error {
		h, err := x.d.habitsFor(ctx, x)
		if err != nil {
			return err
		}
		to := path.Join(s.base, final)
		if h.replaces {
			if st, err := h.look(ctx, s, to); err != nil {
				return err
			} else if st != nil {
				return taken()
			}
		}
		err = h.rename(s, path.Join(s.base, temporary), to)
		if status(err) >= 0 {
			if st, lerr := h.look(ctx, s, to); lerr == nil && st != nil {
				return taken()
			}
		}
		return err
	})
}

func taken() error {
	return failure.New(failure.Exists, failure.Occupied, "something else was put there meanwhile: %w", fs.ErrExist)
}

// A cut session may have been about to make a name. These say how often, and at
// which intervals, to look for that name again.
const (
	lateLooks = 3
	lateAfter = 300 * time.Millisecond
)

// Remove continues on a new session if its session is cut. If a session was cut
// before, Remove asks again later: the server may carry out the request of that
// session, and make the file, after it was told to remove it.
func (x *directory) Remove(ctx context.Context, name string) error {
	for look := 1; ; look++ {
		missing := false
		err := x.on(ctx, path.Dir(name), func(s *session) error {
			err := s.sftp.Remove(path.Join(s.base, name))
			missing = errors.Is(err, fs.ErrNotExist)
			return err
		})
		if look > lateLooks || !x.gone && (!missing || x.s == x.first) {
			return err
		}
		if x.gone {
			continue // its session was being cut: try again on a new one
		}
		select {
		case <-time.After(lateAfter):
		case <-ctx.Done():
			return err
		}
	}
}

// Stat follows links only for the configured directory itself.
func (x *directory) Stat(ctx context.Context, name string) (i store.Info, err error) {
	err = x.on(ctx, path.Dir(name), func(s *session) error {
		full := path.Join(s.base, name)
		var st os.FileInfo
		var err error
		if h := x.d.habits.Load(); name == "" {
			st, err = s.sftp.Stat(full)
		} else if h == nil {
			st, err = lstat(s, full)
		} else if st, err = h.look(ctx, s, full); st == nil && err == nil {
			err = fs.ErrNotExist
		}
		i, err = store.InfoOf(st, err)
		return err
	})
	return i, err
}

// lstat does not follow links if the server supports that.
func lstat(s *session, name string) (os.FileInfo, error) {
	st, err := s.sftp.Lstat(name)
	if status(err) == statusUnsupported {
		st, err = s.sftp.Stat(name)
	}
	return st, err
}

func (x *directory) List(ctx context.Context, dir string) (out []store.Info, err error) {
	err = x.on(ctx, dir, func(s *session) error {
		entries, err := s.sftp.ReadDirContext(ctx, path.Join(s.base, dir))
		for _, e := range entries {
			i, _ := store.InfoOf(e, nil)
			out = append(out, i)
		}
		return err
	})
	return out, err
}

// Sync implements [store.Syncer]. Many servers sync files but not directories.
func (x *directory) Sync(ctx context.Context, name string) (durable bool, err error) {
	err = x.on(ctx, name, func(s *session) error {
		durable = flush(s, path.Join(s.base, name))
		return nil
	})
	return durable, err
}

// flush makes an existing file or directory durable. It returns false if the
// server cannot do that.
func flush(s *session, name string) bool {
	f, err := s.sftp.Open(name)
	if err != nil {
		return false
	}
	err = s.flush(f.Sync)
	_ = f.Close()
	return err == nil
}

// Space implements [store.Spacer]. Concurrent stores share an answer: a file that does
// not fit after all fails when it is written.
func (x *directory) Space(ctx context.Context, dir string) (free, total int64, err error) {
	full := path.Join(x.s.base, dir)
	if free, total, ok := x.d.there.room(full); ok && dir != "" {
		return free, total, nil
	}
	err = x.on(ctx, dir, func(s *session) error {
		free, total = space(s, full)
		x.d.there.setRoom(full, free, total)
		return nil
	})
	return free, total, err
}
