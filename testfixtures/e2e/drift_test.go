package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// TestADriftOnlyReads: of a plan that quiesces, and makes a secure backup, it
// reads and exports, and does nothing else to a gateway.
func TestADriftOnlyReads(t *testing.T) {
	t.Parallel()
	plan := strings.Replace(secureBackup, "  activity", `  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["app*"]
    quiesce = "domain"
  }
  activity`, 1)
	p := newProgram(t, build(t), plan, dpsim.Device{Name: "gw", AppDomains: 1, Certificates: []dpsim.Certificate{{Name: "backup"}},
		SecureBackup: &dpsim.SecureBackup{Files: []dpsim.BackupFile{{Name: "part1.tgz", Size: "1MB"}}}})
	if exit, out := p.start("apply", "--yes", "plan.hcl").wait(); exit != 0 {
		t.Fatalf("exit %d:\n%s", exit, out)
	}
	before := len(p.fleet.Requests())
	exit, out := p.start("diff", "--exit-code", "--drift", "plan.hcl").wait()
	if exit != 0 || !strings.Contains(out, "gw: a secure backup is encrypted and cannot be compared\n") || !strings.Contains(out, "gw/app01: as in set ") {
		t.Errorf("exit %d:\n%s", exit, out)
	}
	did := map[string]bool{}
	for _, r := range p.fleet.Requests()[before:] {
		operation, _, _ := strings.Cut(r.Operation, "/")
		did[operation] = true
	}
	if d := cmp.Diff([]string{"do-export", "get-config", "get-filestore", "get-status"}, slices.Sorted(maps.Keys(did))); d != "" {
		t.Errorf("what was asked of the gateway (-want +got):\n%s", d)
	}
}
