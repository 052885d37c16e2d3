package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Fetch implements [sdk.Reader]. After a failure it removes the local file.
func (d *Destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	if err := checkPath(r.Path); err != nil {
		return nil, err
	}
	var report *sdk.FetchReport
	err := d.in(ctx, "fetch", r.Path, func(s *session) error {
		i, err := s.regular(ctx, r.Path)
		if err != nil {
			return err
		}
		local, err := os.OpenFile(r.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return s.failf(failure.Internal, failure.StagingIO, "%w", err)
		}
		w := &localWriter{w: local, hasher: newHasher(), count: counter{report: progress}}
		n, err := s.Get(ctx, r.Path, i.Size, w)
		sum := w.hasher.finish()
		closed := local.Close()
		switch {
		case ctx.Err() != nil: // w may still be in use
			err = ended(ctx, s.what)
		case w.err != nil || err == nil && closed != nil:
			err = s.failf(failure.Internal, failure.StagingIO, "write %s: %w", r.File, errors.Join(w.err, closed))
		case err != nil:
			err = s.fail(ctx, "", err)
		case n != i.Size:
			err = s.failf(failure.Corrupt, failure.Mismatch, "it has %d bytes, %d were received", i.Size, n).
				WithRemedy("fetch it again; if it stays so, look at the destination's disk")
		default:
			w.count.finish()
			report = &sdk.FetchReport{Size: n, SHA256: sum}
			return nil
		}
		if removed := os.Remove(r.File); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			d.o.Log.Warn("remove a file that was fetched in part", "file", r.File, "error", removed)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// Sum implements [sdk.Summer]. It does not hash in a goroutine of its own, as a
// fetch does, because that would copy every byte once more. To use two cores,
// ask for two objects.
func (d *Destination) Sum(ctx context.Context, name string, progress func(int64)) (*sdk.FetchReport, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	var report *sdk.FetchReport
	err := d.in(ctx, "read", name, func(s *session) error {
		i, err := s.regular(ctx, name)
		if err != nil {
			return err
		}
		w := &counted{h: sha256.New(), count: counter{report: progress}}
		n, err := s.Get(ctx, name, i.Size, w)
		switch {
		case ctx.Err() != nil: // w may still be in use
			return ended(ctx, s.what)
		case err != nil:
			return s.fail(ctx, "", err)
		case n != i.Size:
			return s.failf(failure.Corrupt, failure.Mismatch, "it has %d bytes, %d were received", i.Size, n).
				WithRemedy("read it again; if it stays so, look at the destination's disk")
		}
		w.count.finish()
		report = &sdk.FetchReport{Size: n, SHA256: hexSum(w.h)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// counted hashes and counts what is written to it.
type counted struct {
	h     hash.Hash
	count counter
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.h.Write(p)
	c.count.upTo(c.count.n + int64(n))
	return n, err
}

// regular describes an object, and fails if it is not a regular file.
func (s *session) regular(ctx context.Context, name string) (Info, error) {
	i, err := s.Stat(ctx, name)
	if err != nil {
		return Info{}, s.missing(ctx, err)
	}
	if !i.Regular {
		return Info{}, s.failf(failure.NotFound, failure.NoSuchFile, "it is not a regular file")
	}
	return i, nil
}

// localWriter writes to a local file and remembers if that failed, to tell it
// from a failure of the destination.
type localWriter struct {
	w      io.Writer
	hasher *hasher
	count  counter
	err    error
}

func (l *localWriter) Write(p []byte) (int, error) {
	_, _ = l.hasher.Write(p)
	n, err := l.w.Write(p)
	l.count.upTo(l.count.n + int64(n))
	if err != nil {
		l.err = err
	}
	return n, err
}

// List implements [sdk.Lister]. Links are neither listed nor followed.
func (d *Destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return d.list(ctx, prefix, func(name string) bool { return sdk.CheckPath(name) == nil }) // others are temporary, or not made by a store
}

// Leftovers implements [sdk.LeftoverLister].
func (d *Destination) Leftovers(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return d.list(ctx, prefix, func(name string) bool {
		_, temp := tempOwner(path.Base(name))
		return temp
	})
}

func (d *Destination) list(ctx context.Context, prefix string, wanted func(name string) bool) ([]sdk.Object, error) {
	var out []sdk.Object
	err := d.walk(ctx, "list", prefix, func(_ *session, name string, i Info) error {
		if wanted(name) {
			out = append(out, sdk.Object{Path: name, Size: i.Size, Modified: i.Modified})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b sdk.Object) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Sweep implements [sdk.Sweeper]. Ages compare the destination's time stamps
// with the local clock.
func (d *Destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	report := &sdk.SweepReport{}
	err := d.walk(ctx, "sweep", r.Prefix, func(s *session, name string, i Info) error {
		owner, temp := tempOwner(path.Base(name))
		switch {
		case !temp, r.Owner != "" && owner != escapeOwner(r.Owner):
			return nil
		case r.OlderThan > 0 && time.Since(i.Modified) < r.OlderThan:
			return nil
		}
		if err := s.Remove(ctx, name); err != nil {
			if absent(err) {
				return nil
			}
			return s.fail(ctx, "remove "+name, err)
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

// walk visits every regular file below a directory. A missing directory counts
// as empty; a missing destination is a failure.
func (d *Destination) walk(ctx context.Context, doing, prefix string, visit func(s *session, name string, i Info) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	return d.in(ctx, doing, prefix, func(s *session) error {
		if err := s.ready(ctx); err != nil {
			return err
		}
		for pending := []string{prefix}; len(pending) > 0; {
			dir := pending[len(pending)-1]
			pending = pending[:len(pending)-1]
			entries, err := s.List(ctx, dir)
			if err != nil {
				if absent(err) { // it never existed, or was removed meanwhile
					continue
				}
				return s.fail(ctx, "", err)
			}
			for _, i := range entries {
				name := path.Join(dir, i.Name)
				if i.Dir {
					pending = append(pending, name)
				} else if i.Regular {
					if err := visit(s, name, i); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// Delete implements [sdk.Deleter].
func (d *Destination) Delete(ctx context.Context, name string) error {
	if err := checkPath(name); err != nil {
		return err
	}
	return d.in(ctx, "delete", name, func(s *session) error {
		i, err := s.Stat(ctx, name)
		if err == nil && i.Dir { // some destinations remove empty directories too
			return s.failf(failure.Precondition, "", "it is a directory")
		}
		if err == nil {
			err = s.Remove(ctx, name)
		}
		if err != nil {
			if absent(err) {
				return s.ready(ctx)
			}
			return s.fail(ctx, "", err)
		}
		if y, ok := s.Names.(Syncer); ok {
			if _, err := y.Sync(ctx, dirOf(name)); err != nil && !absent(err) {
				return s.fail(ctx, "make that durable", err)
			}
		}
		return nil
	})
}
