package nfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// maxStuck bounds the threads that a stale mount can hold, because a call that
// waits for a server in the kernel cannot be cancelled.
const maxStuck = 16

// mountedTree is a directory that the operating system has mounted. Every
// operation opens the directory again and asks the open directory whether it is
// on NFS. So an unmount in between cannot send files to the local disk.
type mountedTree struct {
	dir     string
	timeout time.Duration // for the first answer
	system  mountSystem
	mode    fs.FileMode // of new files
	stuck   *atomic.Int32
}

// mountSystem is what the operating system is asked about mounts.
type mountSystem struct {
	// fsType returns the type of a directory's file system according to the table of mounts.
	fsType func(dir string) (string, error)
	// statFS describes the file system of an open directory.
	statFS func(f *os.File) (fileSystem, error)
	// dropCache makes the next read of the file ask the server.
	dropCache func(f *os.File) error
}

// fileSystem is the answer to statfs.
type fileSystem struct {
	nfs         bool
	free, total int64
}

var _ tree = (*mountedTree)(nil)

func newMountedTree(dir string, timeout time.Duration, mode fs.FileMode, system mountSystem) *mountedTree {
	return &mountedTree{dir: dir, timeout: timeout, system: system, mode: mode, stuck: new(atomic.Int32)}
}

// await runs f, which may hang in the kernel, and stops waiting for it when ctx
// ends. drop then cleans up a later result of f.
func await[T any](ctx context.Context, stuck *atomic.Int32, f func() (T, error), drop func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if n := stuck.Load(); n >= maxStuck {
		return none, fmt.Errorf("%w: %d earlier operations still wait for it", errHanging, n)
	}
	if err := ctx.Err(); err != nil {
		return none, context.Cause(ctx)
	}
	ch := make(chan result, 1)
	go func() {
		v, err := f()
		ch <- result{v, err}
	}()
	select {
	case r := <-ch:
		return r.value, r.err
	case <-ctx.Done():
		stuck.Add(1)
		go func() { // ends when the kernel returns from f
			r := <-ch
			stuck.Add(-1)
			if drop != nil && r.err == nil {
				drop(r.value)
			}
		}()
		return none, context.Cause(ctx)
	}
}

// open opens the directory and makes sure that it is on a live NFS mount.
func (t *mountedTree) open(ctx context.Context) (*os.Root, fileSystem, error) {
	type opened struct {
		root *os.Root
		fs   fileSystem
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("%w within %v", errHanging, t.timeout))
	defer cancel()
	o, err := await(ctx, t.stuck, func() (opened, error) {
		root, fs, err := t.openLive()
		return opened{root, fs}, err
	}, func(o opened) { o.root.Close() })
	return o.root, o.fs, err
}

func (t *mountedTree) openLive() (_ *os.Root, fs fileSystem, err error) {
	real, err := filepath.EvalSymlinks(t.dir) // also wakes an automounter
	if err != nil {
		return nil, fs, err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		if info, lookErr := os.Stat(real); lookErr == nil && !info.IsDir() {
			err = fmt.Errorf("open %s: %w", t.dir, syscall.ENOTDIR) // OpenRoot's own error has no number
		}
		return nil, fs, err
	}
	defer func() {
		if err != nil {
			root.Close()
		}
	}()
	dir, err := root.Open(".")
	if err != nil {
		return nil, fs, err
	}
	defer dir.Close()
	if fs, err = t.system.statFS(dir); err != nil {
		return nil, fs, err
	}
	kind, err := t.system.fsType(real)
	if err != nil {
		return nil, fs, err
	}
	if !fs.nfs || kind != "nfs" && kind != "nfs4" {
		return nil, fs, fmt.Errorf("%s: %w (the file system there is %q)", t.dir, errNotMounted, kind)
	}
	return root, fs, nil
}

// on runs f on the open directory.
func on[T any](ctx context.Context, t *mountedTree, f func(*os.Root) (T, error), drop func(T)) (T, error) {
	root, _, err := t.open(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return await(ctx, t.stuck, func() (T, error) {
		defer root.Close()
		return f(root)
	}, drop)
}

// do is [on] for a function without a result.
func (t *mountedTree) do(ctx context.Context, f func(*os.Root) error) error {
	_, err := on(ctx, t, func(r *os.Root) (struct{}, error) { return struct{}{}, f(r) }, nil)
	return err
}

// local returns a tree's path in the form that os.Root needs.
func local(name string) string { return path.Join(".", name) }

func localInfo(fi fs.FileInfo) info {
	return info{name: fi.Name(), size: fi.Size(), modified: fi.ModTime(), mode: fi.Mode().Perm(), dir: fi.IsDir(), regular: fi.Mode().IsRegular()}
}

func (t *mountedTree) stat(ctx context.Context, name string) (info, error) {
	return on(ctx, t, func(r *os.Root) (info, error) {
		fi, err := r.Lstat(local(name))
		if err != nil {
			return info{}, err
		}
		return localInfo(fi), nil
	}, nil)
}

func (t *mountedTree) readDir(ctx context.Context, dir string) ([]info, error) {
	return on(ctx, t, func(r *os.Root) ([]info, error) {
		entries, err := fs.ReadDir(r.FS(), local(dir))
		if err != nil {
			return nil, err
		}
		var list []info
		for _, e := range entries {
			fi, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was removed meanwhile
			}
			if err != nil {
				return nil, err
			}
			list = append(list, localInfo(fi))
		}
		return list, nil
	}, nil)
}

func (t *mountedTree) mkdirAll(ctx context.Context, dir string) error {
	return t.do(ctx, func(r *os.Root) error { return r.MkdirAll(local(dir), dirMode(t.mode)) })
}

// dirMode adds the right to enter a directory for everybody who may read the files in it.
func dirMode(file fs.FileMode) fs.FileMode { return file | file&0o444>>2 | 0o300 }

func (t *mountedTree) removeDir(ctx context.Context, dir string) error { return t.remove(ctx, dir) }

func (t *mountedTree) create(ctx context.Context, name string) (output, error) {
	f, err := on(ctx, t, func(r *os.Root) (*os.File, error) {
		return r.OpenFile(local(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, t.mode)
	}, func(f *os.File) { f.Close() })
	if err != nil {
		return nil, err
	}
	return &mountedFile{tree: t, file: f}, nil
}

// read first drops the kernel's cache of the file, because only what the server has counts.
func (t *mountedTree) read(ctx context.Context, name string, w io.Writer) (int64, error) {
	return on(ctx, t, func(r *os.Root) (int64, error) {
		f, err := r.Open(local(name))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if err := t.system.dropCache(f); err != nil {
			return 0, err
		}
		return io.CopyBuffer(writerOnly{w}, readerUntil{ctx, f}, make([]byte, copySize))
	}, nil)
}

// link gives a file another name. If the kernel had to send the request again, it may
// report that the name is taken although it is the same file. So link compares the files.
func (t *mountedTree) link(ctx context.Context, from, to string) error {
	return t.do(ctx, func(r *os.Root) error {
		err := r.Link(local(from), local(to))
		if errors.Is(err, fs.ErrExist) {
			one, oneErr := r.Lstat(local(from))
			other, otherErr := r.Lstat(local(to))
			if oneErr == nil && otherErr == nil && os.SameFile(one, other) {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		return syncDir(r, local(path.Dir(to)))
	})
}

// publish renames and makes the new name durable.
func (t *mountedTree) publish(ctx context.Context, from, to string) error {
	return t.do(ctx, func(r *os.Root) error {
		if err := r.Rename(local(from), local(to)); err != nil {
			return err
		}
		return syncDir(r, local(path.Dir(to)))
	})
}

// syncDir syncs a directory. NFS makes names durable by itself, and some
// systems refuse the call on a directory.
func syncDir(r *os.Root, dir string) error {
	d, err := r.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !isOneOf(err, syscall.EINVAL, syscall.ENOTSUP) {
		return err
	}
	return nil
}

func (t *mountedTree) remove(ctx context.Context, name string) error {
	return t.do(ctx, func(r *os.Root) error { return r.Remove(local(name)) })
}

func (t *mountedTree) space(ctx context.Context, _ string) (free, total int64, err error) {
	root, fs, err := t.open(ctx)
	if err != nil {
		return 0, 0, err
	}
	return fs.free, fs.total, root.Close()
}

func (t *mountedTree) location(name string) string {
	return filepath.Join(t.dir, filepath.FromSlash(name))
}

func (t *mountedTree) close() error { return nil }

const (
	copySize   = 1 << 20
	closeLimit = 3 * time.Second
)

// mountedFile is a file that is being written to a mounted directory.
type mountedFile struct {
	tree *mountedTree
	file *os.File
}

func (f *mountedFile) writeFrom(ctx context.Context, r io.Reader) (int64, error) {
	return await(ctx, f.tree.stuck, func() (int64, error) {
		return io.CopyBuffer(writerOnly{f.file}, readerUntil{ctx, r}, make([]byte, copySize))
	}, nil)
}

// commit syncs the file. Errors that the server reports late, such as a full disk, show here.
func (f *mountedFile) commit(ctx context.Context) error {
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Sync() }, nil)
	return err
}

func (f *mountedFile) rewind() error {
	_, err := f.file.Seek(0, io.SeekStart)
	return err
}

func (f *mountedFile) setMode(ctx context.Context) error {
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Chmod(f.tree.mode) }, nil)
	return err
}

func (f *mountedFile) stat(ctx context.Context) (info, error) {
	return await(ctx, f.tree.stuck, func() (info, error) {
		fi, err := f.file.Stat()
		if err != nil {
			return info{}, err
		}
		return localInfo(fi), nil
	}, nil)
}

// close must come before a removal, which would only rename an open file. It
// does not wait long for a server that is gone.
func (f *mountedFile) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Close() }, nil)
	return err
}

// writerOnly and readerUntil restrict io.Copy to plain reads and writes.
type writerOnly struct{ io.Writer }

// readerUntil reads until ctx ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// coveringType returns the file system type of the mount that dir, a real
// absolute path, is on. table has the form of /proc/self/mountinfo.
func coveringType(table io.Reader, dir string) (string, error) {
	best, kind := -1, ""
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20) // overlay mounts have long options
	for lines.Scan() {
		point, fsType, ok := parseMount(lines.Text())
		// Of several mounts on one point, the last one in the table is on top.
		if ok && covers(point, dir) && len(point) >= best {
			best, kind = len(point), fsType
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if best < 0 {
		return "", errors.New("the table of mounts has no line for it")
	}
	return kind, nil
}

// parseMount parses one line: ID, parent, device, root, mount point, options,
// any number of tags, "-", type, source, options.
func parseMount(line string) (point, fsType string, ok bool) {
	head, rest, found := strings.Cut(line, " - ")
	fields := strings.Fields(head)
	types := strings.Fields(rest)
	if !found || len(fields) < 6 || len(types) == 0 {
		return "", "", false
	}
	return unescape(fields[4]), types[0], true
}

func covers(point, dir string) bool {
	return point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
}

// unescape replaces the octal escapes of spaces and similar characters.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
