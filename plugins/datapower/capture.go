package datapower

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// progressEvery is the shortest time between two reports of progress.
const progressEvery = 250 * time.Millisecond

// verifiedLater is the size in bytes from which Capture reports that an archive has
// arrived and is being verified, because verifying takes a while from then on.
const verifiedLater = 32 << 20

// Capture makes one variant of an activity's artifacts and verifies it.
func (s *source) Capture(ctx context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	switch r.Activity {
	case activityExport:
		c, err := decode[exportConfig](r.Config)
		if err != nil {
			return nil, err
		}
		return s.export(ctx, r, c.Method == methodBackup, emit)
	case activityAllDomains:
		return s.export(ctx, r, true, emit)
	case activitySecureBackup:
		c, err := decode[secureBackupConfig](r.Config)
		if err != nil {
			return nil, err
		}
		return s.secureBackup(ctx, r, c, emit)
	}
	return nil, noActivity(r.Activity)
}

// export receives an archive into the directory, with one request. After a refusal a second request finds out
// whether the domain still exists.
func (s *source) export(ctx context.Context, r sdk.CaptureRequest, backup bool, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	if r.Variant != sdk.VariantPersisted && r.Variant != sdk.VariantRunning {
		return nil, failure.New(failure.Internal, failure.Protocol, "activity %s has no variant %q", r.Activity, r.Variant)
	}
	subject := r.Target.Domain
	if r.Target.Device() {
		subject = "ALL"
	}
	name := subject + "-" + r.Variant + ".zip"
	if !archive.SafeName(name) || strings.Contains(name, "/") {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "%s: domain %q cannot be part of a file name", s.name, archive.Printable(subject))
	}
	what := fmt.Sprintf("export %s (%s)", describe(r.Target), r.Variant)
	var before []string
	if r.Target.Device() {
		var err error
		if before, err = s.domainNames(ctx); err != nil {
			return nil, s.failed(err, "%s: read its domains", what)
		}
	}
	file, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, s.staging(err, what)
	}
	defer file.Close() //nolint:errcheck // closed and checked below where it matters
	verifier := archive.Verifier{TempDir: s.temp, Memo: s.memo}
	ahead, progress := &ahead{verifier: verifier, file: file}, throttled(emit)
	got, err := s.receive(ctx, r, backup, file, func(n int64) { progress(n); ahead.written(ctx, n) })
	verifier = ahead.stop(err != nil)
	if err != nil {
		return nil, s.exportFailure(ctx, r, err, what)
	}
	// The host makes the file durable and compares its hash with that of the received bytes.
	received := sdk.CaptureProgress{Bytes: got.Size, Total: got.Size}
	if got.Size >= verifiedLater {
		received.Message = fmt.Sprintf("%s: received %d bytes; verifying", what, got.Size)
	}
	emit(received)
	found, err := verifier.Verify(ctx, file, got.Size)
	if err != nil {
		return nil, s.unread(ctx, err, what)
	}
	if err := file.Close(); err != nil {
		return nil, s.staging(err, what)
	}
	unsure, err := s.compare(ctx, r, backup, before, found)
	if err != nil {
		return nil, s.failed(err, "%s: read what it should hold", what)
	}
	if f := s.unfit(found, what); f != nil {
		return nil, f
	}
	out := &sdk.Capture{Artifacts: []sdk.Artifact{{Name: name, Size: got.Size, SHA256: got.SHA256}}, Warnings: append(warnings(found), unsure...), Withheld: found.Withheld}
	s.log.Debug("export verified", "domain", r.Target.Domain, "variant", r.Variant, "bytes", got.Size, "entries", found.Entries, "hashed", found.Hashed)
	return out, nil
}

// aheadFrom is the size in bytes from which an archive is inflated while it is received. A smaller one is
// verified quickly anyway.
const aheadFrom = 4 << 20

// ahead inflates a file while it is written, once it is large.
type ahead struct {
	verifier archive.Verifier
	file     *os.File
	begun    *archive.Ahead
	cancel   context.CancelFunc
}

func (a *ahead) written(ctx context.Context, n int64) {
	if a.begun == nil {
		if n < aheadFrom {
			return
		}
		ctx, a.cancel = context.WithCancel(ctx)
		a.begun = a.verifier.Ahead(ctx, a.file)
	}
	a.begun.Written(n)
}

// stop returns the verifier, which knows what was inflated. If the archive is
// useless, it does not finish the work under way.
func (a *ahead) stop(useless bool) archive.Verifier {
	if a.begun == nil {
		return a.verifier
	}
	defer a.cancel()
	if useless {
		a.cancel()
	}
	return a.begun.Stop(a.verifier)
}

// compare adds to the findings how an archive differs from what was asked for, and returns what could not be
// compared. before are the gateway's domains before the archive was asked for. Domains that came or went
// meanwhile are neither missed nor reported as superfluous.
func (s *source) compare(ctx context.Context, r sdk.CaptureRequest, backup bool, before []string, found *archive.Report) (unsure []string, err error) {
	asked := archive.Asked{Kind: archive.KindExport, Domains: []string{r.Target.Domain}}
	if backup {
		asked.Kind = archive.KindBackup
	}
	if r.Target.Device() {
		after, err := s.domainNames(ctx)
		if err != nil {
			return nil, err
		}
		asked.Domains = nil
		asked.Also = append(before, after...)
		for _, d := range before {
			if slices.Contains(after, d) {
				asked.Domains = append(asked.Domains, d)
			}
		}
	}
	serial, err := s.serialNumber(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		unsure = append(unsure, fmt.Sprintf("it could not be checked whether the archive comes from this gateway: its serial number cannot be read: %v", err))
	}
	asked.Serial = serial
	found.Compare(asked)
	return unsure, nil
}

func (s *source) domainNames(ctx context.Context) ([]string, error) {
	status, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range status.Domains {
		names = append(names, d.Name)
	}
	return names, nil
}

// serialNumber returns the gateway's serial number, which it reads once.
func (s *source) serialNumber(ctx context.Context) (string, error) {
	if serial := s.serial.Load(); serial != nil {
		return *serial, nil
	}
	firmware, err := s.client.Firmware(ctx)
	if err != nil {
		return "", err
	}
	s.serial.Store(&firmware.Serial)
	return firmware.Serial, nil
}

func (s *source) receive(ctx context.Context, r sdk.CaptureRequest, backup bool, file *os.File, progress func(int64)) (*soma.File, error) {
	persisted := r.Variant == sdk.VariantPersisted
	comment := "dprun " + r.Owner
	if !backup {
		return s.client.Export(ctx, soma.ExportRequest{Domain: r.Target.Domain, Persisted: persisted, Comment: comment, MaxBytes: r.MaxBytes, Progress: progress}, file)
	}
	var domains []string
	if !r.Target.Device() {
		domains = []string{r.Target.Domain}
	}
	return s.client.Backup(ctx, soma.BackupRequest{Domains: domains, Persisted: persisted, Comment: comment, MaxBytes: r.MaxBytes, Progress: progress}, file)
}

// throttled passes progress on at most every progressEvery.
func throttled(emit func(sdk.CaptureProgress)) func(int64) {
	last := time.Now()
	return func(n int64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			emit(sdk.CaptureProgress{Bytes: n})
		}
	}
}

// exportFailure says why no archive arrived.
func (s *source) exportFailure(ctx context.Context, r sdk.CaptureRequest, err error, what string) *failure.Error {
	f := s.failed(err, "%s", what)
	switch soma.ClassOf(err) {
	case soma.TooLarge:
		if r.MaxBytes > 0 {
			f.Kind, f.Reason = failure.NoSpace, failure.StagingIO
		}
	case soma.Result, soma.Refused, soma.EmptyFile, soma.ErrorFile:
		if !r.Target.Device() {
			if state, there := s.reread(ctx, r.Target); state != nil && !there {
				return s.noDomain(r.Target)
			}
		}
	}
	return f
}

// unread is a failure to read back what was captured.
func (s *source) unread(ctx context.Context, err error, what string) *failure.Error {
	if ctx.Err() != nil {
		return failure.From(fmt.Errorf("%s: %s: verify the archive: %w", s.name, what, ctx.Err()))
	}
	return s.staging(err, what+": verify the archive")
}

// reasons are the reasons of findings; any other finding is a bad archive.
var reasons = map[archive.Code]failure.Reason{
	archive.CodeHash:          failure.WrongHash,
	archive.CodeMissing:       failure.MissingFile,
	archive.CodeSize:          failure.WrongSize,
	archive.CodeEmpty:         failure.EmptyArchive,
	archive.CodeNoDetails:     failure.NoDetails,
	archive.CodeNoFiles:       failure.NoFileList,
	archive.CodeTrailing:      failure.TrailingBytes,
	archive.CodeOtherDevice:   failure.OtherDevice,
	archive.CodeOtherDomain:   failure.OtherDomain,
	archive.CodeMissingDomain: failure.MissingDomain,
	archive.CodeExtraDomain:   failure.ExtraDomain,
}

// unfit turns the errors in an archive into a failure; nil: there are none.
func (s *source) unfit(found *archive.Report, what string) *failure.Error {
	problems := found.Problems()
	if len(problems) == 0 {
		return nil
	}
	reason, known := reasons[problems[0].Code]
	if !known || reason == failure.WrongSize && found.Kind != archive.KindSecureBackup {
		reason = failure.BadArchive
	}
	var texts []string
	for _, p := range problems[:min(3, len(problems))] {
		texts = append(texts, strings.TrimPrefix(p.String(), string(archive.Problem)+": "))
	}
	if more := len(problems) + found.Omitted - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return failure.New(failure.Corrupt, reason, "%s: %s: the archive cannot be kept as a backup: %s", s.name, what, strings.Join(texts, "; "))
}

// maxWarnings bounds the warnings beside a success.
const maxWarnings = 20

func warnings(found *archive.Report) []string {
	var out []string
	for i, w := range found.Warnings() {
		if i == maxWarnings {
			return append(out, fmt.Sprintf("and %d more warnings about the archive", len(found.Warnings())-i))
		}
		text := w.Text
		if w.Entry != "" {
			text = w.Entry + ": " + text
		}
		out = append(out, text)
	}
	return out
}
