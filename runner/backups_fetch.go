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
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// FetchBackupRequest asks for a set: by its ID, or the last good one of a device
// and domain.
type FetchBackupRequest struct {
	Source         Source
	Plan           string                   // the plan whose destinations are asked; empty: the only one of the file
	Set            string                   // its ID or a prefix of the ID; empty: the latest set
	Device, Domain string                   // of the latest set
	Activity       string                   // of the latest set, if several activities back up the same
	From           string                   // address of the only destination to ask; empty: all of the plan
	Dir            string                   // directory for the files
	Keys           Keys                     // decrypt what is stored encrypted
	Encrypted      bool                     // fetch encrypted files as they are stored
	Failed         func(report.BackupFault) // receives each copy that could not be used
}

// FetchBackup copies the files of a set to a local directory. It compares the
// size and the SHA-256 of every file with those of the capture, and verifies the
// archives of gateways. It never replaces an existing file.
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

// wanted returns the copies of the requested set, first those that are whole as
// far as is known.
func (s *shelves) wanted(ctx context.Context, q FetchBackupRequest) ([]backups.Copy, error) {
	if s.identities == nil && len(q.Keys.Files) > 0 { // only once, because it may ask a person
		var err error
		if s.identities, err = q.Keys.read(); err != nil {
			return nil, err
		}
	}
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
	return s.openable(out, q.Encrypted)
}

// sameFiles reports whether two copies hold the same files once they are opened.
func sameFiles(a, b backups.Copy, opened func(backups.File) backups.File) bool {
	return slices.EqualFunc(a.Files, b.Files, func(a, b backups.File) bool {
		return opened(a).File == opened(b).File && opened(a).SHA256 == opened(b).SHA256
	})
}

// openable returns the copies that are not encrypted or that an identity opens.
// With encrypted, it returns the encrypted copies instead. The first copy is the
// most trusted one, so a copy counts only if it claims to hold the same files.
func (s *shelves) openable(copies []backups.Copy, encrypted bool) ([]backups.Copy, error) {
	var out []backups.Copy
	var to []string
	for _, c := range copies {
		all := c.EncryptedFor()
		switch {
		case !sameFiles(copies[0], c, backups.File.Opened):
		case encrypted && len(all) > 0, !encrypted && s.identities.OpenAll(c):
			out = append(out, c)
		default:
			to = append(to, all...)
		}
	}
	slices.Sort(to)
	to = slices.Compact(to)
	set := copies[0].Set
	switch {
	case len(out) > 0:
		return out, nil
	case encrypted:
		return nil, errorf(ExitUsage, "fetch set %s: no copy of it is encrypted; leave --encrypted out", set)
	case s.identities == nil:
		return nil, errorf(ExitUsage, "fetch set %s: every copy of it is encrypted, for %s; give the file with the secret key of one of them with --identity", set, join(to))
	}
	return nil, errorf(1, "fetch set %s: none of the given identities opens it: it is encrypted for %s; give the file with the secret key of one of them with --identity", set, join(to))
}

// rank orders copies, the most likely good ones first.
func rank(c backups.Copy) int {
	rank := slices.Index([]backups.State{backups.Whole, backups.Missing, backups.Altered}, c.State)
	if trusted, _ := c.Trust(); !trusted {
		rank += 3
	}
	return rank
}

// latest returns the last good set of a device and domain.
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
	if slices.ContainsFunc(sets, made) { // DPOD's old sets count only if there are no others
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
	return "", errorf(ExitUsage, "fetch the latest backup of %s: several activities have one: %s; pick one with --activity", what, join(found))
}

// fetching is the fetch of one set.
type fetching struct {
	*shelves
	request FetchBackupRequest
	set     string
	temp    string // temporary directory for the files
}

// wantedFile is one file of the set with its local name.
type wantedFile struct {
	name string // relative to the directory
	from []shelved
}

// shelved is a file of one copy.
type shelved struct {
	backups.Copy
	stored, here backups.File // at the destination, and after decryption; the sizes are upper limits
}

func (w wantedFile) is(sum string) bool {
	return slices.ContainsFunc(w.from, func(f shelved) bool { return f.here.SHA256 == sum })
}

// wantedFiles returns the files of the set, the manifest last. Each copy has a
// manifest of its own, and files of its own if it is encrypted for other
// recipients.
func (f *fetching) wantedFiles(copies []backups.Copy) []wantedFile {
	opened := func(file backups.File) backups.File {
		if f.request.Encrypted {
			return file
		}
		return file.Opened()
	}
	first := copies[0]
	manifest := wantedFile{name: path.Base(first.Path)}
	out := make([]wantedFile, len(first.Files))
	for _, c := range copies {
		if !sameFiles(first, c, opened) {
			continue
		}
		for n, file := range c.Files {
			here := opened(file)
			out[n].name, out[n].from = here.File, append(out[n].from, shelved{c, file, here})
		}
		if c.HasManifest() {
			m := backups.File{File: path.Base(c.Path), Size: backups.MaxManifest, SHA256: c.SHA256}
			manifest.from = append(manifest.from, shelved{c, m, m})
		}
	}
	if first.HasManifest() {
		out = append(out, manifest)
	}
	return out
}

// all fetches the set, unless all files are there already. The manifest comes
// last: its presence means that the set is whole.
func (f *fetching) all(ctx context.Context, copies []backups.Copy) (*report.FetchedBackup, error) {
	first := copies[0]
	out := &report.FetchedBackup{Set: f.set, Device: first.Device, Domain: first.Domain, Captured: first.Captured.UTC().Format(time.RFC3339), Dir: f.request.Dir, NoManifest: !first.HasManifest()}
	out.Encrypted = f.request.Encrypted
	files := f.wantedFiles(copies)
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
	defer os.RemoveAll(f.temp) //nolint:errcheck // nobody mistakes it for a backup
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

// signature fetches the signature of the manifest that came from a destination,
// because each copy has a manifest of its own. It returns nil if there is no
// signature, or if the signature could not be fetched, which it reports; the
// backup is good without it.
func (f *fetching) signature(ctx context.Context, copies []backups.Copy, destination string) *wantedFile {
	for _, c := range copies {
		if c.Destination != destination || c.Signature == nil {
			continue
		}
		sig := backups.File{File: path.Base(c.Path) + signing.Suffix, Size: signing.MaxSignature, SHA256: c.Signature.SHA256}
		w := wantedFile{sig.File, []shelved{{c, sig, sig}}}
		if _, err := f.file(ctx, w); err == nil {
			return &w
		}
	}
	return nil
}

func (f *fetching) fail(format string, args ...any) error {
	return errorf(1, "fetch set "+f.set+": "+format, args...)
}

// isThere reports whether the directory has the file already. A different file of
// this name is an error.
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

// file fetches one file into the temporary directory, and returns the destination
// that had it.
func (f *fetching) file(ctx context.Context, w wantedFile) (destination string, err error) {
	temp := filepath.Join(f.temp, filepath.FromSlash(w.name))
	if err := os.MkdirAll(filepath.Dir(temp), 0o700); err != nil {
		return "", f.fail("%w", err)
	}
	for _, c := range w.from {
		err := f.from(ctx, c, temp)
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
			Path: c.At(c.stored), Why: err.Error(), Remedy: "`dprun backups check PLAN --destination " + c.Destination + "` says how this copy stands"})
	}
	return "", f.fail("no copy of %s could be used; nothing was left in %s", w.name, f.request.Dir)
}

// from fetches a file from one copy, compares it with the stored file, decrypts
// it, and compares the result with the captured file.
func (f *fetching) from(ctx context.Context, c shelved, temp string) error {
	stored := temp
	sealed := c.stored.File != c.here.File
	if sealed {
		stored = f.shelves.file()
		defer os.Remove(stored) //nolint:errcheck // its directory is removed anyway
	}
	r, err := f.exec.Fetch(ctx, c.Destination, sdk.FetchRequest{Path: c.At(c.stored), File: stored}, c.stored.Size)
	if err == nil {
		var sum string // the local file counts, not what the plugin says about it
		if sum, err = sumOf(stored); err == nil && (sum != c.stored.SHA256 || r.SHA256 != sum) {
			err = failure.New(failure.Corrupt, failure.Mismatch, "it is not what was stored: its SHA-256 is %s, and was %s", sum, c.stored.SHA256)
		}
	}
	if err == nil && sealed {
		err = f.open(ctx, c, stored, temp)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// open decrypts a fetched file.
func (f *fetching) open(ctx context.Context, c shelved, stored, temp string) error {
	got, err := decrypt(ctx, f.identities, stored, temp)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, cipher.ErrNotOpened):
		return failure.New(failure.Denied, "", "%w, although its manifest names one of them", err)
	case err != nil:
		return failure.New(failure.Corrupt, failure.Mismatch, "decrypt it: %w", err)
	case got.SHA256 != c.here.SHA256:
		return failure.New(failure.Corrupt, failure.Mismatch, "it does not hold the captured file: decrypted, its SHA-256 is %s, and was %s", got.SHA256, c.here.SHA256)
	}
	return nil
}

// decrypt decrypts a file into a new one.
func decrypt(ctx context.Context, with *cipher.Identities, from, to string) (got backups.Content, err error) {
	in, err := os.Open(from)
	if err != nil {
		return got, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return got, err
	}
	got, err = with.Decrypt(ctx, out, in)
	return got, errors.Join(err, out.Close())
}

// verify verifies the gateway archives among the fetched files.
func (f *fetching) verify(ctx context.Context) error {
	if f.request.Encrypted {
		return nil
	}
	var wrong []string
	_, err := Verify(ctx, VerifyRequest{Paths: []string{f.temp}, Found: func(a report.Archive) {
		if a.Report != nil && a.Report.Kind != "" && !a.Whole {
			wrong = append(wrong, filepath.Base(a.File))
		}
	}})
	if err == nil && len(wrong) > 0 {
		err = f.fail("%w", failure.New(failure.Corrupt, failure.BadArchive, "its files are the captured ones, but as archives of a gateway these are not whole: %s; use an older set, and make a new backup", join(wrong)))
	}
	return err
}

// place gives a file its final name durably. It never replaces a file.
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

// sumOf returns the SHA-256 of a local file.
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
