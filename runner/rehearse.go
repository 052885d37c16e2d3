package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// RehearseRequest asks what the restore of an archive would do to a domain.
type RehearseRequest struct {
	Source  Source
	Plan    string // the plan's name; empty: the only one of the file
	Archive string // a file, or the ID of a set or a prefix of it
	Device  string
	Domain  string
	Unsaved bool // the domain may have unsaved changes
	// Policy is a file with the statements of a deployment policy, in the gateway's
	// own form; empty: none. Variables are the policy's.
	Policy         string
	Variables      map[string]string
	RewriteLocalIP bool // local addresses become those of the interfaces of the same name
	// Failed receives each copy of the set that could not be used.
	Failed func(report.BackupFault)
	Keys   Keys // decrypt what is stored encrypted
}

// Rehearse says what a restore would do, and changes nothing. Of a set it uses
// the export of the saved configuration if there is one, and removes the fetched
// files afterwards. It returns neither a result nor an error if the diagnostics
// say that the plan is wrong. The exit code of the result is 1 if something
// forbids the restore.
func (r *Runner) Rehearse(ctx context.Context, q RehearseRequest) (*report.Rehearsal, *report.Result, error) {
	res := &report.Result{}
	from, err := r.rehearsed(ctx, q, res)
	if err != nil || from == nil {
		return nil, res, err
	}
	defer from.close()
	loaded, p, err := r.load(ctx, q.Source, q.Plan, Only{}, res, secretsOfRestore(q.Device))
	if err != nil || p == nil {
		return nil, res, err
	}
	if deviceOf(loaded, q.Device) == nil {
		return nil, res, errorf(ExitUsage, "the plan has no device %q", q.Device)
	}
	if q.Policy, err = policyFile(q.Policy); err != nil {
		return nil, res, err
	}
	op := r.begin(Operation{})
	credentials, err := r.credentials(op.journal)
	if err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	host := r.startUnlockedHost()
	defer func() { _ = host.Close() }()
	exec := r.restorer(loaded, p, execute.Options{Run: "rehearse", Plugins: host, Credentials: credentials})
	defer exec.Close()
	_, free, err := op.lockDevice(ctx, exec, q.Device, "")
	if err != nil {
		return nil, res, err
	}
	defer free()
	out, err := r.rehearse(ctx, exec, q, from.path)
	if err != nil {
		return nil, res, err
	}
	out.Archive, out.Findings = from.shown, append(from.findings, out.Findings...)
	if out.Refused {
		res.ExitCode = 1
	}
	return out, res, nil
}

func deviceOf(l *Loaded, name string) *plan.Device {
	for _, d := range l.Config.Devices {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// policyFile returns the absolute path of a file with a deployment policy.
func policyFile(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	path, err := filepath.Abs(name)
	if err == nil {
		err = openFile(path)
	}
	if err != nil {
		return "", errorf(ExitUsage, "the deployment policy %s cannot be used: %w", name, err)
	}
	return path, nil
}

// lockDevice locks a device exclusively, under its identity, and returns its
// facts.
func (r *operation) lockDevice(ctx context.Context, exec *execute.Executor, device, run string) (facts *sdk.Facts, free func(), err error) {
	got, err := exec.Do(ctx, engine.Job{Action: lifecycle.Action{ActionID: lifecycle.ActionID{Kind: lifecycle.ActInspect}, Device: device}})
	if err != nil {
		return nil, nil, err
	}
	facts = &got.Inspection.Facts
	free, err = deviceLocks{r.locks, run}.Acquire(ctx, cmp.Or(facts.Identity, device), true, func(holder string) {
		r.Log.Warn("the restore waits for the device", "device", device, "held by", holder)
	})
	return facts, free, err
}

// rehearse asks a device what the import of an archive would do.
func (r *Runner) rehearse(ctx context.Context, exec *execute.Executor, q RehearseRequest, archive string) (*report.Rehearsal, error) {
	dir, err := os.MkdirTemp(r.state.Staging(), "rehearse-")
	if err != nil {
		return nil, &Error{ExitUsage, err}
	}
	defer os.RemoveAll(dir) //nolint:errcheck // dprun runs prune removes what is left
	found, offered, err := exec.Rehearse(ctx, q.Device, sdk.RehearseRequest{Target: sdk.Target{Domain: q.Domain}, File: archive, Dir: dir, Unsaved: q.Unsaved,
		Policy: q.Policy, Variables: q.Variables, RewriteLocalIP: q.RewriteLocalIP})
	switch {
	case err != nil:
		return nil, err
	case !offered:
		return nil, errorf(ExitUsage, "the plugin of device %s does not offer to restore", q.Device)
	}
	out := &report.Rehearsal{Device: q.Device, Domain: q.Domain, Findings: []sdk.Finding{}, Changes: append([]sdk.Change{}, found.Changes...)}
	for _, f := range found.Findings {
		f.Message, f.Remedy, f.Subject = r.redact.Redact(f.Message), r.redact.Redact(f.Remedy), r.redact.Redact(f.Subject)
		out.Refused = out.Refused || f.Level == sdk.LevelError
		out.Findings = append(out.Findings, f)
	}
	slices.SortStableFunc(out.Findings, func(a, b sdk.Finding) int { return gravity(a.Level) - gravity(b.Level) })
	return out, nil
}

// rehearsed is the archive of a rehearsal.
type rehearsed struct {
	path, shown string
	set         string        // ID of the set; empty: the archive is a file
	copy        backups.Copy  // the copy that holds the archive, if it is of a set
	untrusted   string        // why nobody vouches for the set; empty: somebody does, or it is a file
	findings    []sdk.Finding // about the origin of the archive
	up          []string      // services and handlers that were up at the capture of the set
	close       func()
}

// rehearsed finds the archive, or fetches the set. It returns neither a result
// nor an error if the diagnostics say that the plan is wrong.
func (r *Runner) rehearsed(ctx context.Context, q RehearseRequest, res *report.Result) (*rehearsed, error) {
	path, err := filepath.Abs(q.Archive)
	if err != nil {
		return nil, &Error{ExitUsage, err}
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(q.Archive, `/\.`):
		return nil, errorf(ExitUsage, "there is no archive %s", q.Archive)
	case errors.Is(err, fs.ErrNotExist):
		return r.rehearsedSet(ctx, q, res)
	case err != nil:
		return nil, &Error{ExitUsage, err}
	case !info.Mode().IsRegular():
		return nil, errorf(ExitUsage, "%s is not a file: give the export of one domain", q.Archive)
	}
	dir, err := os.MkdirTemp(r.state.Staging(), "archive-")
	if err != nil {
		return nil, &Error{ExitUsage, err}
	}
	own := filepath.Join(dir, "archive.zip")
	if err := copyFile(path, own); err != nil {
		_ = os.RemoveAll(dir)
		return nil, errorf(ExitUsage, "copy the archive %s into the state directory: %w", q.Archive, err)
	}
	return &rehearsed{path: own, shown: q.Archive, findings: []sdk.Finding{}, close: func() { _ = os.RemoveAll(dir) }}, nil
}

// copyFile copies a local file, so that the verified bytes are the ones that are
// used, even if the file changes meanwhile.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it is only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// noSecureBackup refuses a set that is a secure backup, after it has fetched and
// verified it, and says how to bring it back.
func (s *shelves) noSecureBackup(ctx context.Context, q FetchBackupRequest) error {
	copies, err := s.wanted(ctx, q)
	if err != nil {
		return err
	}
	of := copies[0]
	if !slices.ContainsFunc(of.Files, func(f backups.File) bool { return f.Variant == sdk.VariantSecureBackup }) {
		return nil
	}
	q.Dir = s.file()
	if _, err := s.fetch(ctx, q, copies); err != nil {
		return err
	}
	firmware := "that it had"
	var facts sdk.Facts
	if d, err := s.Backup(ctx, of.Set); err == nil && json.Unmarshal(d.Facts, &facts) == nil && facts.Firmware != "" {
		firmware = strings.TrimSpace(facts.Firmware + " " + facts.FirmwareBuild)
	}
	return errorf(1, "set %[1]s is a secure backup of %[2]s, of %[3]s: it was fetched now, and is whole. dprun does not restore it: a secure restore deletes all data of the appliance first. "+
		"What to do: (1) take an appliance of the same machine type, with firmware %[4]s, the same licences and features, and at least the same RAID. "+
		"(2) Get the private key of the certificate from its custodian (recovery_custodian in the plan), and put it there as a crypto identification credential. "+
		"(3) `dprun backups fetch PLAN %[1]s --to DIR`, and copy the files to temporary:///restore/ of the appliance. "+
		"(4) There, in `configure terminal`: `secure-restore CREDENTIAL temporary:///restore/ validate` changes nothing and says whether the restore would work. "+
		"(5) `secure-restore CREDENTIAL temporary:///restore/`; it resets the password of admin. `dprun backups pack` makes a directory with all of this",
		of.Set, of.Device, of.Captured.UTC().Format(time.RFC3339), firmware)
}

func (r *Runner) rehearsedSet(ctx context.Context, q RehearseRequest, res *report.Result) (*rehearsed, error) {
	s, err := r.shelves(ctx, q.Source, q.Plan, "", "restore", res)
	if err != nil || s == nil {
		return nil, err
	}
	fetch := FetchBackupRequest{Set: q.Archive, Keys: q.Keys, Failed: q.Failed}
	if err := s.noSecureBackup(ctx, fetch); err != nil {
		s.close()
		return nil, err
	}
	got, err := s.archive(ctx, fetch, sdk.VariantPersisted)
	if err != nil {
		s.close()
		return nil, err
	}
	out := &rehearsed{path: got.path, shown: "set " + got.set.Set, set: got.set.Set, copy: got.set, findings: []sdk.Finding{}, close: s.close}
	was, err := got.objects()
	if err != nil {
		r.Log.Warn("it is not known what was up at the capture of the set", "set", got.set.Set, "error", err)
	}
	for _, of := range was {
		if of.Domain == got.set.Domain {
			out.up = append(out.up, of.Up...)
		}
	}
	if trusted, why := got.set.Trust(); !trusted {
		out.untrusted = why
		out.findings = append(out.findings, sdk.Finding{Check: "origin", Level: sdk.LevelWarning, Subject: got.set.Set, Message: why,
			Remedy: "compare it with a backup that you trust: dprun diff --sets; a restore of it takes --trust-unsigned"})
	}
	return out, nil
}
