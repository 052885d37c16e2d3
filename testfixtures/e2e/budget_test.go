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
	five := `"app01", "app02", "app03", "app04", "app05"`
	for name, c := range map[string]struct {
		domains, quiesce string
		differ           float64 // by less than this part
	}{
		"five, in service": {five, "", 0.1}, "all, in service": {`"*"`, "", 0.1},
		// How often a state is polled, and whether a device is looked at again, is a matter of time.
		"five, quiesced": {five, `quiesce = "domain"`, 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "few", AppDomains: 5}, {Name: "many", AppDomains: 200}}})
			res := s.apply(fmt.Sprintf(`
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = [%s]
    %s
  }
}
`, c.domains, c.quiesce))
			if res.ExitCode != 0 || res.Summary == nil {
				t.Fatalf("exit %d, summary %+v", res.ExitCode, res.Summary)
			}
			mean := map[string]float64{}
			for _, d := range s.fleet.State().Devices {
				if d.Operations["do-export"] < 5 {
					t.Fatalf("%s: %v", d.Name, d.Operations)
				}
				mean[d.Name] = float64(d.Total) / float64(d.Operations["do-export"])
				t.Logf("%s: %d exports, %.2f requests each: %v", d.Name, d.Operations["do-export"], mean[d.Name], d.Operations)
				if mean[d.Name] > 40 {
					t.Errorf("%s got %.1f requests for an export", d.Name, mean[d.Name])
				}
			}
			if low, high := min(mean["few"], mean["many"]), max(mean["few"], mean["many"]); high-low >= c.differ*low {
				t.Errorf("an export takes %.2f requests with 5 domains and %.2f with 200", mean["few"], mean["many"])
			}
		})
	}
}
