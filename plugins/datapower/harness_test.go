package datapower_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// gateway is a simulated device with the source that talks to it.
type gateway struct {
	sdk.Source
	t     *testing.T
	fleet *dpsim.Fleet
}

const gatewayName = "gw"

var everyDomain = sdk.InspectRequest{Domains: []string{"*"}}

// newGateway starts a device. change may alter the configuration of the source.
func newGateway(t *testing.T, d dpsim.Device, change ...func(*datapower.Config)) *gateway {
	t.Helper()
	return newGateways(t, map[string]dpsim.Device{gatewayName: d}, change...)[gatewayName]
}

// newGateways starts a fleet.
func newGateways(t *testing.T, devices map[string]dpsim.Device, change ...func(*datapower.Config)) map[string]*gateway {
	t.Helper()
	scenario := dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		d := devices[name]
		d.Name = name
		scenario.Devices = append(scenario.Devices, d)
	}
	fleet := need.Value(dpsim.Start(context.Background(), scenario))(t)
	t.Cleanup(fleet.Close)
	out := map[string]*gateway{}
	for name := range devices {
		ready := fleet.Device(name)
		c := datapower.Config{
			Host: ready.Host, Port: ready.Port, Username: ready.Username, Password: ready.Password, Path: "/service/mgmt/current",
			ConnectTimeout: 5 * time.Second, StallTimeout: 5 * time.Second, TLS: &datapower.TLSConfig{CAFile: ready.CAFile, MinVersion: "1.2"},
		}
		for _, f := range change {
			f(&c)
		}
		s, err := datapower.Configure(c, sdk.Env{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		out[name] = &gateway{Source: s, t: t, fleet: fleet}
	}
	return out
}

// fault makes the device fail.
func (g *gateway) fault(f dpsim.Fault) {
	g.t.Helper()
	need.Done(g.t, g.fleet.AddFault(f))
}

func (g *gateway) requests() int { return len(g.fleet.Requests()) }

// capture makes a capture in a fresh directory and returns it with the directory.
func (g *gateway) capture(activity, domain, variant string, config cty.Value) (*sdk.Capture, string, error) {
	g.t.Helper()
	dir := g.t.TempDir()
	got, err := g.Capture(testContext(g.t), sdk.CaptureRequest{
		Activity: activity, Config: config, Target: sdk.Target{Domain: domain}, Variant: variant, Dir: dir, Owner: "run/task",
	}, func(sdk.CaptureProgress) {})
	return got, dir, err
}

// config makes the configuration of an activity; what is not named is null.
func config(activity string, set map[string]string) cty.Value {
	for _, a := range datapower.Plugin().Schema().Sources[0].Activities {
		if a.Name != activity {
			continue
		}
		values := map[string]cty.Value{}
		for name, typ := range a.Config.ImpliedType().AttributeTypes() {
			values[name] = cty.NullVal(typ)
			if v, ok := set[name]; ok {
				values[name] = cty.StringVal(v)
			}
		}
		return cty.ObjectVal(values)
	}
	panic("no activity " + activity)
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wantFailure checks kind and reason, that the call may give the reason, and that no secret is told.
func wantFailure(t *testing.T, call failure.Call, err error, kind failure.Kind, reason failure.Reason) {
	t.Helper()
	var f *failure.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Reason != reason {
		t.Errorf("failure %+v (%v), want %s/%s", f, err, kind, reason)
		return
	}
	allowed := false
	for _, r := range failure.Reasons(call) {
		allowed = allowed || r == reason
	}
	if !allowed {
		t.Errorf("call %s must not give reason %q", call, reason)
	}
	if strings.Contains(f.Error(), "dpsim-"+gatewayName) {
		t.Errorf("the failure holds the password: %v", f)
	}
}

func diagnosticPaths(ds []schema.Diagnostic) []string {
	var out []string
	for _, d := range ds {
		out = append(out, strings.Join(d.Path, "."))
	}
	return out
}
