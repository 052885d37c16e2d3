package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// destination is one directory.
type destination struct {
	*store.Destination
	directory string
	create    bool
	renameNew func(dir *os.File, from, to string) error

	directories directories
}

var _ sdk.Destination = (*destination)(nil)

func newDestination(directory string, create, requireMode bool, log *slog.Logger) *destination {
	d := &destination{directory: directory, create: create, renameNew: renameNew}
	d.Destination = store.New(store.Options{
		Mode:            store.Mode{Want: fileMode, Required: requireMode, Tell: tellMode},
		DirectoryRemedy: "make the directory, or mount the file system that should be there",
		Log:             log,
	}, d.open)
	return d
}

// tellMode explains file systems without modes of their own (exFAT, some
// shares), whose mount sets the mode.
func tellMode(got fs.FileMode) string {
	return fmt.Sprintf("files have mode %04o, not %04o: mount the file system with another mask (fmask, file_mode), or use one that has modes", got, fileMode)
}

// open opens the directory. Every call opens it again, because it may have been mounted
// meanwhile and because an open directory cannot be unmounted. It does not open a directory
// that the first store will make.
func (d *destination) open(context.Context) (store.Files, func(), error) {
	if d.missing() {
		f := &files{d: d}
		return f, f.close, nil
	}
	r, err := os.OpenRoot(d.directory)
	if err != nil {
		return nil, nil, d.cannot("open the directory", err)
	}
	f := &files{d: d, root: r}
	return f, f.close, nil
}

// missing reports whether the directory does not exist yet and the first store will make it.
func (d *destination) missing() bool {
	if !d.create {
		return false
	}
	_, err := os.Stat(d.directory)
	return errors.Is(err, fs.ErrNotExist)
}

// cannot is the failure to open or make the directory. If something else is in
// its place, or on the way to it, that may be somebody's only copy. So the
// remedy is to name another place.
func (d *destination) cannot(what string, err error) *failure.Error {
	for at := d.directory; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			return failure.New(failure.NotFound, failure.NoDirectory, "%s %s: not a directory", what, d.directory).
				WithRemedy("%s is a file: name a directory", at)
		}
		if err == nil || at == filepath.Dir(at) {
			break
		}
	}
	f := store.Explain(what+" "+d.directory, err)
	if f.Kind == failure.NotFound {
		f.Reason, f.Remedy = failure.NoDirectory, "make the directory, or mount the file system that should be there"
	}
	return f
}

// Check implements [sdk.Destination]. It does not make a directory that the
// first store will make.
func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	if !d.missing() {
		return d.Destination.Check(ctx)
	}
	parent := filepath.Dir(d.directory)
	for {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		return nil, store.Explain("make the directory in "+parent, err)
	}
	report := &sdk.DestinationReport{Location: d.directory, Warnings: []string{"the directory " + d.directory + " is made by the first store"}}
	report.Free, report.Total = space(parent)
	return report, nil
}
