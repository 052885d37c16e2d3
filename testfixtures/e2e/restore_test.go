package e2e

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const restorePlan = `
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["orders", "target"]
  }
}
`

// restoreDevice has a domain whose backup is restored into another one, which has
// an object more and one that differs.
var restoreDevice = dpsim.Device{Name: "gw", Timings: &dpsim.Timings{Checkpoint: "1ms"}, Domains: []dpsim.Domain{
	{Name: "orders", Objects: []dpsim.Object{{Class: "Matching", Name: "both"}, {Class: "LogTarget", Name: "off", State: "disabled"}, {Class: "HTTPSourceProtocolHandler", Name: "shop"}}},
	{Name: "target", Objects: []dpsim.Object{{Class: "Matching", Name: "mine"}, {Class: "LogTarget", Name: "off"}}},
}}

// restoreSite is a site with a backup.
func restoreSite(t *testing.T, plan string) (s *site, set string) {
	t.Helper()
	s = startSite(t, dpsim.Scenario{Devices: []dpsim.Device{restoreDevice}}) // the plugin waits for the gateway by itself: that has its own time
	s.restore = `restore { username = each.value.username }`
	if res := s.apply(plan); res.ExitCode != 0 {
		t.Fatalf("the backup: exit %d", res.ExitCode)
	}
	s.clock.Advance(time.Minute) // what is stored is named after its minute
	return s, s.latest("orders").Set
}

// latest is the newest set of a domain.
func (s *site) latest(domain string) (latest report.Backup) {
	s.t.Helper()
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	for b, err := range r.Backups(s.t.Context(), runner.BackupsRequest{Domain: domain, Limit: 1}) {
		need.Done(s.t, err)
		latest = b
	}
	return latest
}

func (s *site) wanting(set string) runner.RestoreRequest {
	return runner.RestoreRequest{Operation: s.operation(), RehearseRequest: runner.RehearseRequest{Source: s.source(), Archive: set, Device: "gw", Domain: "target",
		Failed: func(f report.BackupFault) { s.t.Errorf("%+v", f) }}}
}

func (s *site) restores(q runner.RestoreRequest) (out *report.Restore, res *report.Result, err error) {
	s.t.Helper()
	s.run(func(r *runner.Runner) (*report.Result, error) {
		out, res, err = r.Restore(context.Background(), q)
		return &report.Result{}, nil
	})
	return out, res, err
}

// recovers looks at what is owed, and gives the exit code and what is left.
func (s *site) recovers() (int, []report.Owed) {
	s.t.Helper()
	res := s.run(func(r *runner.Runner) (*report.Result, error) {
		return r.Recover(context.Background(), runner.RecoverRequest{})
	})
	return res.ExitCode, res.Owed
}

// target is the domain that is restored.
func (s *site) target() dpsim.DomainState {
	for _, d := range s.fleet.State().Device("gw").Domains {
		if d.Name == "target" {
			return d
		}
	}
	s.t.Fatal("the domain is gone")
	return dpsim.DomainState{}
}

// imports counts the requests to import, dry runs too.
func (s *site) imports() (n int) {
	for _, r := range s.fleet.Requests() {
		if r.Operation == "do-import" {
			n++
		}
	}
	return n
}

func TestARestoreEndsAsTheArchiveHasIt(t *testing.T) {
	t.Parallel()
	s, set := restoreSite(t, restorePlan)
	q := s.wanting(set)
	q.Reason = "change 4711"
	var asked report.Rehearsal
	q.Confirm = func(r report.Rehearsal) error { asked = r; return nil }
	out, res, err := s.restores(q)
	if err != nil || out == nil || out.End != "restored" || out.Pending || res.ExitCode != 0 {
		t.Fatalf("%+v, %+v, %v", out, res, err)
	}
	if asked.Device != "gw" || len(asked.Changes) == 0 || asked.Archive != "set "+set {
		t.Errorf("asked about %+v", asked)
	}
	way := s.latest("target")
	if way.Set != out.WayBack || way.Run != out.Run || way.Activity != "way-back" || len(way.Copies) != 1 {
		t.Errorf("the way back is listed as %+v", way)
	}
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	d := need.Value(r.Run(t.Context(), out.Run))(t)
	if d.Restore == nil || d.Restore.End != "restored" || d.Restore.Reason != "change 4711" || d.Restore.Set != set || len(d.Restore.Steps) < 10 {
		t.Errorf("kept: %+v", d.Restore)
	}
	if rec := need.Value(r.EvidenceRecord(out.Run))(t); rec.Kind != "restore" || rec.Reason != "change 4711" || rec.Change != "" {
		t.Errorf("the record of evidence: %+v", rec)
	}
	if left := r.Owed(t.Context()); len(left.Owed) > 0 || left.Unknown != nil {
		t.Errorf("owed: %+v", left)
	}
	if got := files(t, filepath.Join(s.dir, "state", "restores")); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	if s.target().SaveNeeded {
		t.Error("it is not saved")
	}
	if d := need.Value(r.Backup(t.Context(), set))(t); len(d.Imports) != 1 || d.Imports[0].Drill || d.Imports[0].Verdict != "proven" || !d.Imports[0].Same {
		t.Errorf("the set is proven by it: %+v", d.Imports)
	}
	s.clock.Advance(time.Minute)
	if again, res, err := s.restores(s.wanting(set)); err != nil || again == nil || again.End != "nothing_to_do" || again.Pending || res.ExitCode != 0 || s.target().SaveNeeded {
		t.Errorf("the same once more: %+v, %+v, %v", again, res, err)
	}
}

// Whatever happens to the import, what is said of the domain is what it is: that
// is asked by restoring once more, and by a rehearsal against the way back.
func TestWhatBecameOfAnImportIsToldAsItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault dpsim.Fault
		end   string
		exit  int
		is    string // what the domain is then: old, new or other
	}{
		"lost when done":     {dpsim.Fault{Kind: "no_reply_but_done", Operation: "do-import"}, "restored_with_faults", 3, "new"},
		"cut before":         {dpsim.Fault{Kind: "close", Operation: "do-import"}, "unchanged", 1, "old"},
		"garbage":            {dpsim.Fault{Kind: "garbage", Operation: "do-import"}, "unchanged", 1, "old"},
		"an object fails":    {dpsim.Fault{Kind: "import_object_fails", File: "Matching/both"}, "unknown", 16, "other"},
		"skipped in silence": {dpsim.Fault{Kind: "import_object_skipped", File: "LogTarget"}, "unknown", 16, "other"},
		"not saved":          {dpsim.Fault{Kind: "refused", Operation: "do-action/SaveConfig"}, "not_saved", 16, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, set := restoreSite(t, restorePlan)
			q := s.wanting(set)
			q.Confirm = func(report.Rehearsal) error { return s.fleet.AddFault(c.fault) }
			out, res, err := s.restores(q)
			if err != nil || out == nil || out.End != c.end || res.ExitCode != c.exit || out.Pending != (c.exit == 16) {
				t.Fatalf("%+v, exit %d, %v", out, res.ExitCode, err)
			}
			need.Done(t, s.fleet.ClearFaults(c.fault))
			if got := s.is(set, out.WayBack); got != c.is {
				t.Errorf("the domain is %s", got)
			}
			if c.exit != 16 {
				return
			}
			if len(res.Owed) != 1 || res.Owed[0].Kind != "restore" || !strings.Contains(res.Owed[0].Note, "dprun restore PLAN "+out.WayBack+" --device gw --domain target --unsaved") {
				t.Errorf("owed: %+v", res.Owed)
			}
			before := s.imports()
			if exit, left := s.recovers(); exit != 16 || len(left) != 1 || left[0].LastError == "" || s.imports() != before {
				t.Errorf("recovered: exit %d, %+v", exit, left)
			}
			s.clock.Advance(time.Minute)
			again := s.wanting(set)
			again.Unsaved = true // what nobody has saved is what the first one left
			if out, _, err := s.restores(again); err != nil || out.End != "restored" {
				t.Fatalf("restored again: %+v, %v", out, err)
			}
			if exit, left := s.recovers(); exit != 0 || len(left) > 0 {
				t.Errorf("in the end: exit %d, %+v", exit, left)
			}
		})
	}
}

// is says what the domain is, by rehearsals against what it was and what was restored.
func (s *site) is(set, wayBack string) string {
	s.t.Helper()
	same := func(archive string) bool {
		q := s.wanting(archive).RehearseRequest
		q.Unsaved = true
		var found *report.Rehearsal
		s.run(func(r *runner.Runner) (*report.Result, error) {
			var err error
			found, _, err = r.Rehearse(context.Background(), q)
			return &report.Result{}, err
		})
		return !slices.ContainsFunc(found.Changes, func(c sdk.Change) bool { return c.Effect == "changed" || c.Effect == "new" })
	}
	switch isNew, isOld := same(set), same(wayBack); {
	case isNew && !isOld:
		return "new"
	case isOld && !isNew:
		return "old"
	}
	return "other"
}

var errNo = errors.New("no")

func TestWhatForbidsARestoreIsAskedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	closed := strings.Replace(restorePlan, "  destinations", "  window = window.day\n  destinations", 1) + `
window "day" {
  allow {
    from = "08:00"
    to   = "09:00"
  }
}
`
	for name, c := range map[string]struct {
		plan   string
		before func(s *site, q *runner.RestoreRequest)
		says   string
		exit   int
	}{
		"outside of the window":    {closed, func(s *site, q *runner.RestoreRequest) {}, "window day is closed", 13},
		"an emergency needs a why": {closed, func(s *site, q *runner.RestoreRequest) { q.Emergency = true }, "--reason", 64},
		"a hold":                   {restorePlan, func(s *site, q *runner.RestoreRequest) { s.hold() }, "on hold", 1},
		"a hold that comes meanwhile": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			q.Confirm = func(report.Rehearsal) error { s.hold(); return nil }
		}, "on hold", 1},
		"no": {restorePlan, func(s *site, q *runner.RestoreRequest) { q.Confirm = func(report.Rehearsal) error { return errNo } }, "no", 1},
		"stopped": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			q.Confirm = func(report.Rehearsal) error { s.stop.Ask("SIGTERM"); return nil }
		}, "SIGTERM", 143},
		"changed since": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			q.Confirm = func(report.Rehearsal) error {
				return s.fleet.Edit(dpsim.Edit{Device: "gw", Domain: "target", SaveNeeded: &[]bool{true}[0], Object: &dpsim.Object{Class: "Matching", Name: "late"}})
			}
		}, "way back", 1},
		"another box since": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			q.Confirm = func(report.Rehearsal) error {
				return s.fleet.AddFault(dpsim.Fault{Kind: "another_device", Operation: "get-status/FirmwareVersion3"})
			}
		}, "another device answers", 1},
		"default": {restorePlan, func(s *site, q *runner.RestoreRequest) { q.Domain = "default" }, "default", 1},
		"nowhere": {restorePlan, func(s *site, q *runner.RestoreRequest) { q.Domain = "nowhere" }, "nowhere", 1},
		"unsaved": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			need.Done(s.t, s.fleet.Edit(dpsim.Edit{Device: "gw", Domain: "target", SaveNeeded: &[]bool{true}[0]}))
		}, "unsaved changes", 1},
		"no way back": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			need.Done(s.t, s.fleet.AddFault(dpsim.Fault{Kind: "corrupt_archive", Operation: "do-export", Skip: 1}))
		}, "way back was not stored", 1},
		"no account": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			s.restore = ""
			s.write("plan.hcl", devices+restorePlan)
		}, "Add a block restore", 64},
		"alone in its group": {restorePlan, func(s *site, q *runner.RestoreRequest) {
			s.write("plan.hcl", strings.Replace(devices, "# restore", "group = \"pair\"\n  "+s.restore, 1)+restorePlan)
		}, "it is not known what serves instead", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, set := restoreSite(t, restorePlan)
			s.write("plan.hcl", strings.Replace(devices, "# restore", s.restore, 1)+c.plan)
			q := s.wanting(set)
			c.before(s, &q)
			dry := 0
			asking := q.Confirm
			q.Confirm = func(r report.Rehearsal) error {
				dry = s.imports()
				if asking != nil {
					return asking(r)
				}
				return nil
			}
			out, res, err := s.restores(q)
			if err == nil && (out == nil || out.End != "refused") || err != nil && !strings.Contains(err.Error(), c.says) || err == nil && !strings.Contains(out.Why, c.says) {
				t.Fatalf("%+v, %v; want %q", out, err, c.says)
			}
			if res.ExitCode != c.exit {
				t.Errorf("exit %d, want %d: %v", res.ExitCode, c.exit, err)
			}
			if dry > 0 && s.imports() != dry || s.target().ImportLog != nil {
				t.Error("something was sent")
			}
			if got := files(t, filepath.Join(s.dir, "state", "pending")); len(got) > 0 {
				t.Errorf("pending: %v", got)
			}
			if got := files(t, filepath.Join(s.dir, "state", "restores")); len(got) > 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

func (s *site) hold() {
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	_ = need.Value(r.Hold(s.t.Context(), runner.HoldRequest{Reason: "maintenance"}))(s.t)
}

// A killed restore is told as what it is by the next process, which repeats nothing.
func TestAKilledRestoreIsLookedAt(t *testing.T) {
	t.Parallel()
	p := newProgram(t, build(t), restorePlan, restoreDevice)
	p.write("plan.hcl", strings.Replace(realDevices, "  config {", "  restore { username = each.value.username }\n  config {", 1)+restorePlan)
	p.exits(0, "apply plan.hcl")
	archives := need.Value(filepath.Glob(filepath.Join(p.dir, "backups/gw/domain/orders/*-persisted.zip")))(t)
	hang := dpsim.Fault{Kind: "hang_headers", Operation: "do-import", Skip: 2} // after both dry runs
	need.Done(t, p.fleet.AddFault(hang))
	restore := "restore plan.hcl " + archives[0] + " --device gw --domain target --yes"
	r := p.start(strings.Fields(restore)...)
	p.await("the import is applied", func() bool {
		return slices.ContainsFunc(p.fleet.State().Device("gw").Domains, func(d dpsim.DomainState) bool { return d.Name == "target" && d.SaveNeeded })
	})
	r.killAll()
	need.Done(t, p.fleet.ClearFaults(hang))
	p.exits(16, "owed", "what became of a restore into domain target is not proven", "to go back to what was there before: dprun restore PLAN ")
	p.exits(0, "runs show latest", "It has not ended: it is under way, or its process is gone.")
	p.exits(16, "apply plan.hcl --only domain=orders", "nightly: SUCCESS, 1 of 1 task succeeded") // backups go on
	p.exits(0, "runs prune --staged-older-than 1ns")
	for _, dir := range []string{"work", "staging"} {
		for _, left := range files(t, filepath.Join(p.state(), dir)) {
			if strings.HasSuffix(left, ".zip") {
				t.Errorf("nobody removes %s: it may hold secrets", left)
			}
		}
	}
	before := len(p.fleet.Requests())
	p.exits(16, "recover", "the domain is as the archive has it, and that is not saved")
	for _, q := range p.fleet.Requests()[before:] {
		if strings.HasPrefix(q.Operation, "do-import") || strings.HasPrefix(q.Operation, "do-action") {
			t.Errorf("recover has asked for %s", q.Operation)
		}
	}
	p.exits(0, restore+" --unsaved", "Restored: the domain is as the archive has it, and that is saved.")
	p.exits(0, "owed", "Nothing is left to undo")
	if left := files(t, filepath.Join(p.state(), "restores")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
