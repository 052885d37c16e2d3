package pluginhost_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// gateway is a source whose process ends on every call but a few: those that
// may be made before it does are files in its directory.
type gateway struct{ dir string }

type gatewayConfig struct {
	Dir string `dprun:"dir,required"`
}

func gateways() sdk.Plugin {
	return sdk.Plugin{Name: "gateway", Version: "1.2.3", Sources: []sdk.SourceType{
		sdk.NewSource(schema.SourceType{Name: "gateway"}, func(_ context.Context, c gatewayConfig, _ sdk.Env) (*gateway, error) { return &gateway{c.Dir}, nil }, nil,
			sdk.NewActivity[struct{}](schema.Activity{Name: "snapshot", Scope: schema.ScopeDomain}, nil))}}
}

// survive uses a file up, or ends the process.
func (g *gateway) survive(call string) {
	if os.Remove(filepath.Join(g.dir, call)) != nil {
		os.Exit(3)
	}
}

func (g *gateway) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	g.survive("inspect")
	return &sdk.Inspection{}, nil
}

func (g *gateway) Check(context.Context, sdk.CheckRequest) (*sdk.CheckReport, error) {
	g.survive("check")
	return &sdk.CheckReport{}, nil
}

func (g *gateway) Quiesce(context.Context, sdk.Target, time.Duration) error {
	g.survive("quiesce")
	return nil
}

func (g *gateway) Unquiesce(context.Context, sdk.Target) error {
	g.survive("unquiesce")
	return nil
}

func (g *gateway) QuiesceState(context.Context, sdk.Target) (*sdk.QuiesceReport, error) {
	g.survive("state")
	if os.Remove(filepath.Join(g.dir, "quiesced")) == nil {
		return &sdk.QuiesceReport{State: sdk.StateQuiesced}, nil
	}
	return &sdk.QuiesceReport{State: sdk.StateNormal}, nil
}

func (g *gateway) Capture(context.Context, sdk.CaptureRequest, func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	g.survive("capture")
	return &sdk.Capture{}, nil
}

func (g *gateway) Discard(context.Context, string) error {
	g.survive("discard")
	return nil
}

func (g *gateway) Health(context.Context, sdk.HealthRequest) (*sdk.HealthReport, error) {
	g.survive("health")
	return &sdk.HealthReport{}, nil
}

func (g *gateway) Close() error { return nil }

// wornOut is a source whose plugin has gone away as often as it may.
func wornOut(t *testing.T) (s sdk.Source, allow func(call string)) {
	t.Helper()
	dir := t.TempDir()
	h, _ := newHost(t, func(o *pluginhost.Options) { o.Bundled["gateway"] = gateways })
	s, err := h.Source(t.Context(), "gateway", cty.ObjectVal(map[string]cty.Value{"dir": cty.StringVal(dir)}))
	if err != nil {
		t.Fatal(err)
	}
	wearOut(t, s, 4)
	return s, func(call string) {
		need.Done(t, os.WriteFile(filepath.Join(dir, call), nil, 0o600))
	}
}

func wearOut(t *testing.T, s sdk.Source, crashes int) {
	t.Helper()
	for range crashes {
		_, err := s.Inspect(t.Context(), sdk.InspectRequest{})
		wantFailure(t, err, failure.Internal, failure.Crashed, "exit status 3", "gateway 1.2.3", "twice during this call")
	}
	_, err := s.Inspect(t.Context(), sdk.InspectRequest{})
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "not started again")
}

func TestAnOwedUnquiesceGetsAProcessHoweverOftenThePluginWentAway(t *testing.T) {
	t.Parallel()
	s, allow := wornOut(t)
	target := sdk.Target{Domain: "orders"}
	_, err := s.QuiesceState(t.Context(), target) // nothing is owed yet
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "not started again")
	for range 2 {
		err := s.Unquiesce(t.Context(), target)
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 3")
	}
	allow("unquiesce")
	if err := s.Unquiesce(t.Context(), target); err != nil {
		t.Fatalf("unquiesce: %v", err)
	}
	for range 2 { // nor is it seen back in service at once
		_, err := s.QuiesceState(t.Context(), target)
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 3")
	}
	for _, want := range []sdk.QuiesceState{sdk.StateQuiesced, sdk.StateNormal} {
		allow("state")
		if want == sdk.StateQuiesced {
			allow("quiesced")
		}
		if r, err := s.QuiesceState(t.Context(), target); err != nil || r.State != want {
			t.Fatalf("state %v, %v; want %s", r, err, want)
		}
	}
	// It is back, and nothing but its health is owed any more: the limit counts
	// again, from the process that has served.
	wearOut(t, s, 5)
	_, err = health(t, s, target)
	wantFailure(t, err, failure.Internal, failure.Crashed, "exit status 3")
	allow("health")
	if _, err := health(t, s, target); err != nil {
		t.Fatalf("health: %v", err)
	}
	wearOut(t, s, 5)
	if err := s.Quiesce(t.Context(), target, time.Minute); err == nil {
		t.Fatal("a quiesce got a process")
	}
	for name, call := range map[string]func() error{
		"quiesce": func() error { return s.Quiesce(t.Context(), target, time.Minute) },
		"state":   func() error { _, err := s.QuiesceState(t.Context(), target); return err },
		"inspect": func() error { _, err := s.Inspect(t.Context(), sdk.InspectRequest{}); return err },
		"health":  func() error { _, err := health(t, s, target); return err },
	} {
		err := call()
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "not started again")
		if t.Failed() {
			t.Fatalf("%s after the way back", name)
		}
	}
}

func health(t *testing.T, s sdk.Source, target sdk.Target) (*sdk.HealthReport, error) {
	t.Helper()
	h, ok := sdk.As[sdk.Healther](s)
	if !ok {
		t.Fatal("the source does not tell its health")
	}
	return h.Health(t.Context(), sdk.HealthRequest{Target: target})
}

func TestAnOwedRemovalGetsAProcessHoweverOftenThePluginWentAway(t *testing.T) {
	t.Parallel()
	s, allow := wornOut(t)
	err := s.Discard(t.Context(), "temporary:///x")
	wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 3")
	allow("discard")
	if err := s.Discard(t.Context(), "temporary:///x"); err != nil {
		t.Errorf("discard: %v", err)
	}
}
