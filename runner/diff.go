package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// Diff says how the second of two gateway exports differs from the first. Each is
// an archive, or a manifest that lists one. It reads no state directory and
// contacts no device.
func Diff(ctx context.Context, a, b string) (report.Diff, error) {
	verifier := archive.Verifier{Sets: &archive.Sets{}}
	for _, path := range []*string{&a, &b} {
		found, err := verifier.Find(ctx, *path)
		switch {
		case err != nil:
			return report.Diff{}, fmt.Errorf("%s: %s", *path, unverified(err))
		case len(found) != 1:
			return report.Diff{}, fmt.Errorf("%s has %d archives: name one of them, such as %s", *path, len(found), found[0])
		}
		*path = found[0]
	}
	d, err := verifier.Diff(ctx, a, b)
	if ctx.Err() != nil {
		return report.Diff{}, ctx.Err()
	}
	if unread := new(fs.PathError); errors.As(err, &unread) {
		return report.Diff{}, fmt.Errorf("%s: %s", unread.Path, unverified(err))
	}
	if err != nil {
		return report.Diff{}, err
	}
	side := func(file string, r *archive.Report) report.DiffSide {
		return report.DiffSide{File: file, Kind: r.Kind, Domains: append([]string{}, r.Domains...), Device: r.Device, Made: r.Made}
	}
	out := report.Diff{A: side(a, d.A), B: side(b, d.B), Same: len(d.Differences) == 0, Differences: d.Differences, Omitted: d.Omitted, Withheld: d.Withheld}
	for _, x := range d.Differences {
		switch x.Change {
		case archive.Added:
			out.Added++
		case archive.Removed:
			out.Removed++
		default:
			out.Changed++
		}
	}
	return out, nil
}

// DiffSetsRequest asks how two sets differ, or a set and an archive.
type DiffSetsRequest struct {
	Source Source
	Plan   string // the plan whose destinations are asked; empty: the only one of the file
	A, B   string // IDs of sets or prefixes of them, or paths
	Keys   Keys   // decrypt what is stored encrypted
	// Failed receives each copy that could not be used.
	Failed func(report.BackupFault)
}

// DiffSets says how the second of two sets differs from the first. It removes the
// fetched files afterwards. If a set has two archives, it uses the one of the
// running configuration.
func (r *Runner) DiffSets(ctx context.Context, q DiffSetsRequest) (*report.Diff, *report.Result, error) {
	res := &report.Result{}
	s, err := r.shelves(ctx, q.Source, q.Plan, "", "diff", res)
	if err != nil || s == nil {
		return nil, res, err
	}
	defer s.close()
	paths, shown := []string{q.A, q.B}, []string{q.A, q.B}
	for i, set := range paths {
		if _, err := os.Stat(set); err == nil || strings.ContainsAny(set, `/\.`) {
			continue
		}
		got, err := s.archive(ctx, FetchBackupRequest{Set: set, Keys: q.Keys, Failed: q.Failed}, sdk.VariantRunning)
		if err != nil {
			return nil, res, err
		}
		paths[i], shown[i] = got.path, "set "+got.set.Set
	}
	d, err := Diff(ctx, paths[0], paths[1])
	if err != nil {
		return nil, res, err
	}
	d.A.File, d.B.File = shown[0], shown[1]
	return &d, res, nil
}

// fetchedArchive is a fetched archive of a set.
type fetchedArchive struct {
	path string
	dir  string // holds all files of the set
	set  backups.Copy
}

// objects returns the objects of the set's manifest: what was up at the capture.
func (f fetchedArchive) objects() ([]backups.Objects, error) {
	body, err := os.ReadFile(filepath.Join(f.dir, path.Base(f.set.Path)))
	if err != nil {
		return nil, err
	}
	m, err := backups.ParseManifest(body, f.set.Path)
	if err != nil {
		return nil, err
	}
	return m.Objects, nil
}

// archive fetches a set and returns its export of that variant, or the only
// export that it has.
func (s *shelves) archive(ctx context.Context, q FetchBackupRequest, variant string) (fetchedArchive, error) {
	copies, err := s.wanted(ctx, q)
	if err != nil {
		return fetchedArchive{}, err
	}
	set, file := copies[0], ""
	for _, f := range set.Files {
		if f.Variant == variant || file == "" && (f.Variant == sdk.VariantRunning || f.Variant == sdk.VariantPersisted) {
			file = f.Opened().File
		}
	}
	if file == "" {
		return fetchedArchive{}, errorf(1, "set %s holds no export: a secure backup is encrypted", set.Set)
	}
	q.Dir = s.file()
	if _, err := s.fetch(ctx, q, copies); err != nil {
		return fetchedArchive{}, err
	}
	return fetchedArchive{filepath.Join(q.Dir, filepath.FromSlash(file)), q.Dir, set}, nil
}
