package nfs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// destination is one configured directory.
type destination struct {
	*store.Destination
	tree tree
	base string // the configured directory, relative to the tree's top
	mode fs.FileMode
	log  *slog.Logger
}

var _ sdk.Destination = (*destination)(nil)

func newDestination(c Config, env sdk.Env) (*destination, error) {
	if !validDirectory(c.Directory) {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "use the directory %q: it is not a relative path without \"..\"", c.Directory)
	}
	mode, ok := fileMode(c.FileMode)
	if !ok {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "use the file mode %q: it is not an octal mode such as 0600", c.FileMode)
	}
	var t tree
	if c.Mount != "" {
		t = newMountedTree(c.Mount, c.Timeout, mode, hostSystem())
	} else {
		t = newExportTree(c.clientOptions(max(os.Getuid(), 0), max(os.Getgid(), 0)))
	}
	return openDestination(t, c.base(), mode, c.Require, env), nil
}

func openDestination(t tree, base string, mode fs.FileMode, requireMode bool, env sdk.Env) *destination {
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	d := &destination{tree: t, base: base, mode: mode, log: log}
	d.Destination = store.New(store.Options{
		Mode:            store.Mode{Want: mode, Required: requireMode, Tell: d.tellMode},
		DirectoryRemedy: "make the directory on the server, or correct `export`, `mount` or `directory`",
		Log:             log,
	}, func(context.Context) (store.Files, func(), error) { return directory{d}, func() {}, nil })
	return d
}

func (d *destination) tellMode(got fs.FileMode) string {
	return fmt.Sprintf("files have mode %04o on the server, not %04o: look at the export's squashing and ACLs, or set file_mode to what the server gives", got, d.mode)
}

// Close implements [sdk.Destination].
func (d *destination) Close() error { return d.tree.close() }

// tree holds the files: it is an export or a mounted directory. Paths are
// relative to its top; "" is the top itself. Its errors are those of nfsclient
// or of the operating system; [explain] adds kind and reason.
type tree interface {
	stat(ctx context.Context, name string) (info, error)
	readDir(ctx context.Context, dir string) ([]info, error)
	mkdirAll(ctx context.Context, dir string) error
	removeDir(ctx context.Context, dir string) error
	// create makes a file that must not exist. It has the configured mode as
	// far as the server grants it.
	create(ctx context.Context, name string) (output, error)
	// read copies a whole file to w, as the server has it now.
	read(ctx context.Context, name string, w io.Writer) (int64, error)
	// link gives a file another name. If the name is taken it fails with
	// fs.ErrExist, unless it is the same file. After another failure the file
	// may have the name if the server could not be asked.
	link(ctx context.Context, from, to string) error
	// publish renames a file. After a failure the file does not have its new
	// name, or the server could not be asked.
	publish(ctx context.Context, from, to string) error
	remove(ctx context.Context, name string) error
	space(ctx context.Context, dir string) (free, total int64, err error)
	// location returns a path as a person would write it.
	location(name string) string
	close() error
}

// output is a file being written.
type output interface {
	writeFrom(ctx context.Context, r io.Reader) (int64, error)
	// commit makes everything written durable on the server.
	commit(ctx context.Context) error
	// rewind goes back to the start, so that everything can be written again.
	rewind() error
	// setMode gives the file the configured mode.
	setMode(ctx context.Context) error
	// stat asks the server for the file's attributes.
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
