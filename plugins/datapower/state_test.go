package datapower_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// A target that was quiesced and that the gateway then says nothing, or nothing that is understood, of.
func TestOnlyAnExplicitReadingIsNormal(t *testing.T) {
	t.Parallel()
	const normal, unknown = sdk.StateNormal, sdk.StateUnknown
	type states = map[string]sdk.QuiesceState
	for name, c := range map[string]struct {
		fault  dpsim.Fault
		target sdk.Target
		want   sdk.QuiesceReport
		detail string
	}{
		"idle":                       {dpsim.Fault{Kind: "latency", Duration: "1ms"}, sdk.Target{}, sdk.QuiesceReport{State: normal, Domains: states{"app01": normal, "app02": normal}}, ""},
		"one row without element":    {dpsim.Fault{Kind: "no_quiesce_state", Domain: "app02"}, sdk.Target{}, sdk.QuiesceReport{State: unknown, Domains: states{"app01": normal, "app02": unknown}}, "domain app02 has no QuiesceState"},
		"the domain without element": {dpsim.Fault{Kind: "no_quiesce_state"}, sdk.Target{Domain: "app01"}, sdk.QuiesceReport{State: unknown, Domains: states{"app01": unknown}}, "domain app01 has no QuiesceState"},
		"a word of the device":       {dpsim.Fault{Kind: "quiesce_state_word", Text: "dozing"}, sdk.Target{Domain: "app01"}, sdk.QuiesceReport{State: unknown, Domains: states{"app01": unknown}}, `is "dozing", a word that dprun does not know`},
		"a row missing":              {dpsim.Fault{Kind: "row_missing", Domain: "app02"}, sdk.Target{}, sdk.QuiesceReport{State: normal, Domains: states{"app01": normal}}, ""},
		"all rows missing":           {dpsim.Fault{Kind: "row_missing"}, sdk.Target{}, sdk.QuiesceReport{State: unknown, Domains: states{}}, "lists no domain but default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{c.fault}})
			got := need.Value(g.QuiesceState(testContext(t), c.target))(t)
			detail := got.Detail
			got.Detail = ""
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if !strings.Contains(detail, c.detail) || c.detail == "" && detail != "" {
				t.Errorf("detail %q, want %q in it", detail, c.detail)
			}
		})
	}
}

func TestAReplyThatListsNothingIsNoReading(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 2})
	g.fleet.Clock().Freeze(true)
	need.Done(t, g.Quiesce(testContext(t), sdk.Target{}, time.Minute))
	g.fault(dpsim.Fault{Kind: "no_rows"})
	for _, target := range []sdk.Target{{}, {Domain: "app01"}} {
		_, err := g.QuiesceState(testContext(t), target)
		wantFailure(t, failure.CallQuiesceState, err, failure.Corrupt, failure.BadReply)
	}
	need.Done(t, g.fleet.ClearFaults(dpsim.Fault{}))
	g.fault(dpsim.Fault{Kind: "row_missing", Domain: "app01"})
	_, err := g.QuiesceState(testContext(t), sdk.Target{Domain: "app01"})
	wantFailure(t, failure.CallQuiesceState, err, failure.NotFound, failure.UnknownDomain)
}
