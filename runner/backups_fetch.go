package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// FetchBackupRequest asks for a set: by its ID, or the last good one of a device and domain.
type FetchBackupRequest struct {
	Source         Source
	Plan           string                   // whose destinations are asked; empty: the only one of the file
	Set            string                   // its ID or a beginning of it; empty: the latest
	Device, Domain string                   // of the latest
	Activity       string                   // of the latest, where several make backups of the same
	From           string                   // the address of the only destination to ask; empty: all of the plan
	Dir            string                   // where the files go
	Failed         func(report.BackupFault) // gets each copy that could not be used
}

// FetchBackup copies the files of a set to a local directory. What it leaves
// there was compared with what was captured, by size and SHA-256, and an archive of a
// gateway was verified. A file that is there already is never replaced.
func (r *Runner) FetchBackup(ctx context.Context, q FetchBackupRequest) (*report.FetchedBackup, *report.Result, error) {
	res := &report.Result{}
	s, err := r.shelves(ctx, q.Source, q.Plan, q.From, "fetch", res)
	if err != nil || s == nil {
		return nil, res, err
	}
	defer s.close()
	copies, err := s.wanted(ctx, q)
	if err != nil {
		return nil, res, err
	}
	out, err := s.fetch(ctx, q, copies)
	return out, res, err
}

// fetch fetches a set from one of its copies.
func (s *shelves) fetch(ctx context.Context, q FetchBackupRequest, copies []backups.Copy) (*report.FetchedBackup, error) {
	set := copies[0].Set
	release, err := s.lockSet(set, lock.Shared)
	if err != nil {
		return nil, errorf(1, "fetch set %s: it is being deleted: %w", set, err)
	}
	defer release()
	f := fetching{shelves: s, request: q, set: set}
	return f.all(ctx, copies)
}

// wanted are the copies of the set that is asked for, those first that are whole as far as is known.
func (s *shelves) wanted(ctx context.Context, q FetchBackupRequest) ([]backups.Copy, error) {
	set, err := s.journal.Set(ctx, q.Set)
	if q.Set == "" {
		set, err = s.latest(ctx, q)
	}
	if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrAmbiguous) {
		err = &Error{ExitUsage, err}
	}
	if err != nil {
		return nil, err
	}
	known, err := s.copies(ctx, journal.CopyFilter{Set: set})
	if err != nil {
		return nil, err
	}
	known = notDeleted(known)
	var out []backups.Copy
	var elsewhere []string
	for _, c := range known {
		if !slices.ContainsFunc(s.destinations, func(d *plan.Destination) bool { return d.Address == c.Destination }) {
			elsewhere = append(elsewhere, c.Destination)
			continue
		}
		out = append(out, c)
	}
	if len(out) == 0 && len(elsewhere) > 0 {
		return nil, errorf(ExitUsage, "fetch set %s: its copies are at %s; give a plan that has such a destination, or leave --from out", set, join(elsewhere))
	}
	if len(out) == 0 {
		return nil, errorf(1, "fetch set %s: every copy of it was deleted", set)
	}
	slices.SortStableFunc(out, func(a, b backups.Copy) int { return rank(a) - rank(b) })
	return out, nil
}

// rank orders copies by how likely they are good.
func rank(c backups.Copy) int {
	rank := slices.Index([]backups.State{backups.Whole, backups.Missing, backups.Altered}, c.State)
	if trusted, _ := c.Trust(); !trusted {
		rank += 3
	}
	return rank
}

// latest finds the last good set of a device and domain.
func (s *shelves) latest(ctx context.Context, q FetchBackupRequest) (string, error) {
	sets, err := backups.Latest(backups.Sets(s.journal.Copies(ctx, journal.CopyFilter{Device: q.Device, Domain: q.Domain})), s.own, s.Clock.Now())
	if err != nil {
		return "", &Error{ExitBug, err}
	}
	var found []string
	var set string
	sets = slices.DeleteFunc(sets, func(s backups.Set) bool {
		of := s.Subject()
		return of.Domain != q.Domain || q.Activity != "" && of.Activity != q.Activity
	})
	made := func(s backups.Set) bool { return s[0].HasManifest() }
	if slices.ContainsFunc(sets, made) { // DPOD's old ones stand back
		sets = slices.DeleteFunc(sets, func(s backups.Set) bool { return !made(s) })
	}
	for _, one := range sets {
		found, set = append(found, one[0].Activity), one[0].Set
	}
	what := strings.TrimSuffix(q.Device+"/"+q.Domain, "/")
	switch len(found) {
	case 0:
		return "", errorf(1, "fetch the latest backup of %s: the journal knows no good one; `dprun backups list` shows what there is", what)
	case 1:
		return set, nil
	}
	return "", errorf(ExitUsage, "fetch the latest backup of %s: there are those of %s; pick one with --activity", what, join(found))
}

// fetching is the fetch of one set.
type fetching struct {
	*shelves
	request FetchBackupRequest
	set     string
	temp    string // the directory that the files go to first
}

// wantedFile is one file of the set.
type wantedFile struct {
	name string // relative to the directory
	size int64  // of the manifest: at most
	from []backups.Copy
	hash func(backups.Copy) string // its SHA-256 in a copy: each has a manifest of its own
}

func (w wantedFile) is(sum string) bool {
	return slices.ContainsFunc(w.from, func(c backups.Copy) bool { return w.hash(c) == sum })
}

// all fetches the set, unless all of it is there. The manifest comes last: where
// it is, the set is whole.
func (f *fetching) all(ctx context.Context, copies []backups.Copy) (*report.FetchedBackup, error) {
	first := copies[0]
	out := &report.FetchedBackup{Set: f.set, Device: first.Device, Domain: first.Domain, Captured: first.Captured.UTC().Format(time.RFC3339), Dir: f.request.Dir, NoManifest: !first.HasManifest()}
	var files []wantedFile
	for _, file := range first.Files {
		files = append(files, wantedFile{name: file.File, size: file.Size, from: copies, hash: func(backups.Copy) string { return file.SHA256 }})
	}
	if first.HasManifest() {
		files = append(files, wantedFile{name: path.Base(first.Path), size: backups.MaxManifest, from: copies, hash: func(c backups.Copy) string { return c.SHA256 }})
	}
	dir, err := filepath.Abs(f.request.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, f.fail("%w; name another directory with --to", err)
	}
	out.Existed = true
	for _, w := range files {
		there, err := f.isThere(dir, w)
		if err != nil {
			return nil, err
		}
		out.Files, out.Existed = append(out.Files, w.name), out.Existed && there
	}
	if out.Existed {
		return out, nil
	}
	if f.temp, err = os.MkdirTemp(dir, sdk.TempPrefix+"fetch-"); err != nil {
		return nil, f.fail("%w", err)
	}
	defer os.RemoveAll(f.temp) //nolint:errcheck // nobody takes it for a backup
	for _, w := range files {
		if out.Destination, err = f.file(ctx, w); err != nil {
			return nil, err
		}
	}
	if w := f.signature(ctx, copies, out.Destination); w != nil {
		n := len(files) - 1 // the manifest stays last
		files, out.Files = slices.Insert(files, n, *w), slices.Insert(out.Files, n, w.name)
	}
	if err := f.verify(ctx); err != nil {
		return nil, err
	}
	for _, w := range files {
		if there, err := f.isThere(dir, w); err != nil {
			return nil, err
		} else if there {
			continue
		}
		if err := place(f.temp, dir, w.name); err != nil {
			return nil, f.fail("%w", err)
		}
	}
	return out, nil
}

// signature fetches the signature of the manifest that came from a destination: each
// copy has a manifest of its own. Nil: it has none, or none could be had, which
// was told; the backup is as good without it.
func (f *fetching) signature(ctx context.Context, copies []backups.Copy, destination string) *wantedFile {
	for _, c := range copies {
		if c.Destination != destination || c.Signature == nil {
			continue
		}
		w := wantedFile{path.Base(c.Path) + signing.Suffix, signing.MaxSignature, []backups.Copy{c}, func(c backups.Copy) string { return c.Signature.SHA256 }}
		if _, err := f.file(ctx, w); err == nil {
			return &w
		}
	}
	return nil
}

func (f *fetching) fail(format string, args ...any) error {
	return errorf(1, "fetch set "+f.set+": "+format, args...)
}

// isThere reports whether a file is in the directory already. Another one of its name is an error.
func (f *fetching) isThere(dir string, w wantedFile) (bool, error) {
	if !filepath.IsLocal(filepath.FromSlash(w.name)) {
		return false, f.fail("%q does not lie below its directory", w.name)
	}
	final := filepath.Join(dir, filepath.FromSlash(w.name))
	sum, err := sumOf(final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, f.fail("%w", err)
	case !w.is(sum):
		return false, f.fail("%s is there already and holds something else; it stays as it is: move it, or name another directory with --to", final)
	}
	return true, nil
}

// file fetches one file below the temporary directory, and says from which destination.
func (f *fetching) file(ctx context.Context, w wantedFile) (destination string, err error) {
	temp := filepath.Join(f.temp, filepath.FromSlash(w.name))
	if err := os.MkdirAll(filepath.Dir(temp), 0o700); err != nil {
		return "", f.fail("%w", err)
	}
	for _, c := range w.from {
		err := f.from(ctx, c, w, temp)
		if err == nil {
			return c.Destination, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		kind := backups.FaultNotChecked
		switch {
		case isAbsent(err):
			kind = backups.FaultMissing
		case failure.From(err).Kind == failure.Corrupt:
			kind = backups.FaultAltered
		}
		f.request.Failed(report.BackupFault{Destination: c.Destination, Kind: string(kind), Grave: true, Set: c.Set, Device: c.Device, Domain: c.Domain,
			Path: path.Join(path.Dir(c.Path), w.name), Why: err.Error(), Remedy: "`dprun backups check PLAN --destination " + c.Destination + "` says how this copy stands"})
	}
	return "", f.fail("no copy of %s could be used; nothing was left in %s", w.name, f.request.Dir)
}

// from fetches a file from one copy and compares it with what was captured.
func (f *fetching) from(ctx context.Context, c backups.Copy, w wantedFile, temp string) error {
	r, err := f.exec.Fetch(ctx, c.Destination, sdk.FetchRequest{Path: path.Join(path.Dir(c.Path), w.name), File: temp}, w.size)
	if err == nil {
		var sum string // what is here counts, not what a plugin says of it
		if sum, err = sumOf(temp); err == nil && (sum != w.hash(c) || r.SHA256 != sum) {
			err = failure.New(failure.Corrupt, failure.Mismatch, "it is not what was stored: its SHA-256 is %s, and was %s", sum, w.hash(c))
		}
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// verify verifies the archives of gateways among what was fetched.
func (f *fetching) verify(ctx context.Context) error {
	var wrong []string
	_, err := Verify(ctx, VerifyRequest{Paths: []string{f.temp}, Found: func(a report.Archive) {
		if a.Report != nil && a.Report.Kind != "" && !a.Whole {
			wrong = append(wrong, filepath.Base(a.File))
		}
	}})
	if err == nil && len(wrong) > 0 {
		err = f.fail("its files are those that were captured, but as an archive of a gateway this is not whole: %s; take an older set, and make a new backup", join(wrong))
	}
	return err
}

// place gives a file its final name, durably and without replacing anything.
func place(temp, dir, name string) error {
	from, to := filepath.Join(temp, filepath.FromSlash(name)), filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	err = os.Link(from, to)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, taken := os.Lstat(to); errors.Is(taken, fs.ErrNotExist) { // some file systems have no links
			err = os.Rename(from, to)
		}
	}
	if err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// sumOf is the SHA-256 of a local file.
func sumOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
