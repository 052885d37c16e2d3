package datapower

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// The manifest may appear after the gateway has answered. It is looked for at growing intervals until the
	// context ends.
	manifestFirst = time.Second
	manifestMost  = 15 * time.Second

	maxBackupManifest = 64 << 20
)

// secureBackup makes a secure backup on the gateway, fetches its files and compares them with the manifest. The
// files stay on the gateway until Discard is called with the token. The token is reported before the gateway is
// asked for the backup.
func (s *source) secureBackup(ctx context.Context, r sdk.CaptureRequest, c secureBackupConfig, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	if r.Variant != sdk.VariantSecureBackup {
		return nil, failure.New(failure.Internal, failure.Protocol, "activity %s has no variant %q", r.Activity, r.Variant)
	}
	dir := soma.NormalizePath(c.Directory)
	emit(sdk.CaptureProgress{Token: dir})
	err := s.client.SecureBackup(ctx, soma.SecureBackupRequest{Certificate: c.Certificate, Destination: dir + "/", IncludeISCSI: c.IncludeISCSI, IncludeRAID: c.IncludeRAID})
	if err != nil && (!lost(err) || ctx.Err() != nil) {
		return nil, s.failed(err, "secure backup")
	}
	// If the answer is lost, the gateway may or may not be making the backup. It is never asked twice; its
	// behaviour shows which.
	files, err := s.waitForManifest(ctx, dir, err)
	if err != nil {
		return nil, err
	}
	emit(sdk.CaptureProgress{DeviceDone: true})
	out := &sdk.Capture{Token: dir}
	if err := s.fetch(ctx, r, files, out, emit); err != nil {
		return nil, err
	}
	found, err := archive.VerifyFile(ctx, r.Dir)
	if err != nil {
		return nil, s.unread(ctx, err, "secure backup")
	}
	if f := s.unfit(found, "secure backup"); f != nil {
		return nil, f
	}
	out.Warnings = warnings(found)
	return out, nil
}

// outage is how long the management interface may be unreachable while a secure backup is made. The backup is not
// repeated, so its files are fetched when the interface is back.
const outage = 5 * time.Minute

// lost reports whether no whole answer arrived, whatever the cause between here and the gateway.
func lost(err error) bool {
	switch soma.ClassOf(err) {
	case soma.Unreachable, soma.Lost, soma.Truncated, soma.Stalled, soma.Deadline:
		return true
	}
	return false
}

// patiently repeats a read while its answers are lost, with growing pauses.
func patiently[T any](ctx context.Context, read func() (T, error)) (T, error) {
	begun := time.Now()
	for wait := manifestFirst; ; wait = min(2*wait, manifestMost) {
		v, err := again(read)
		if !lost(err) || time.Since(begun) > outage {
			return v, err
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return v, err
		}
	}
}

// warnOfRAID warns of a RAID volume, which a secure backup leaves out.
func (s *source) warnOfRAID(ctx context.Context, c *classes, out *sdk.CheckReport) error {
	volumes, err := rowsOf(ctx, c, c.objects(defaultDomain, "RaidVolume"))
	if err != nil {
		f := s.failed(err, "check: read whether it has a RAID volume, which this backup leaves out")
		if !answered(err) {
			return f
		}
		out.Warnings = append(out.Warnings, f.Error())
		return nil
	}
	for _, v := range volumes {
		if v.Value("mAdminState") != "disabled" {
			out.Warnings = append(out.Warnings, fmt.Sprintf("the gateway has a RAID volume (%s) that this backup leaves out; set include_raid = true to include it", orNone(v.Attrs["name"])))
		}
	}
	return nil
}

// filesIn lists the files directly below a directory of the gateway.
func (s *source) filesIn(ctx context.Context, dir string) ([]soma.StoredFile, error) {
	dir = soma.NormalizePath(dir)
	store, _, _ := strings.Cut(dir, ":")
	all, _, err := s.client.Filestore(ctx, defaultDomain, store+":")
	if err != nil {
		return nil, err
	}
	var out []soma.StoredFile
	for _, f := range all {
		if path.Dir(f.Path) == path.Clean(dir) || strings.HasPrefix(f.Path, dir+"/") && !strings.Contains(f.Path[len(dir)+1:], "/") {
			out = append(out, f)
		}
	}
	return out, nil
}

// waitForManifest waits until the manifest exists, and lists the files. unanswered is why the request for the
// backup got no answer; the wait then ends once the gateway is not making a backup.
func (s *source) waitForManifest(ctx context.Context, dir string, unanswered error) ([]soma.StoredFile, error) {
	for wait := manifestFirst; ; wait = min(2*wait, manifestMost) {
		making := true
		if unanswered != nil {
			domains, err := patiently(ctx, func() (*soma.Domains, error) { return s.client.DomainStatus(ctx) })
			if err != nil {
				return nil, s.failed(err, "secure backup: read whether it is being made")
			}
			making = slices.ContainsFunc(domains.Domains, func(d soma.Domain) bool { return d.Name == defaultDomain && d.CurrentCommand == secureBackupCommand })
		}
		files, err := patiently(ctx, func() ([]soma.StoredFile, error) { return s.filesIn(ctx, dir) })
		if err != nil {
			return nil, s.failed(err, "secure backup: list %s", dir)
		}
		for _, f := range files {
			if path.Base(f.Path) == archive.ManifestName {
				return files, nil
			}
		}
		if !making {
			return nil, s.failed(unanswered, "secure backup: it is not making one")
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, failure.New(failure.From(ctx.Err()).Kind, failure.MissingFile, "%s: secure backup: no %s appeared in %s", s.name, archive.ManifestName, dir)
		}
	}
}

// fetch receives the manifest and every file that it lists. It ignores files that are not listed.
func (s *source) fetch(ctx context.Context, r sdk.CaptureRequest, there []soma.StoredFile, out *sdk.Capture, emit func(sdk.CaptureProgress)) error {
	sizes := map[string]soma.StoredFile{}
	var manifest soma.StoredFile
	for _, f := range there {
		sizes[path.Base(f.Path)] = f
		if path.Base(f.Path) == archive.ManifestName {
			manifest = f
		}
	}
	var text bytes.Buffer
	if _, err := patiently(ctx, func() (*soma.File, error) {
		text.Reset()
		return s.client.GetFile(ctx, defaultDomain, manifest.Path, maxBackupManifest, &text)
	}); err != nil {
		return s.failed(err, "secure backup: fetch %s", archive.ManifestName)
	}
	listed, err := archive.ReadManifest(bytes.NewReader(text.Bytes()))
	if err != nil {
		return failure.New(failure.Corrupt, failure.BadArchive, "%s: secure backup: %w", s.name, err)
	}
	if len(listed) == 0 {
		return failure.New(failure.Corrupt, failure.EmptyArchive, "%s: secure backup: %s lists no files: nothing was backed up", s.name, archive.ManifestName)
	}
	var total, before int64
	for _, f := range listed {
		stored, ok := sizes[f.Name]
		switch {
		case !ok:
			return failure.New(failure.Corrupt, failure.MissingFile, "%s: secure backup: %s lists %s, which is not on the gateway", s.name, archive.ManifestName, archive.Printable(f.Name))
		case stored.Size == 0:
			return failure.New(failure.Corrupt, failure.EmptyFile, "%s: secure backup: %s is empty", s.name, archive.Printable(f.Name))
		case f.Size >= 0 && stored.Size >= 0 && f.Size != stored.Size:
			return failure.New(failure.Corrupt, failure.WrongSize, "%s: secure backup: %s has %d bytes, %s says %d", s.name, archive.Printable(f.Name), stored.Size, archive.ManifestName, f.Size)
		}
		total += max(stored.Size, 0)
	}
	if r.MaxBytes > 0 && total > r.MaxBytes {
		return failure.New(failure.NoSpace, failure.StagingIO, "%s: secure backup: its files have %d bytes, more than the %d allowed", s.name, total, r.MaxBytes)
	}
	for _, name := range append([]string{archive.ManifestName}, names(listed)...) {
		most := sizes[name].Size
		switch {
		case name == archive.ManifestName: // it may have grown since it was listed
			most = maxBackupManifest
		case most < 0 && r.MaxBytes > 0: // the gateway does not tell the size
			most = max(1, r.MaxBytes-before)
		}
		got, err := s.fetchFile(ctx, r.Dir, name, sizes[name].Path, most)
		if err != nil {
			return err
		}
		before += got.Size
		emit(sdk.CaptureProgress{Bytes: before, Total: max(total, before)})
		out.Artifacts = append(out.Artifacts, sdk.Artifact{Name: name, Size: got.Size, SHA256: got.SHA256})
	}
	return nil
}

func names(files []archive.ManifestFile) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

func (s *source) fetchFile(ctx context.Context, dir, name, from string, most int64) (*soma.File, error) {
	what := "secure backup: fetch " + archive.Printable(name)
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, s.staging(err, what)
	}
	defer file.Close() //nolint:errcheck // closed and checked below where it matters
	got, err := patiently(ctx, func() (*soma.File, error) {
		if err := file.Truncate(0); err != nil {
			return nil, s.staging(err, what)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, s.staging(err, what)
		}
		return s.client.GetFile(ctx, defaultDomain, from, max(0, most), file)
	})
	if soma.ClassOf(err) == soma.TooLarge {
		return nil, failure.New(failure.Corrupt, failure.WrongSize, "%s: %s: %w", s.name, what, err)
	}
	if err != nil {
		return nil, s.failed(err, "%s", what)
	}
	if err := file.Close(); err != nil {
		return nil, s.staging(err, what)
	}
	if got.Size == 0 {
		return nil, failure.New(failure.Corrupt, failure.EmptyFile, "%s: %s: it is empty", s.name, what)
	}
	return got, nil
}

// Discard removes the files of a secure backup from the gateway. It waits until the gateway makes no backup any
// more, because files written later would stay. An empty directory below temporary: stays, because the gateway
// cannot remove it.
func (s *source) Discard(ctx context.Context, token string) error {
	if err := checkDirectory(token); err != nil {
		return failure.New(failure.Internal, failure.Protocol, "%s: discard: the token %q is not one of dprun's", s.name, archive.Printable(token))
	}
	dir := soma.NormalizePath(token)
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return s.failed(err, "discard: read what it is doing")
	}
	for _, d := range domains.Domains {
		if d.Name == defaultDomain && d.CurrentCommand == secureBackupCommand {
			return failure.New(failure.Unavailable, failure.DeviceBusy, "%s: discard: it is still making a secure backup", s.name).
				WithRemedy("run dprun recover when it has ended")
		}
	}
	files, err := s.filesIn(ctx, dir)
	if err != nil {
		return s.failed(err, "discard: list %s", dir)
	}
	for _, f := range files {
		name := path.Base(f.Path)
		if name != archive.ManifestName && path.Ext(name) != ".tgz" {
			return failure.New(failure.Precondition, failure.ForeignBackup, "%s: discard: %s is not a file of a secure backup", s.name, archive.Printable(f.Path)).
				WithRemedy("find out whose it is; nothing was removed")
		}
	}
	for _, f := range files {
		if err := s.client.DeleteFile(ctx, defaultDomain, f.Path); err != nil {
			return s.failed(err, "discard: delete %s", archive.Printable(f.Path))
		}
	}
	if strings.HasPrefix(dir, "local:") {
		if err := s.client.RemoveDir(ctx, defaultDomain, dir); err != nil && !answered(err) {
			return s.failed(err, "discard: remove %s", dir)
		}
	}
	return nil
}

// proofAge is the greatest age of a proof that the private key is at hand: a quarter and some days of
// grace.
const proofAge = 100 * 24 * time.Hour

// recoveryProof reports when somebody last proved that the private key of the recovery certificate is at hand.
// dprun never sees that key.
func (p *preflight) recoveryProof(check string, c secureBackupConfig) {
	whom := "its custodian"
	if c.Custodian != "" {
		whom = archive.Printable(c.Custodian)
	}
	at, err := time.Parse(time.DateOnly, c.Proven)
	remedy := "have " + whom + " prove it, as the page on checks says, and write the date into recovery_proven"
	switch {
	case err != nil:
		p.found(check, sdk.LevelNotProven, c.Certificate, remedy, "it is not known whether its private key is at hand: the plan does not say when that was last proven")
	case at.After(p.now.Add(24 * time.Hour)):
		p.found(check, sdk.LevelWarning, c.Certificate, remedy, "the proof that its private key is at hand has a date in the future: %s", c.Proven)
	case p.now.Sub(at) > proofAge:
		p.found(check, sdk.LevelWarning, c.Certificate, remedy, "the last proof that its private key is at hand is %d days old, from %s", days(p.now.Sub(at)), c.Proven)
	default:
		p.found(check, sdk.LevelOK, c.Certificate, "", "the last proof that its private key is at hand is from %s", c.Proven)
	}
}
