package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// files is the directory, opened for one call.
type files struct {
	d    *destination
	root *os.Root // nil: the first store will make the directory

	mu   sync.Mutex
	at   *place // directory of the first operation: a store stays in one directory
	made *made  // last small file that Put has made, open until it is made durable

	below string // last directory that Mkdir was called for
	above []upTo // the directories above it
}

// place is an open directory.
type place struct {
	dir  string
	root *os.Root
	self *os.File // the directory itself, to make its names durable
}

// made is a file that is open for writing.
type made struct {
	name string
	file *os.File
}

func (f *files) close() {
	if f.at != nil {
		f.at.close()
	}
	if f.made != nil {
		_ = f.made.file.Close()
	}
	if f.root != nil {
		_ = f.root.Close()
	}
}

func (p *place) close() { _, _ = p.root.Close(), p.self.Close() }

// in opens the directory that contains a name and returns the last part of the name.
// It skips the path if the directory is open already. The path may contain links that
// stay below the top. The caller calls done when it no longer uses the directory.
func (f *files) in(name string) (at *place, base string, done func(), err error) {
	if f.root == nil {
		return nil, "", nil, fs.ErrNotExist // the top does not exist yet
	}
	dir, base := path.Split(name)
	dir = local(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at != nil && f.at.dir == dir {
		return f.at, base, func() {}, nil
	}
	root, err := f.root.OpenRoot(dir)
	if err != nil {
		return nil, "", nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, "", nil, err
	}
	at = &place{dir, root, self}
	if f.at != nil {
		return at, base, at.close, nil
	}
	f.at = at
	return at, base, func() {}, nil
}

// finish hands over the file that Put has made under a name; nil: Put made another one.
func (f *files) finish(name string) *os.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made == nil || f.made.name != name {
		return nil
	}
	file := f.made.file
	f.made = nil
	return file
}

func (f *files) Location(name string) string {
	return filepath.Join(f.d.directory, filepath.FromSlash(name))
}

// Mkdir makes the top too, if the plan allows it. The names of new directories are made
// durable together with those in the last directory.
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
	if _, _, done, err := f.in(dir + "/"); err == nil { // the usual case
		done()
	} else if err := f.makeDir(dir); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.below, f.above = local(dir), f.d.directories.above(local(dir))
	return nil
}

// makeDir makes a directory and the missing ones above it.
func (f *files) makeDir(dir string) error {
	parent := path.Dir(dir)
	err := f.root.Mkdir(dir, dirMode)
	if parent != "." && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		if err := f.makeDir(parent); err != nil {
			return err
		}
		err = f.root.Mkdir(dir, dirMode)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := f.root.Stat(dir)
		if err != nil {
			return explain(err)
		}
		if !info.IsDir() {
			return store.InTheWay(f.Location(dir))
		}
	case err != nil:
		return explain(err)
	default:
		f.d.directories.of(local(parent)).making()
	}
	return nil
}

func (f *files) Put(_ context.Context, name string, src io.ReaderAt, size int64) (store.Info, error) {
	at, base, done, err := f.in(name)
	if err != nil {
		return store.Info{}, explain(err)
	}
	defer done()
	out, err := at.root.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return store.Info{}, explain(err)
	}
	large := size > earlyFrom
	var to io.Writer = out
	if large {
		defer func() { _ = out.Close() }()
		to = &early{File: out}
	} else {
		f.mu.Lock()
		if f.made != nil {
			_ = f.made.file.Close() // nobody has asked to make it durable
		}
		f.made = &made{name, out}
		f.mu.Unlock()
	}
	if _, err := src.(io.WriterTo).WriteTo(to); err != nil {
		return store.Info{}, explain(err)
	}
	i, err := store.InfoOf(out.Stat())
	if err == nil && large {
		err = out.Close()
	}
	if err != nil {
		return store.Info{}, explain(err)
	}
	return i, nil
}

// earlyFrom is the size in bytes from which it pays to start writing a file to disk before it is complete.
const earlyFrom = 1 << 20

// early tells the kernel to start writing to disk at once, so that making the
// file durable takes little time.
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

// ReadFrom copies within the kernel if the kernel can do that.
func (w *early) ReadFrom(r io.Reader) (int64, error) {
	n, err := w.File.ReadFrom(r)
	w.begun(n)
	return n, err
}

func (f *files) Get(ctx context.Context, name string, _ int64, w io.Writer) (int64, error) {
	in, err := f.open(name)
	if err != nil {
		return 0, explain(err)
	}
	defer func() { _ = in.Close() }()
	n, err := store.Copy(w, until{ctx, in})
	return n, explain(err)
}

// open opens a file for reading. If the name is a link, it is followed from the top.
func (f *files) open(name string) (*os.File, error) {
	if at, base, done, err := f.in(name); err == nil {
		defer done()
		if file, err := at.root.Open(base); err == nil {
			return file, nil
		}
	}
	return f.root.Open(local(name))
}

// until is a reader that fails once the call has ended.
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

// Publish renames a file without replacing another. If the file system cannot do that,
// it makes a hard link, which never replaces either. Without hard links it checks that
// the name is free and renames right after.
func (f *files) Publish(_ context.Context, temporary, final string) error {
	at, temp, done, err := f.in(temporary)
	if err != nil {
		return explain(err)
	}
	defer done()
	if file := f.finish(temporary); file != nil { // nobody has made it durable, so write errors may show only now
		if err := file.Close(); err != nil {
			return explain(err)
		}
	}
	final = path.Base(final)
	if err := f.d.renameNew(at.self, temp, final); !cannotRenameNew(err) {
		return explain(err)
	}
	err = at.root.Link(temp, final)
	switch {
	case err == nil:
		return explain(at.root.Remove(temp))
	case !cannotLink(err):
		return explain(err)
	}
	if _, err := at.root.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return explain(at.root.Rename(temp, final))
}

// cannotRenameNew reports whether a system or file system (NFS, some FUSE) cannot
// rename without replacing.
func cannotRenameNew(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM) || cannotLink(err)
}

func cannotLink(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

func (f *files) Remove(_ context.Context, name string) error {
	if file := f.finish(name); file != nil {
		_ = file.Close()
	}
	at, base, done, err := f.in(name)
	if err != nil {
		return explain(err)
	}
	defer done()
	return explain(at.root.Remove(base))
}

// RemoveDir implements [store.DirRemover].
func (f *files) RemoveDir(ctx context.Context, dir string) error { return f.Remove(ctx, dir) }

func (f *files) Stat(_ context.Context, name string) (store.Info, error) {
	if f.root == nil {
		return store.Info{Dir: name == ""}, onlyTop(name)
	}
	at, base, done, err := f.in(name)
	if err != nil {
		return store.Info{}, explain(err)
	}
	defer done()
	i, err := store.InfoOf(at.root.Lstat(local(base)))
	if err != nil {
		return store.Info{}, explain(err)
	}
	return i, nil
}

func (f *files) List(_ context.Context, dir string) ([]store.Info, error) {
	if f.root == nil {
		return nil, onlyTop(dir)
	}
	out, err := store.InfosOf(fs.ReadDir(f.root.FS(), local(dir)))
	if err != nil {
		return nil, explain(err)
	}
	return out, nil
}

// onlyTop is for a top directory that does not exist yet: it counts as empty,
// and nothing below it exists.
func onlyTop(name string) error {
	if name == "" {
		return nil
	}
	return fs.ErrNotExist
}

// Sync implements [store.Syncer]. A file is synced through the descriptor that
// wrote it, which receives every write error since. With the names in the
// directory that Mkdir was last called for, it also makes the names of that
// directory and of those above it durable.
func (f *files) Sync(_ context.Context, name string) (bool, error) {
	f.mu.Lock()
	at, above := f.at, f.above
	if f.below != local(name) {
		above = nil
	}
	f.mu.Unlock()
	if above == nil {
		return f.sync(at, name)
	}
	kept := make(chan error, 1)
	go func() { kept <- f.keep(above) }() // the disk does both at the same time
	durable, err := f.sync(at, name)
	if lost := <-kept; err == nil && lost != nil {
		return false, explain(lost)
	}
	return durable, err
}

func (f *files) sync(at *place, name string) (bool, error) {
	if at != nil && at.dir == local(name) {
		return synced(at.self.Sync())
	}
	file := f.finish(name)
	if file == nil {
		var err error
		if file, err = f.root.Open(local(name)); err != nil {
			return false, explain(err)
		}
	}
	durable, err := synced(file.Sync())
	if closed := file.Close(); err == nil {
		err = explain(closed)
	}
	return durable && err == nil, err
}

// keep makes the names in directories durable, if the file system can be asked. It skips a
// directory that must not be read and in which no name was made: somebody else made that one.
func (f *files) keep(above []upTo) error {
	for _, up := range above {
		err := up.names.Keep(up.last, func() error {
			_, err := f.sync(nil, up.dir)
			if errors.Is(err, fs.ErrPermission) && !up.made {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// synced reports whether the file system could be asked for a sync and has done it.
func synced(err error) (bool, error) {
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

// space returns the free space that we may use and the size of a file system, in bytes.
func space(dir string) (free, total int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1, -1
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize)
}

// local returns a name in the form that [os.Root] needs.
func local(name string) string { return path.Join(".", name) }

// explain recognises the error with which os.Root refuses to leave the
// directory. That error is not exported: it is a *PathError without a system
// error. [store.Explain] knows all others.
func explain(err error) error {
	var errno syscall.Errno
	_, ofPath := errors.AsType[*fs.PathError](err)
	_, ofLink := errors.AsType[*os.LinkError](err)
	if !ofPath && !ofLink || errors.As(err, &errno) {
		return err
	}
	return failure.New(failure.Denied, failure.NoAccess, "%w", err).
		WithRemedy("a symbolic link leads out of the directory and is not followed: set `directory` to the target of the link, or change the destination's `path`")
}
