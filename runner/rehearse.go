package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// RehearseRequest asks what the restore of an archive would do to a domain.
type RehearseRequest struct {
	Source  Source
	Plan    string // the plan's name; empty: the only one of the file
	Archive string // the file
	Device  string
	Domain  string
	Unsaved bool // the domain may have changes that were not saved
}

// Rehearse finds out what a restore would do, and changes nothing. It gives
// nothing and no error when the diagnostics say what is wrong with the plan. The
// exit code of the result is 1 where something forbids the restore.
func (r *Runner) Rehearse(ctx context.Context, q RehearseRequest) (*report.Rehearsal, *report.Result, error) {
	res := &report.Result{}
	archive, err := filepath.Abs(q.Archive)
	if err != nil {
		return nil, res, &Error{ExitUsage, err}
	}
	switch info, err := os.Stat(archive); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, res, errorf(ExitUsage, "there is no archive %s", q.Archive)
	case err != nil:
		return nil, res, &Error{ExitUsage, err}
	case !info.Mode().IsRegular():
		return nil, res, errorf(ExitUsage, "%s is no file: give the export of one domain", q.Archive)
	}
	loaded, p, err := r.load(ctx, q.Source, q.Plan, Only{}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	if !slices.ContainsFunc(loaded.Config.Devices, func(d *plan.Device) bool { return d.Name == q.Device }) {
		return nil, res, errorf(ExitUsage, "the plan has no device %q", q.Device)
	}
	op := r.begin(Operation{})
	credentials, err := r.credentials(op.journal)
	if err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	dir, err := os.MkdirTemp(r.state.Work(), "rehearse-")
	if err != nil {
		return nil, res, &Error{ExitUsage, err}
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays is in the state directory, and readable by this user alone
	host := r.startUnlockedHost()
	defer func() { _ = host.Close() }()
	exec := execute.New(execute.Options{Run: "rehearse", PlanName: p.Name, Version: r.Version, Plan: record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact), Plugins: host,
		Credentials: credentials, Clock: r.Clock, Redact: &r.redact, Log: r.Log})
	defer exec.Close()
	found, offered, err := exec.Rehearse(ctx, q.Device, sdk.RehearseRequest{Target: sdk.Target{Domain: q.Domain}, File: archive, Dir: dir, Unsaved: q.Unsaved})
	switch {
	case err != nil:
		return nil, res, err
	case !offered:
		return nil, res, errorf(ExitUsage, "the plugin of device %s does not offer to restore", q.Device)
	}
	out := &report.Rehearsal{Device: q.Device, Domain: q.Domain, Archive: q.Archive, Findings: []sdk.Finding{}, Changes: []sdk.Change{}}
	for _, f := range found.Findings {
		f.Message, f.Remedy, f.Subject = r.redact.Redact(f.Message), r.redact.Redact(f.Remedy), r.redact.Redact(f.Subject)
		out.Refused = out.Refused || f.Level == sdk.LevelError
		out.Findings = append(out.Findings, f)
	}
	slices.SortStableFunc(out.Findings, func(a, b sdk.Finding) int { return gravity(a.Level) - gravity(b.Level) })
	out.Changes = append(out.Changes, found.Changes...)
	if out.Refused {
		res.ExitCode = 1
	}
	return out, res, nil
}
