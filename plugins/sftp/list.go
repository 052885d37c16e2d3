package sftp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dprun/dprun/sdk"
)

// List implements [sdk.Destination]. Symbolic links are neither listed nor followed.
func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	var out []sdk.Object
	err := d.with(ctx, func(s *session) error {
		return d.walk(ctx, s, prefix, func(name string, info fs.FileInfo) error {
			if !strings.HasPrefix(info.Name(), tempPrefix) { // sdk.CheckPath refuses those
				out = append(out, sdk.Object{Path: name, Size: info.Size(), Modified: info.ModTime()})
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b sdk.Object) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Sweep implements [sdk.Destination]. Ages compare the server's time stamps
// with the local clock.
func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	if err := checkPrefix(r.Prefix); err != nil {
		return nil, err
	}
	report := &sdk.SweepReport{}
	err := d.with(ctx, func(s *session) error {
		return d.walk(ctx, s, r.Prefix, func(name string, info fs.FileInfo) error {
			owner, temp := tempOwner(info.Name())
			if !temp || (r.Owner != "" && owner != escapeOwner(r.Owner)) {
				return nil
			}
			if r.OlderThan > 0 && d.now().Sub(info.ModTime()) < r.OlderThan {
				return nil
			}
			full := path.Join(s.base, name)
			if err := s.sftp.Remove(full); errors.Is(err, os.ErrNotExist) {
				return nil
			} else if err != nil {
				return d.explain(ctx, s, err, path.Dir(full), "remove "+d.config.location(full))
			}
			report.Removed = append(report.Removed, name)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(report.Removed)
	return report, nil
}

// walk visits every regular file below prefix. A prefix that is not there is
// empty; a destination that is not there is a failure.
func (d *destination) walk(ctx context.Context, s *session, prefix string, visit func(name string, info fs.FileInfo) error) error {
	if _, err := s.sftp.Stat(s.base); errors.Is(err, os.ErrNotExist) {
		return d.noDirectory(s, "list "+d.config.location(s.base))
	}
	pending := []string{prefix}
	for len(pending) > 0 {
		dir := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		full := path.Join(s.base, dir)
		entries, err := s.sftp.ReadDirContext(ctx, full)
		if errors.Is(err, os.ErrNotExist) {
			continue // never there, or removed meanwhile
		}
		if err != nil {
			return d.explain(ctx, s, err, full, "list "+d.config.location(full))
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch {
			case e.IsDir():
				pending = append(pending, name)
			case e.Mode().IsRegular():
				if err := visit(name, e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
