package nfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
)

// exportTree is an export that this plugin accesses itself. It is mounted on
// first use, and again after its handles became stale.
type exportTree struct {
	options  nfsclient.Options
	mounting chan struct{} // holds one token: the right to mount

	mu     sync.Mutex
	fs     *nfsclient.FS
	closed bool
}

var _ tree = (*exportTree)(nil)

func newExportTree(o nfsclient.Options) *exportTree {
	t := &exportTree{options: o, mounting: make(chan struct{}, 1)}
	t.mounting <- struct{}{}
	return t
}

// with runs f on the mounted export. If the handles are stale, the next call
// mounts the export again.
func (t *exportTree) with(ctx context.Context, f func(*nfsclient.FS) error) error {
	fs, err := t.mounted(ctx)
	if err != nil {
		return err
	}
	err = f(fs)
	if errors.Is(err, nfsclient.ErrStale) || errors.Is(err, nfsclient.ErrBadHandle) {
		t.forget(fs)
	}
	return err
}

func (t *exportTree) mounted(ctx context.Context) (*nfsclient.FS, error) {
	select {
	case <-t.mounting:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { t.mounting <- struct{}{} }()
	t.mu.Lock()
	fs, closed := t.fs, t.closed
	t.mu.Unlock()
	switch {
	case closed:
		return nil, nfsclient.ErrClosed
	case fs != nil:
		return fs, nil
	}
	fs, err := nfsclient.Mount(ctx, t.options)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errors.Join(nfsclient.ErrClosed, fs.Close())
	}
	t.fs = fs
	return fs, nil
}

// forget makes the next call mount again. Concurrent calls on the old mount
// fail as unavailable, which they would find out anyway.
func (t *exportTree) forget(fs *nfsclient.FS) {
	t.mu.Lock()
	if t.fs == fs {
		t.fs = nil
	}
	t.mu.Unlock()
	_ = fs.Close() // it has nothing to report
}

func (t *exportTree) close() error {
	t.mu.Lock()
	fs := t.fs
	t.fs, t.closed = nil, true
	t.mu.Unlock()
	if fs == nil {
		return nil
	}
	return fs.Close()
}

func (t *exportTree) location(name string) string {
	host := t.options.Server
	if t.options.NFSPort != 0 && t.options.NFSPort != 2049 {
		host = net.JoinHostPort(host, strconv.Itoa(t.options.NFSPort))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "nfs://" + host + path.Join("/", t.options.Export, name)
}

func infoOf(name string, a nfsclient.Attr) info {
	return info{name: path.Base(name), size: int64(min(a.Size, math.MaxInt64)), modified: a.MTime, mode: fs.FileMode(a.Mode).Perm(), dir: a.IsDir(), regular: a.IsRegular()}
}

func (t *exportTree) stat(ctx context.Context, name string) (i info, err error) {
	err = t.with(ctx, func(fs *nfsclient.FS) error {
		a, err := fs.Stat(ctx, name)
		i = infoOf(name, a)
		return err
	})
	return i, err
}

func (t *exportTree) readDir(ctx context.Context, dir string) (list []info, err error) {
	err = t.with(ctx, func(fs *nfsclient.FS) error {
		entries, err := fs.ReadDir(ctx, dir)
		for _, e := range entries {
			list = append(list, infoOf(e.Name, e.Attr))
		}
		return err
	})
	return list, err
}

func (t *exportTree) mkdirAll(ctx context.Context, dir string) error {
	return t.with(ctx, func(fs *nfsclient.FS) error { return fs.MkdirAll(ctx, dir) })
}

func (t *exportTree) removeDir(ctx context.Context, dir string) error {
	return t.with(ctx, func(fs *nfsclient.FS) error { return fs.RemoveDir(ctx, dir) })
}

func (t *exportTree) create(ctx context.Context, name string) (out output, err error) {
	err = t.with(ctx, func(fs *nfsclient.FS) error {
		file, err := fs.Create(ctx, name)
		out = exportFile{file, t.options.FileMode}
		return err
	})
	return out, err
}

func (t *exportTree) read(ctx context.Context, name string, w io.Writer) (n int64, err error) {
	err = t.with(ctx, func(fs *nfsclient.FS) error {
		file, err := fs.Open(ctx, name)
		if err != nil {
			return err
		}
		n, err = file.WriteTo(ctx, w)
		return err
	})
	return n, err
}

// link gives a file another name. After a lost connection the server may or may
// not have done it. A server that did it for a request whose answer was lost then
// reports that the name is taken. In both cases the file's id tells.
func (t *exportTree) link(ctx context.Context, from, to string) error {
	return t.with(ctx, func(fs *nfsclient.FS) error {
		err := fs.Link(ctx, from, to)
		if !isOneOf(err, nfsclient.ErrDisconnected, nfsclient.ErrExist) {
			return err
		}
		one, oneErr := fs.Stat(ctx, from)
		other, otherErr := fs.Stat(ctx, to)
		if oneErr == nil && otherErr == nil && one.FSID == other.FSID && one.FileID == other.FileID {
			return nil
		}
		return err
	})
}

// publish renames. After a lost connection the server may or may not have done
// it; the file's id tells.
func (t *exportTree) publish(ctx context.Context, from, to string) error {
	return t.with(ctx, func(fs *nfsclient.FS) error {
		before, err := fs.Stat(ctx, from)
		if err != nil {
			return err
		}
		err = fs.Rename(ctx, from, to)
		if err == nil || !errors.Is(err, nfsclient.ErrDisconnected) {
			return err
		}
		after, statErr := fs.Stat(ctx, to)
		if statErr == nil && after.FSID == before.FSID && after.FileID == before.FileID {
			return nil
		}
		return err
	})
}

func (t *exportTree) remove(ctx context.Context, name string) error {
	return t.with(ctx, func(fs *nfsclient.FS) error { return fs.Remove(ctx, name) })
}

func (t *exportTree) space(ctx context.Context, dir string) (free, total int64, err error) {
	err = t.with(ctx, func(fs *nfsclient.FS) error {
		s, err := fs.StatFS(ctx, dir)
		free, total = int64(min(s.Available, math.MaxInt64)), int64(min(s.Total, math.MaxInt64))
		return err
	})
	return free, total, err
}

// exportFile is a file on an export.
type exportFile struct {
	file *nfsclient.File
	mode uint32
}

func (f exportFile) writeFrom(ctx context.Context, r io.Reader) (int64, error) {
	return f.file.WriteFrom(ctx, r)
}
func (f exportFile) commit(ctx context.Context) error { return f.file.Commit(ctx) }

func (f exportFile) rewind() error {
	f.file.Rewind()
	return nil
}

func (f exportFile) setMode(ctx context.Context) error { return f.file.SetMode(ctx, f.mode) }

func (f exportFile) stat(ctx context.Context) (info, error) {
	a, err := f.file.Stat(ctx)
	return infoOf(f.file.Path(), a), err
}

func (f exportFile) close() error { return nil }
