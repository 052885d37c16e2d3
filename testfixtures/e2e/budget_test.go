package e2e

import (
	"fmt"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// An export task costs a gateway as many requests as on any other gateway,
// however many domains that has, and 40 at most.
func TestTheRequestsOfAnExportDoNotGrowWithTheGateway(t *testing.T) {
	t.Parallel()
	for name, quiesce := range map[string]string{"in service": "", "quiesced": `quiesce = "domain"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "few", AppDomains: 5}, {Name: "many", AppDomains: 200}}})
			res := s.apply(fmt.Sprintf(`
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app01", "app02", "app03", "app04", "app05"]
    %s
  }
}
`, quiesce))
			if res.ExitCode != 0 || res.Summary == nil || res.Summary.Succeeded != 10 {
				t.Fatalf("exit %d, summary %+v", res.ExitCode, res.Summary)
			}
			few, many := s.fleet.State().Device("few"), s.fleet.State().Device("many")
			t.Logf("5 domains: %d requests for 5 tasks; 200 domains: %d; %v", few.Total, many.Total, many.Operations)
			for _, d := range []dpsim.DeviceState{few, many} {
				if d.Total > 40*5 {
					t.Errorf("%s got %d requests for 5 tasks: %v", d.Name, d.Total, d.Operations)
				}
			}
			if low, high := min(few.Total, many.Total), max(few.Total, many.Total); float64(high-low) >= 0.1*float64(low) {
				t.Errorf("%d requests with 5 domains, %d with 200: %v", few.Total, many.Total, many.Operations)
			}
		})
	}
}
