package datapower_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAGatewayIsForDrillsIfItHoldsTheMarkerAndSaysSo(t *testing.T) {
	t.Parallel()
	marked := []dpsim.Domain{{Name: "default", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway"}}}}
	other := []dpsim.Domain{{Name: "default", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway-2"}}}}
	elsewhere := []dpsim.Domain{{Name: "app", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway"}}}}
	const reads = "get-config/LogLabel"
	for name, c := range map[string]struct {
		device dpsim.Device
		want   bool
		unread []string
	}{
		"marked":            {dpsim.Device{Domains: marked}, true, nil},
		"not":               {dpsim.Device{}, false, nil},
		"another name":      {dpsim.Device{Domains: other}, false, nil},
		"in another domain": {dpsim.Device{Domains: elsewhere}, false, nil},
		"refused":           {dpsim.Device{Domains: marked, Faults: []dpsim.Fault{{Kind: "refused", Operation: reads}}}, false, []string{"drill_gateway not_permitted"}},
		"garbled":           {dpsim.Device{Domains: marked, Faults: []dpsim.Fault{{Kind: "garbage", Operation: reads}}}, false, []string{"drill_gateway bad_reply"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, c.device)
			in := need.Value(g.Inspect(testContext(t), sdk.InspectRequest{Drill: true}))(t)
			if diff := cmp.Diff(c.unread, unreadFacts(in)); in.Facts.DrillGateway != c.want || diff != "" {
				t.Errorf("for drills: %v; unread %s", in.Facts.DrillGateway, diff)
			}
			if in := need.Value(g.Inspect(testContext(t), everyDomain))(t); in.Facts.DrillGateway {
				t.Error("it says so unasked")
			}
		})
	}
}
