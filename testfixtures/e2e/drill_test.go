package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const drillPlan = `
locals { gateways = { for d in jsondecode(file("fleet.json")).devices : d.name => d } }
device "datapower" "gw" {
  config {
    host     = local.gateways.gw.host
    port     = local.gateways.gw.port
    username = local.gateways.gw.username
    password = secret_file("gw.pw")
    tls { ca_file = local.gateways.gw.ca_file }
  }
}
device "datapower" "lab" {
  labels = { drill = "yes" }
  config {
    host     = local.gateways.lab.host
    port     = local.gateways.lab.port
    username = local.gateways.lab.username
    password = secret_file("wrong.pw") # drills log in as the restore block says
    tls { ca_file = local.gateways.lab.ca_file }
  }
  restore { password = secret_file("lab.pw") }
}
destination "file" "local" {
  min_free = "1%"
  config { directory = "backups" }
}
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["gw"]
    domains = ["*"]
  }
  drill "weekly" {
    device   = device.datapower.lab
    identity = "7800163/lab"
  }
}
`

// drilled runs a drill, and says of each domain what came of it.
func (s *site) drilled(code int) map[string]string {
	s.t.Helper()
	r := s.open(clock.System{})
	defer r.Close() //nolint:errcheck // nothing is lost
	d, res, err := r.Drill(s.t.Context(), runner.DrillRequest{Source: s.source(), Failed: func(f report.BackupFault) { s.t.Error(f.Why) }, Tried: func(report.DrilledSet) {}})
	if need.Done(s.t, err); d == nil || res.ExitCode != code {
		s.t.Fatalf("exit %d, want %d: %+v, %v", res.ExitCode, code, d, res.Diagnostics)
	}
	out := map[string]string{}
	for _, one := range d.Sets {
		out[one.Domain] = strings.TrimSpace(one.Verdict + " " + strings.Join(one.Why, "; "))
	}
	return out
}

// TestADrillFindsWhatAChecksumDoesNot: of two sets that are whole, one cannot be
// imported. The gateway is left as it was, and nothing on it was set off.
func TestADrillFindsWhatAChecksumDoesNot(t *testing.T) {
	t.Parallel()
	s := startSite(t, dpsim.Scenario{Devices: []dpsim.Device{
		{Name: "gw", Serial: "7800162", Domains: []dpsim.Domain{{Name: "good", Objects: []dpsim.Object{{Class: "MQSourceProtocolHandler", Name: "mq"}, {Class: "TCPProxyService", Name: "tcp"}}},
			{Name: "bad", Objects: []dpsim.Object{{Class: "Matching", Name: "rotten"}}}}},
		{Name: "lab", Serial: "7800163", Domains: []dpsim.Domain{{Name: "default", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway"}}}}},
	}})
	need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "import_object_fails", Device: "lab", File: "Matching/rotten"}))
	s.write("wrong.pw", "wrong")
	s.write("plan.hcl", strings.Replace(drillPlan, "7800163/lab", "7800164/lab", 1))
	r := s.open(clock.System{})
	res := need.Value(r.Apply(context.Background(), s.request()))(t)
	if res.Summary == nil || res.Summary.Succeeded != 3 {
		t.Fatalf("%+v", res.Summary)
	}
	refused := func(plan, why string) {
		t.Helper()
		s.write("plan.hcl", plan)
		_, _, err := r.Drill(t.Context(), runner.DrillRequest{Source: s.source()})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want that %s", err, why)
		}
		for _, d := range s.fleet.State().Devices {
			if d.Operations["set-config"]+d.Operations["do-import"] > 0 {
				t.Errorf("%s was changed: %v", d.Name, d.Operations)
			}
		}
	}
	refused(strings.Replace(drillPlan, "7800163/lab", "7800164/lab", 1), `says that it is "7800163/lab"`)
	refused(strings.NewReplacer("gateways.lab", "gateways.gw", "lab.pw", "gw.pw", "7800163/lab", "7800162/gw").Replace(drillPlan), "plan p backs it up as device gw")
	need.Done(t, r.Close())

	s.write("plan.hcl", drillPlan)
	got := s.drilled(runner.ExitPartly)
	if got["good"] != "proven" || !strings.HasPrefix(got["bad"], "failed Matching rotten: ") {
		t.Errorf("%q", got)
	}
	lab := s.fleet.State().Device("lab")
	for _, d := range lab.Domains {
		if strings.HasPrefix(d.Name, "dprun-") {
			t.Errorf("domain %s is still there", d.Name)
		}
	}
	if len(lab.Started) > 0 || lab.Operations["do-action/SaveConfig"] > 0 || lab.Operations["do-import"] != 2 {
		t.Errorf("it has set off %q, and sent %v", lab.Started, lab.Operations)
	}
	if diff := cmp.Diff([]string{"bad failed true", "good proven true"}, s.imported(runner.ExitPartly)); diff != "" {
		t.Error(diff)
	}
}

// TestADrillImportsOnlyWhatSomebodyVouchesFor: the journal vouches for a copy that the
// plan does not reach any more, and nobody for the one that is found where it does.
func TestADrillImportsOnlyWhatSomebodyVouchesFor(t *testing.T) {
	t.Parallel()
	s := startSite(t, dpsim.Scenario{Devices: []dpsim.Device{
		{Name: "gw", Serial: "7800162", Domains: []dpsim.Domain{{Name: "good"}}},
		{Name: "lab", Serial: "7800163", Domains: []dpsim.Domain{{Name: "default", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway"}}}}},
	}})
	s.write("wrong.pw", "wrong")
	s.write("plan.hcl", drillPlan)
	r := s.open(clock.System{})
	if res := need.Value(r.Apply(context.Background(), s.request()))(t); res.Summary == nil || res.Summary.Failed > 0 {
		t.Fatalf("%+v", res.Summary)
	}
	planted := filepath.Join(s.dir, "elsewhere")
	need.Done(t, os.CopyFS(planted, os.DirFS(filepath.Join(s.dir, "backups"))))
	for _, f := range files(t, planted) {
		if f = filepath.Join(planted, f); strings.HasSuffix(f, backups.Suffix) {
			need.Done(t, os.WriteFile(f, bytes.Replace(need.Value(os.ReadFile(f))(t), []byte(`"read_back"`), []byte(`"sent"`), 1), 0o600))
		}
	}
	s.write("plan.hcl", strings.NewReplacer(`"file" "local"`, `"file" "other"`, "file.local", "file.other", `"backups"`, `"elsewhere"`).Replace(drillPlan))
	found, _, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()})
	if need.Done(t, err); len(found) != 1 || found[0].Entered != 2 {
		t.Fatalf("found %+v", found)
	}
	need.Done(t, r.Close())
	if got := s.drilled(1); !strings.HasPrefix(got["good"], "undecided ") || !strings.Contains(got["good"], "nothing else vouches for it") {
		t.Errorf("%q", got)
	}
	if n := s.fleet.State().Device("lab").Operations["do-import"]; n > 0 {
		t.Errorf("%d archives were imported", n)
	}
}

// imported is what coverage says of the imports.
func (s *site) imported(code int) (out []string) {
	s.t.Helper()
	r := s.open(clock.System{})
	defer r.Close() //nolint:errcheck // nothing is lost
	c, res, err := r.Coverage(s.t.Context(), runner.CoverageRequest{Source: s.source(), MaxAge: time.Hour})
	if need.Done(s.t, err); res.ExitCode != code {
		s.t.Errorf("coverage ends with %d, want %d", res.ExitCode, code)
	}
	for _, of := range c.Subjects {
		if i := of.Import; i != nil {
			out = append(out, fmt.Sprintf("%s %s %v", of.Domain, i.Verdict, i.Same))
		}
	}
	slices.Sort(out)
	return out
}
