package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// files are what is below the directory, opened once for one call.
type files struct {
	d    *destination
	root *os.Root // nil: the directory is still to be made
}

func (f *files) close() {
	if f.root != nil {
		_ = f.root.Close()
	}
}

func (f *files) Location(name string) string {
	return filepath.Join(f.d.directory, filepath.FromSlash(name))
}

// Mkdir makes the top too, where that is asked for. Each new name is made durable.
func (f *files) Mkdir(ctx context.Context, dir string) (err error) {
	if f.root == nil {
		if err := os.MkdirAll(f.d.directory, dirMode); err != nil {
			return f.d.cannot("make the directory", err)
		}
		if f.root, err = os.OpenRoot(f.d.directory); err != nil {
			return f.d.cannot("open the directory", err)
		}
	}
	if dir == "" {
		return nil
	}
	made := "."
	for part := range strings.SplitSeq(dir, "/") {
		parent := made
		made = path.Join(made, part)
		err := f.root.Mkdir(made, dirMode)
		switch {
		case errors.Is(err, fs.ErrExist):
			info, err := f.root.Stat(made)
			if err != nil {
				return explain(err)
			}
			if !info.IsDir() {
				return store.InTheWay(f.Location(made))
			}
		case err != nil:
			return explain(err)
		default:
			if _, err := f.Sync(ctx, parent); err != nil {
				return explain(err)
			}
		}
	}
	return nil
}

func (f *files) Put(_ context.Context, name string, src io.ReaderAt, _ int64) (store.Info, error) {
	out, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return store.Info{}, explain(err)
	}
	defer func() { _ = out.Close() }()
	if _, err := src.(io.WriterTo).WriteTo(&early{File: out}); err != nil {
		return store.Info{}, explain(err)
	}
	i, err := out.Stat()
	if err != nil {
		return store.Info{}, explain(err)
	}
	return infoOf(i), explain(out.Close())
}

// early lets the kernel begin at once to write to the disk what it is given,
// so that making it durable finds little left.
type early struct {
	*os.File
	n int64
}

func (w *early) begun(n int64) {
	startWriteback(w.File, w.n, n)
	w.n += n
}

func (w *early) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	w.begun(int64(n))
	return n, err
}

// ReadFrom copies within the kernel, where it can do that.
func (w *early) ReadFrom(r io.Reader) (int64, error) {
	n, err := w.File.ReadFrom(r)
	w.begun(n)
	return n, err
}

func (f *files) Get(ctx context.Context, name string, _ int64, w io.Writer) (int64, error) {
	in, err := f.root.Open(name)
	if err != nil {
		return 0, explain(err)
	}
	defer func() { _ = in.Close() }()
	n, err := store.Copy(w, until{ctx, in})
	return n, explain(err)
}

// until reads until the call ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// Publish links: a hard link, unlike a rename, never takes the name from
// another file. Where there are no hard links, a rename right after a look has to do.
func (f *files) Publish(_ context.Context, temporary, final string) error {
	err := f.root.Link(temporary, final)
	switch {
	case err == nil:
		return explain(f.root.Remove(temporary))
	case !cannotLink(err):
		return explain(err)
	}
	if _, err := f.root.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return explain(f.root.Rename(temporary, final))
}

func cannotLink(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

func (f *files) Remove(_ context.Context, name string) error { return explain(f.root.Remove(name)) }

// RemoveDir implements [store.DirRemover].
func (f *files) RemoveDir(ctx context.Context, dir string) error { return f.Remove(ctx, dir) }

func (f *files) Stat(_ context.Context, name string) (store.Info, error) {
	if f.root == nil {
		return store.Info{Dir: name == ""}, onlyTop(name)
	}
	i, err := f.root.Lstat(local(name))
	if err != nil {
		return store.Info{}, explain(err)
	}
	return infoOf(i), nil
}

func (f *files) List(_ context.Context, dir string) ([]store.Info, error) {
	if f.root == nil {
		return nil, onlyTop(dir)
	}
	entries, err := fs.ReadDir(f.root.FS(), local(dir))
	if err != nil {
		return nil, explain(err)
	}
	var out []store.Info
	for _, e := range entries {
		i, err := e.Info()
		switch {
		case err == nil:
			out = append(out, infoOf(i))
		case !errors.Is(err, fs.ErrNotExist): // else removed meanwhile
			return nil, explain(err)
		}
	}
	return out, nil
}

// onlyTop is for a directory that is still to be made: it counts as empty.
func onlyTop(name string) error {
	if name == "" {
		return nil
	}
	return fs.ErrNotExist
}

// Sync implements [store.Syncer].
func (f *files) Sync(_ context.Context, name string) (bool, error) {
	file, err := f.root.Open(local(name))
	if err != nil {
		return false, explain(err)
	}
	defer func() { _ = file.Close() }()
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return false, nil
	}
	return err == nil, explain(err)
}

// Space implements [store.Spacer].
func (f *files) Space(context.Context, string) (free, total int64, err error) {
	free, total = space(f.d.directory)
	return free, total, nil
}

// space is what a file system has free for us, and its size, in bytes.
func space(dir string) (free, total int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1, -1
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize)
}

// local is a name as [os.Root] wants it.
func local(name string) string { return path.Join(".", name) }

func infoOf(i fs.FileInfo) store.Info {
	return store.Info{Name: i.Name(), Size: i.Size(), Modified: i.ModTime(), Dir: i.IsDir(), Regular: i.Mode().IsRegular(), Mode: i.Mode().Perm()}
}

// explain tells the refusal of os.Root to leave the directory, which has no
// exported error: a *PathError without a system error in it. [store.Explain]
// knows all others.
func explain(err error) error {
	var errno syscall.Errno
	_, ofPath := errors.AsType[*fs.PathError](err)
	_, ofLink := errors.AsType[*os.LinkError](err)
	if !ofPath && !ofLink || errors.As(err, &errno) {
		return err
	}
	return failure.New(failure.Denied, failure.NoAccess, "%w", err).
		WithRemedy("a symbolic link leads out of the directory and is not followed: name where it leads to as `directory`, or change the destination's `path`")
}
