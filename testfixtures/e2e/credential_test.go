package e2e

import (
	"fmt"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// TestAPasswordOf120GatewaysIsRefusedOnce: by the gateways' own count, in three
// runs within the hour. A corrected one works at once.
func TestAPasswordOf120GatewaysIsRefusedOnce(t *testing.T) {
	t.Parallel()
	const fleet = 120
	var devices []dpsim.Device
	for i := range fleet {
		devices = append(devices, dpsim.Device{Name: fmt.Sprintf("gw-%03d", i), AppDomains: 1, Username: "backup", Password: "right"})
	}
	s := newSite(t, dpsim.Scenario{Devices: devices})
	passwords := func(text string) {
		for _, d := range devices {
			s.write(d.Name+".pw", text)
		}
	}
	refused := func() (n, asked int) {
		for _, d := range devices {
			st := s.fleet.State().Device(d.Name)
			n, asked = n+st.FailedLogins, asked+st.Total
		}
		return n, asked
	}
	const plan = `
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app01"]
  }
}
`
	passwords("wrong")
	for run := range 3 {
		res := s.apply(plan)
		n, asked := refused()
		if res.ExitCode != 14 || n != 1 || asked != 1 {
			t.Fatalf("run %d: exit %d, %d failed logins and %d requests, want 1 of each", run+1, res.ExitCode, n, asked)
		}
	}
	passwords("right")
	if res := s.apply(plan); res.ExitCode != 0 || res.Summary.Succeeded != fleet {
		t.Errorf("with the right password: exit %d, %+v", res.ExitCode, res.Summary)
	}
	if n, _ := refused(); n != 1 {
		t.Errorf("%d failed logins at the end", n)
	}
}
