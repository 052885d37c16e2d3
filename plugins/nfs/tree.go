package nfs

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// tree is where files go: an export, or a mounted directory. Paths are relative
// to its top, "" is the top itself. Its errors are those of nfsclient or of the
// operating system; [explain] gives them their kind and reason.
type tree interface {
	stat(ctx context.Context, name string) (info, error)
	readDir(ctx context.Context, dir string) ([]info, error)
	mkdirAll(ctx context.Context, dir string) error
	removeDir(ctx context.Context, dir string) error
	// create makes a file that must not exist, with the configured mode as far
	// as the server grants it.
	create(ctx context.Context, name string) (output, error)
	// read copies a whole file to w, as the server has it now.
	read(ctx context.Context, name string, w io.Writer) (int64, error)
	// link gives a file one more name, and refuses one that is taken with
	// fs.ErrExist, unless it is this very file's. After a failure the file may
	// have it when the server could not be asked.
	link(ctx context.Context, from, to string) error
	// publish renames a file. When it fails, the file has not its new name, or
	// the server could not be asked.
	publish(ctx context.Context, from, to string) error
	remove(ctx context.Context, name string) error
	space(ctx context.Context, dir string) (free, total int64, err error)
	// location names a path as a person does.
	location(name string) string
	close() error
}

// output is a file being written.
type output interface {
	writeFrom(ctx context.Context, r io.Reader) (int64, error)
	// commit makes what was written durable on the server.
	commit(ctx context.Context) error
	// rewind goes back to the start, to write everything again.
	rewind() error
	// setMode gives the file the configured mode.
	setMode(ctx context.Context) error
	// stat asks the server.
	stat(ctx context.Context) (info, error)
	close() error
}

// info describes a file.
type info struct {
	name     string // last component
	size     int64
	modified time.Time
	mode     fs.FileMode // permissions
	dir      bool
	regular  bool
}
