package nfs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// cleanupLimit bounds what is done after a request was given up.
const cleanupLimit = 15 * time.Second

// destination is one configured directory.
type destination struct {
	tree tree
	base string // the configured directory, relative to the tree's top
	mode modeRule
	log  *slog.Logger
	now  func() time.Time
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
	return openDestination(t, c.base(), modeRule{mode, c.Require}, env), nil
}

func openDestination(t tree, base string, mode modeRule, env sdk.Env) *destination {
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &destination{tree: t, base: base, mode: mode, log: log, now: time.Now}
}

func (d *destination) full(name string) string { return path.Join(d.base, name) }

func (d *destination) where(name string) string { return d.tree.location(d.full(name)) }

// ready makes sure that the configured directory is there. A directory below
// it is made when it is needed; this one is not, because what is missing may be
// a mount on the server.
func (d *destination) ready(ctx context.Context, what string) error {
	i, err := d.tree.stat(ctx, d.base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !i.dir {
		return d.noDirectory(what)
	}
	if err != nil {
		return explain(err, what)
	}
	return nil
}

func (d *destination) noDirectory(what string) *failure.Error {
	return failure.New(failure.NotFound, failure.NoDirectory, "%s: the directory %s is not there", what, d.where("")).
		WithRemedy("make the directory on the server, or correct `export`, `mount` or `directory`")
}

// Stat implements [sdk.Destination].
func (d *destination) Stat(ctx context.Context, name string) (*sdk.Object, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	what := "look at " + d.where(name)
	i, err := d.tree.stat(ctx, d.full(name))
	if err != nil {
		return nil, explain(d.missing(ctx, err), what)
	}
	if !i.regular {
		return nil, failure.New(failure.NotFound, failure.NoSuchFile, "%s: it is not a regular file", what)
	}
	return &sdk.Object{Path: name, Size: i.size, Modified: i.modified}, nil
}

// missing tells a missing configured directory from a missing file.
func (d *destination) missing(ctx context.Context, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || d.base == "" {
		return err
	}
	if _, baseErr := d.tree.stat(ctx, d.base); errors.Is(baseErr, fs.ErrNotExist) {
		return d.noDirectory("open " + d.where(""))
	}
	return err
}

// List implements [sdk.Destination].
func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	var out []sdk.Object
	err := d.walk(ctx, prefix, func(name string, i info) error {
		if !strings.HasPrefix(i.name, tempPrefix) {
			out = append(out, sdk.Object{Path: name, Size: i.size, Modified: i.modified})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b sdk.Object) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}

// Delete implements [sdk.Destination].
func (d *destination) Delete(ctx context.Context, name string) error {
	if err := checkPath(name); err != nil {
		return err
	}
	err := d.tree.remove(ctx, d.full(name))
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.missing(ctx, err); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return explain(err, "remove "+d.where(name))
}

// Sweep implements [sdk.Destination]. Ages compare the server's time stamps
// with the local clock.
func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	report := &sdk.SweepReport{}
	err := d.walk(ctx, r.Prefix, func(name string, i info) error {
		owner, temp := tempOwner(i.name)
		switch {
		case !temp, r.Owner != "" && owner != escapeOwner(r.Owner):
			return nil
		case r.OlderThan > 0 && d.now().Sub(i.modified) < r.OlderThan:
			return nil
		}
		err := d.tree.remove(ctx, d.full(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return explain(err, "remove "+d.where(name))
		}
		report.Removed = append(report.Removed, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(report.Removed)
	return report, nil
}

// walk visits every regular file below prefix. A prefix that is not there is
// empty; a destination that is not there is a failure.
func (d *destination) walk(ctx context.Context, prefix string, visit func(name string, i info) error) error {
	prefix, err := checkPrefix(prefix)
	if err != nil {
		return err
	}
	if err := d.ready(ctx, "list "+d.where("")); err != nil {
		return err
	}
	for pending := []string{prefix}; len(pending) > 0; {
		dir := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		entries, err := d.tree.readDir(ctx, d.full(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue // never there, or removed meanwhile
		}
		if err != nil {
			return explain(err, "list "+d.where(dir))
		}
		for _, i := range entries {
			name := path.Join(dir, i.name)
			if i.dir {
				pending = append(pending, name)
			} else if i.regular {
				if err := visit(name, i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Close implements [sdk.Destination].
func (d *destination) Close() error { return d.tree.close() }

// removeTemp removes a temporary file after a failure, also when the request
// itself was cancelled.
func (d *destination) removeTemp(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if err := d.tree.remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("a temporary file is left for a sweep", "file", d.tree.location(name), "error", err)
	}
}
