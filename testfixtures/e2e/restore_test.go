package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// restorePlan backs up the domains of a device that restores log in to as its own account.
const restorePlan = `
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["orders", "target"]
  }
}
`

// restoreSite has a backup of a domain, and another domain to restore it into.
func restoreSite(t *testing.T, change ...func(*dpsim.Device)) (s *site, set string) {
	t.Helper()
	d := dpsim.Device{Name: "gw", Domains: []dpsim.Domain{
		{Name: "orders", Objects: []dpsim.Object{{Class: "Matching", Name: "both"}, {Class: "LogTarget", Name: "off", State: "disabled"}}},
		{Name: "target", Objects: []dpsim.Object{{Class: "Matching", Name: "mine"}, {Class: "LogTarget", Name: "off"}}},
	}}
	for _, c := range change {
		c(&d)
	}
	s = newSite(t, dpsim.Scenario{Devices: []dpsim.Device{d}})
	s.restore = `restore { username = each.value.username }`
	if res := s.apply(restorePlan); res.ExitCode != 0 {
		t.Fatalf("the backup: exit %d", res.ExitCode)
	}
	s.clock.Advance(time.Minute)
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	for b, err := range r.Backups(t.Context(), runner.BackupsRequest{Domain: "orders"}) {
		need.Done(t, err)
		set = b.Set
	}
	return s, set
}

func (s *site) ask(set string) runner.RestoreRequest {
	return runner.RestoreRequest{Operation: s.operation(), RehearseRequest: runner.RehearseRequest{Source: s.source(), Archive: set, Device: "gw", Domain: "target",
		Failed: func(f report.BackupFault) { s.t.Errorf("%+v", f) }}}
}

func (s *site) restores(q runner.RestoreRequest) (out *report.Restore, res *report.Result, err error) {
	s.run(func(r *runner.Runner) (*report.Result, error) {
		out, res, err = r.Restore(context.Background(), q)
		return &report.Result{}, nil
	})
	return out, res, err
}

func TestARestoreEndsAsTheArchiveHasIt(t *testing.T) {
	t.Parallel()
	s, set := restoreSite(t)
	q := s.ask(set)
	q.Reason = "change 4711"
	var asked report.Rehearsal
	q.Confirm = func(r report.Rehearsal) error { asked = r; return nil }
	out, res, err := s.restores(q)
	if err != nil || out == nil || out.End != "restored" || res.ExitCode != 0 {
		t.Fatalf("%+v, %+v, %v", out, res, err)
	}
	if asked.Device != "gw" || len(asked.Changes) == 0 {
		t.Errorf("asked about %+v", asked)
	}
	if got := files(t, filepath.Join(s.dir, "state", "restores")); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
