package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestAFailuresMessageGivesTheGatewaysAddress: the device is named as in the
// plan, with where it was reached; nothing calls the address a device.
func TestAFailuresMessageGivesTheGatewaysAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, code, after, say string }{
		{"an answer that is an error", "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", ": export domain app01", "look at the gateway's log"},
		{"nothing answers", "SKIPPED_DEVICE_NOT_AVAILABLE", ": inspect: ", "no connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
			gw := s.fleet.Ready().Devices[0]
			address := gw.Host + ":" + strconv.Itoa(gw.Port)
			switch c.name {
			case "an answer that is an error":
				need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "error_result", Operation: "do-export"}))
			case "nothing answers":
				need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "go_down"}))
			}
			res := s.apply(quiescing)
			if res.Summary == nil || len(res.Summary.Tasks) != 1 {
				t.Fatalf("exit %d, %+v", res.ExitCode, res.Summary)
			}
			k := res.Summary.Tasks[0]
			if k.Code != c.code || k.Device != "gw" || !strings.HasPrefix(k.Message, "device gw: "+address+c.after) ||
				strings.Contains(k.Message, "device "+gw.Host) || !strings.Contains(k.Message, c.say) {
				t.Errorf("%s of %s: %q", k.Code, k.Device, k.Message)
			}
		})
	}
}
