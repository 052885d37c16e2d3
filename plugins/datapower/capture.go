package datapower

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// progressEvery bounds how often progress is told.
const progressEvery = 250 * time.Millisecond

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

// export receives an archive into the directory: one request. On a refusal a second one tells whether the domain is still there.
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
	file, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, s.staging(err, what)
	}
	defer file.Close() //nolint:errcheck // closed and checked below where it matters
	got, err := s.receive(ctx, r, backup, file, throttled(emit))
	if err != nil {
		return nil, s.exportFailure(ctx, r, err, what)
	}
	// Durable before it is verified: what follows reads it again from the start.
	if err := file.Sync(); err != nil {
		return nil, s.staging(err, what)
	}
	if err := file.Close(); err != nil {
		return nil, s.staging(err, what)
	}
	emit(sdk.CaptureProgress{Bytes: got.Size, Total: got.Size, Message: fmt.Sprintf("%s: received %d bytes; verifying", what, got.Size)})
	found, err := archive.Verifier{TempDir: s.temp, Memo: s.memo}.VerifyFile(ctx, file.Name())
	if err != nil {
		return nil, s.unread(ctx, err, what)
	}
	if f := s.unfit(found, what); f != nil {
		return nil, f
	}
	out := &sdk.Capture{Artifacts: []sdk.Artifact{{Name: name, Size: got.Size, SHA256: got.SHA256}}, Warnings: warnings(found)}
	if !r.Target.Device() && len(found.Domains) == 1 && found.Domains[0] != r.Target.Domain {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the archive says that it is of domain %q", found.Domains[0]))
	}
	s.log.Debug("export verified", "domain", r.Target.Domain, "variant", r.Variant, "bytes", got.Size, "entries", found.Entries, "hashed", found.Hashed)
	return out, nil
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

// throttled passes progress on a few times a second.
func throttled(emit func(sdk.CaptureProgress)) func(int64) {
	var last time.Time
	return func(n int64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			emit(sdk.CaptureProgress{Bytes: n})
		}
	}
}

// exportFailure says why no archive came.
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

// unfit turns what is wrong with an archive into a failure, or returns nil.
func (s *source) unfit(found *archive.Report, what string) *failure.Error {
	problems := found.Problems()
	if len(problems) == 0 {
		return nil
	}
	reason := failure.BadArchive
	switch problems[0].Code {
	case archive.CodeHash:
		reason = failure.WrongHash
	case archive.CodeMissing:
		reason = failure.MissingFile
	case archive.CodeSize:
		if found.Kind == archive.KindSecureBackup {
			reason = failure.WrongSize
		}
	}
	var texts []string
	for _, p := range problems[:min(3, len(problems))] {
		texts = append(texts, strings.TrimPrefix(p.String(), string(archive.Problem)+": "))
	}
	if more := len(problems) + found.Omitted - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return failure.New(failure.Corrupt, reason, "%s: %s: the archive is not whole: %s", s.name, what, strings.Join(texts, "; "))
}

// maxWarnings bounds what stands beside a success.
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
