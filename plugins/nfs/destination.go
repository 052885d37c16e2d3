package nfs

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

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
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
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
