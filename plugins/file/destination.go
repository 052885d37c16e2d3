package file

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// destination is one directory.
type destination struct {
	directory   string
	create      bool
	requireMode bool
}

var _ sdk.Destination = (*destination)(nil)

// make opens the directory, and makes it where that is asked for. Only a
// store does: everything else just looks.
func (d *destination) make() (*os.Root, error) {
	if d.create {
		if err := os.MkdirAll(d.directory, dirMode); err != nil {
			if f := d.blocked("make the directory"); f != nil {
				return nil, f
			}
			return nil, classify("make the directory", d.directory, err, failure.NoDirectory)
		}
	}
	return d.root()
}

// root opens the directory.
func (d *destination) root() (*os.Root, error) {
	r, err := os.OpenRoot(d.directory)
	if err != nil {
		if f := d.blocked("open the directory"); f != nil {
			return nil, f
		}
		f := classify("open the directory", d.directory, err, failure.NoDirectory)
		if f.Reason == failure.NoDirectory {
			f = f.WithRemedy("make the directory, or mount what should be there")
		}
		return nil, f
	}
	return r, nil
}

// blocked names what stands where the directory, or one on the way to it,
// should be and is none; nil when nothing does. It may be somebody's only copy
// of something: the advice is to name another place.
func (d *destination) blocked(what string) *failure.Error {
	for at := d.directory; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			return failure.New(failure.NotFound, failure.NoDirectory, "%s %s: not a directory", what, d.directory).
				WithRemedy("%s is a file: name a directory", at)
		}
		if err == nil || at == filepath.Dir(at) {
			return nil
		}
	}
}

func (d *destination) location(p string) string {
	return filepath.Join(d.directory, filepath.FromSlash(p))
}

// Stat describes a regular file.
func (d *destination) Stat(_ context.Context, p string) (*sdk.Object, error) {
	r, err := d.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	info, err := r.Lstat(p)
	if err != nil {
		return nil, classify("look for", d.location(p), err, failure.NoSuchFile)
	}
	if !info.Mode().IsRegular() {
		return nil, failure.New(failure.NotFound, failure.NoSuchFile, "look for %s: it is no regular file", d.location(p))
	}
	return &sdk.Object{Path: p, Size: info.Size(), Modified: info.ModTime()}, nil
}

// List walks the directory.
func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	var out []sdk.Object
	err := d.walk(ctx, prefix, func(_ *os.Root, p string, e fs.DirEntry) error {
		if sdk.CheckPath(p) != nil { // temporary, or a name that no store has made
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		out = append(out, sdk.Object{Path: p, Size: info.Size(), Modified: info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b sdk.Object) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// walk calls f for every regular file below a prefix.
func (d *destination) walk(ctx context.Context, prefix string, f func(r *os.Root, p string, e fs.DirEntry) error) error {
	if d.missing() {
		return nil
	}
	r, err := d.root()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	start := prefix
	if start == "" {
		start = "."
	}
	err = fs.WalkDir(r.FS(), start, func(p string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone meanwhile, or a prefix that is not there
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !e.Type().IsRegular():
			return nil
		}
		return f(r, p, e)
	})
	if err != nil {
		return classify("list", d.location(prefix), err, failure.NoDirectory)
	}
	return nil
}

// Delete removes a regular file and makes that durable.
func (d *destination) Delete(_ context.Context, p string) error {
	r, err := d.root()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	info, err := r.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		return failure.New(failure.Precondition, "", "delete %s: it is a directory", d.location(p))
	}
	if err == nil {
		err = r.Remove(p)
	}
	if err == nil {
		_, err = syncDir(r, path.Dir(p))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return classify("delete", d.location(p), err, failure.NoSuchFile)
	}
	return nil
}

// Sweep removes temporary files.
func (d *destination) Sweep(ctx context.Context, s sdk.SweepRequest) (*sdk.SweepReport, error) {
	report := &sdk.SweepReport{}
	before := time.Now().Add(-s.OlderThan)
	err := d.walk(ctx, s.Prefix, func(r *os.Root, p string, e fs.DirEntry) error {
		if !isTemp(path.Base(p), s.Owner) {
			return nil
		}
		info, err := e.Info()
		if err == nil && info.ModTime().After(before) {
			return nil
		}
		if err == nil {
			err = r.Remove(p)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		report.Removed = append(report.Removed, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// Close has nothing to release.
func (d *destination) Close() error { return nil }

const tempSuffix = ".part"

// tempName is a fresh temporary name of an owner.
func tempName(owner string) string {
	return sdk.TempPrefix + ownerTag(owner) + "-" + rand.Text() + tempSuffix
}

// isTemp reports whether a name is temporary, and the owner's; empty: anybody's.
func isTemp(name, owner string) bool {
	rest, ok := strings.CutPrefix(name, sdk.TempPrefix)
	if !ok || !strings.HasSuffix(rest, tempSuffix) {
		return false
	}
	return owner == "" || strings.HasPrefix(rest, ownerTag(owner)+"-")
}
