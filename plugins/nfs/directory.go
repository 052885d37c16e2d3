package nfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// maxSends bounds how often a file is sent as a whole because the server lost
// what it held in memory.
const maxSends = 3

// directory is the configured directory with everything below it.
type directory struct{ d *destination }

func (f directory) full(name string) string { return path.Join(f.d.base, name) }

func (f directory) Location(name string) string { return f.d.tree.location(f.full(name)) }

// Mkdir does not make the configured directory itself: if it is missing, it may
// be a mount on the server.
func (f directory) Mkdir(ctx context.Context, dir string) error {
	i, err := f.d.tree.stat(ctx, f.d.base)
	switch {
	case err == nil && !i.dir:
		return fs.ErrNotExist
	case err != nil || dir == "":
		return explain(err)
	}
	err = f.d.tree.mkdirAll(ctx, f.full(dir))
	if isOneOf(err, notADirectory...) || errors.Is(err, fs.ErrExist) {
		return f.inTheWay(ctx, dir)
	}
	return doing("make the directory", err)
}

// inTheWay is the failure that names the file in place of a needed directory.
func (f directory) inTheWay(ctx context.Context, dir string) error {
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		at = path.Join(at, part)
		if i, err := f.d.tree.stat(ctx, f.full(at)); err == nil && !i.dir {
			break
		}
	}
	return store.InTheWay(f.Location(at))
}

// RemoveDir implements [store.DirRemover].
func (f directory) RemoveDir(ctx context.Context, dir string) error {
	return explain(f.d.tree.removeDir(ctx, f.full(dir)))
}

// Put sends the file again if the server restarts meanwhile.
func (f directory) Put(ctx context.Context, name string, src io.ReaderAt, size int64) (store.Info, error) {
	out, err := f.d.tree.create(ctx, f.full(name))
	if err != nil {
		return store.Info{}, doing("make a file", err)
	}
	defer out.close()
	for send := 1; ; send++ {
		if _, err := out.writeFrom(ctx, io.NewSectionReader(src, 0, size)); err != nil {
			return store.Info{}, explain(err)
		}
		err := out.commit(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, nfsclient.ErrVerifierChanged) || send == maxSends {
			return store.Info{}, notDurable(err)
		}
		f.d.log.Warn("the server restarted while a file was written; it is sent again", "file", f.Location(name), "sent", send)
		if err := out.rewind(); err != nil {
			return store.Info{}, explain(err)
		}
	}
	// If a mode was not granted at once (because of a umask or the directory's ACL), ask for it again.
	i, err := out.stat(ctx)
	if err == nil && i.mode != f.d.mode {
		if refused := out.setMode(ctx); refused != nil {
			f.d.log.Debug("the server does not set a mode", "error", refused)
		}
		i, err = out.stat(ctx)
	}
	return i.described(), doing("ask for its size and mode", err)
}

// notDurable is the failure of a COMMIT or fsync. If the error has a reason
// that says more, it keeps that reason.
func notDurable(err error) error {
	f := failure.From(doing("make it durable", err))
	if f.Reason == "" && f.Kind == failure.Unavailable {
		f.Reason = failure.NotDurable
	}
	return f
}

func (f directory) Get(ctx context.Context, name string, _ int64, w io.Writer) (int64, error) {
	n, err := f.d.tree.read(ctx, f.full(name), w)
	return n, explain(err)
}

// Publish gives the file its final name as a second name, which NFS refuses if
// it is taken, and then removes the first. If the server has no links, Publish
// checks that the name is free and renames, because a rename of NFS replaces.
func (f directory) Publish(ctx context.Context, temporary, final string) error {
	err := f.d.tree.link(ctx, f.full(temporary), f.full(final))
	switch {
	case err == nil:
		return explain(f.d.tree.remove(ctx, f.full(temporary)))
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	case !isOneOf(err, noLinks...):
		return explain(err)
	}
	switch _, err := f.d.tree.stat(ctx, f.full(final)); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return explain(err)
	}
	return explain(f.d.tree.publish(ctx, f.full(temporary), f.full(final)))
}

// noLinks are the errors of servers that cannot give a file a second name.
var noLinks = []error{
	nfsclient.ErrNotSupp, nfsclient.ErrPerm, nfsclient.ErrAcces, nfsclient.ErrInval, nfsclient.ErrMLink, nfsclient.ErrXDev, nfsclient.ErrIO, nfsclient.ErrServerFault,
	syscall.ENOTSUP, syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.EMLINK, syscall.EXDEV, syscall.ENOSYS,
}

func (f directory) Remove(ctx context.Context, name string) error {
	return explain(f.d.tree.remove(ctx, f.full(name)))
}

func (f directory) Stat(ctx context.Context, name string) (store.Info, error) {
	i, err := f.d.tree.stat(ctx, f.full(name))
	return i.described(), explain(err)
}

func (f directory) List(ctx context.Context, dir string) ([]store.Info, error) {
	entries, err := f.d.tree.readDir(ctx, f.full(dir))
	var out []store.Info
	for _, i := range entries {
		out = append(out, i.described())
	}
	return out, explain(err)
}

// Space implements [store.Spacer].
func (f directory) Space(ctx context.Context, _ string) (free, total int64, err error) {
	free, total, err = f.d.tree.space(ctx, f.d.base)
	if err == nil && total == 0 {
		free, total = -1, -1
	}
	return free, total, explain(err)
}

// described describes every file as durable: a server has what it acknowledges
// on disk, including names, and acknowledges files after a COMMIT.
func (i info) described() store.Info {
	return store.Info{Name: i.name, Size: i.size, Modified: i.modified, Dir: i.dir, Regular: i.regular, Mode: i.mode, Durable: store.Yes}
}
