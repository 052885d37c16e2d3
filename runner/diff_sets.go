package runner

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// DiffSetsRequest asks how two sets differ, or a set and an archive.
type DiffSetsRequest struct {
	Source Source
	Plan   string // whose destinations are asked; empty: the only one of the file
	A, B   string // IDs of sets or beginnings of them, or paths
	Keys   Keys   // open what is stored encrypted
	// Failed gets each copy that could not be used.
	Failed func(report.BackupFault)
}

// DiffSets says how the second of two sets differs from the first. What it
// fetches is gone afterwards. Of a set with two archives it is that which was
// running at that time.
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

// fetchedArchive is an archive of a set that was fetched.
type fetchedArchive struct {
	path string
	dir  string // of all files of the set
	set  backups.Copy
}

// objects are those of the set's manifest: what was up when it was captured.
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

// archive fetches a set and says which of its files is the export of that variant,
// or the only export that it has.
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
