package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
	"github.com/dprun/dprun/sdk/schema"
)

// rude is a plugin written without our SDK, which breaks the protocol in the
// way that the path says.
type rude struct {
	pluginv1.UnimplementedPluginServer
	pluginv1.UnimplementedDestinationServer
}

type config struct {
	Name string `dprun:"name"`
}

func (rude) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeReply, error) {
	raw, err := json.Marshal(schema.Plugin{Name: "rude", Destinations: []schema.DestinationType{{Name: "rude", Config: schema.MustOf[config]()}}})
	return &pluginv1.DescribeReply{Schema: raw}, err
}

func (rude) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureReply, error) {
	return &pluginv1.ConfigureReply{Instance: 1}, nil
}

func (rude) Store(r *pluginv1.StoreRequest, stream pluginv1.Destination_StoreServer) error {
	done := &pluginv1.StoreEvent{Done: &pluginv1.StoreReport{Size: 1}}
	switch r.Path {
	case "no done":
		return stream.Send(&pluginv1.StoreEvent{Bytes: 1})
	case "two dones":
		return errors.Join(stream.Send(done), stream.Send(done))
	case "done and error":
		return errors.Join(stream.Send(done), status.Error(codes.Internal, "after all"))
	case "unavailable":
		return status.Error(codes.Unavailable, "gone")
	case "untyped":
		return status.Error(codes.Unknown, "what")
	case "unknown kind":
		return detailed(999, pluginv1.Reason_REASON_MISMATCH)
	case "reason of another call":
		return detailed(pluginv1.FailureKind_FAILURE_KIND_CORRUPT, pluginv1.Reason_REASON_DEVICE_BUSY)
	case "typed":
		return detailed(pluginv1.FailureKind_FAILURE_KIND_CORRUPT, pluginv1.Reason_REASON_MISMATCH)
	case "deaf":
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return stream.Send(done)
}

func detailed(kind pluginv1.FailureKind, reason pluginv1.Reason) error {
	st, err := status.New(codes.Unknown, "m").WithDetails(&pluginv1.Failure{Kind: kind, Reason: reason, Message: "m", Remedy: "r"})
	return errors.Join(err, st.Err())
}

func dialRude(t *testing.T) sdk.Destination {
	t.Helper()
	return dial(t, rude{})
}

func dial(t *testing.T, served pluginv1.PluginServer) sdk.Destination {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer()
	pluginv1.RegisterPluginServer(g, served)
	pluginv1.RegisterDestinationServer(g, rude{})
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient("passthrough:///rude", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := client.New(conn, nil)
	p.SetGrace(500 * time.Millisecond)
	d, err := p.ConfigureDestination(t.Context(), "rude", cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n")}))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBrokenProtocolIsAFailure(t *testing.T) {
	t.Parallel()
	d := dialRude(t)
	type class struct {
		Kind   failure.Kind
		Reason failure.Reason
	}
	broken := class{failure.Internal, failure.Protocol}
	tests := map[string]class{
		"":                       {},
		"no done":                broken,
		"two dones":              broken,
		"done and error":         broken,
		"untyped":                broken,
		"unknown kind":           {failure.Internal, failure.Mismatch},
		"unavailable":            {failure.Unavailable, failure.Crashed},
		"reason of another call": {failure.Corrupt, ""},
		"typed":                  {failure.Corrupt, failure.Mismatch},
	}
	for path, want := range tests {
		var got class
		rep, err := d.Store(t.Context(), sdk.StoreRequest{Path: path}, nil)
		if f, ok := errors.AsType[*failure.Error](err); ok {
			got = class{f.Kind, f.Reason}
		}
		if got != want || (err == nil) != (rep != nil) {
			t.Errorf("%q: got %v, %v, want %v", path, got, err, want)
		}
	}
	_, err := d.Check(t.Context())
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Reason != failure.Protocol {
		t.Errorf("a call that is not offered: %v", err)
	}
}

func TestAPluginThatCannotCancelIsCutOff(t *testing.T) {
	t.Parallel()
	d := dialRude(t)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Store(ctx, sdk.StoreRequest{Path: "deaf"}, nil)
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.Timeout {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// device answers with fixed values and keeps what it was asked.
type device struct {
	asked []any
}

func inspection() *sdk.Inspection {
	at := time.Date(2026, 11, 23, 1, 2, 3, 4000, time.UTC)
	return &sdk.Inspection{
		Facts: sdk.Facts{
			Identity: "i", DeviceName: "d", Serial: "s", Model: "m", Firmware: "f", FirmwareBuild: "b", Container: true, BackupMode: "secure",
			Space:          sdk.Space{FreeTemporary: 1, TotalTemporary: 2, FreeInternal: 3, TotalInternal: -1},
			CurrentCommand: "cmd", Clock: at, TLSFingerprint: "ff", Extra: map[string]any{"k": []any{"v", 1.0}},
		},
		Domains: []sdk.Domain{{Name: "default", QuiesceState: sdk.StateNormal, SaveNeeded: true, APIConnect: true, CurrentCommand: "x"}},
	}
}

func checkReport() *sdk.CheckReport {
	return &sdk.CheckReport{
		Quiesce: sdk.QuiesceReport{State: sdk.StateQuiesced, Domains: map[string]sdk.QuiesceState{"a": sdk.StateQuiesced}}, SaveNeeded: true, CurrentCommand: "c",
		Space: sdk.Space{FreeInternal: 5}, Variants: []string{"persisted", "running"}, Estimate: 9, Token: "t", Warnings: []string{"w"},
		Role: sdk.RoleActive, RoleDetail: "g", APIConnect: []string{"apic"}, APIConnectUnknown: "u", Busy: true, BusyWith: []string{"b"}, KeepTemporary: 6, Leftovers: []string{"l"},
	}
}

func capture() *sdk.Capture {
	return &sdk.Capture{Artifacts: []sdk.Artifact{{Name: "a.zip", Size: 3, SHA256: "aa"}}, Warnings: []string{"w"}, Token: "t", Withheld: []string{"cert/k"}}
}

func (d *device) Inspect(_ context.Context, r sdk.InspectRequest) (*sdk.Inspection, error) {
	d.asked = append(d.asked, r)
	return inspection(), nil
}

func (d *device) Check(_ context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	d.asked = append(d.asked, r)
	return checkReport(), nil
}
func (d *device) Quiesce(_ context.Context, t sdk.Target, timeout time.Duration) error {
	d.asked = append(d.asked, t, timeout)
	return nil
}
func (d *device) Unquiesce(_ context.Context, t sdk.Target) error {
	d.asked = append(d.asked, t)
	return failure.New(failure.Denied, failure.BadCredentials, "unquiesce: no").WithRemedy("do")
}
func (d *device) QuiesceState(context.Context, sdk.Target) (*sdk.QuiesceReport, error) {
	return &sdk.QuiesceReport{State: "dancing"}, nil
}
func (d *device) Capture(_ context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	d.asked = append(d.asked, r)
	for i := range int64(1000) {
		emit(sdk.CaptureProgress{Bytes: i})
	}
	emit(sdk.CaptureProgress{Bytes: 1000, Token: "t"})
	emit(sdk.CaptureProgress{Bytes: 1001, Token: "t", DeviceDone: true})
	emit(sdk.CaptureProgress{Bytes: 1002, Total: 7, Token: "t", DeviceDone: true, Message: "m"})
	return capture(), nil
}
func (d *device) Discard(_ context.Context, token string) error {
	d.asked = append(d.asked, token)
	return nil
}
func (d *device) Close() error { d.asked = append(d.asked, "close"); return nil }

// shelf is a destination that reports what it was told to.
type shelf struct {
	sdk.Destination
	report sdk.StoreReport
	state  sdk.DestinationReport
}

func (s *shelf) Check(context.Context) (*sdk.DestinationReport, error) { return &s.state, nil }

func (s *shelf) Store(context.Context, sdk.StoreRequest, func(int64)) (*sdk.StoreReport, error) {
	return &s.report, nil
}

func TestADestinationsReportsAreTheSameOnBothEnds(t *testing.T) {
	t.Parallel()
	state := sdk.DestinationReport{Free: 1, Total: 2, Location: "l", WriteOnly: "no", Warnings: []string{"w"}}
	for _, want := range []sdk.StoreReport{
		{Location: "l", Size: 3, SHA256: "aa", Verified: sdk.VerifySent, Warnings: []string{"it has mode 0644"}},
		{Durable: true}, {ModeKept: true}, {Existed: true},
	} {
		p, stop, err := conformance.Serve(sdk.Plugin{Name: "shelf", Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: "shelf"},
			func(context.Context, config, sdk.Env) (sdk.Destination, error) {
				return &shelf{report: want, state: state}, nil
			}, nil)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		d, err := p.ConfigureDestination(t.Context(), "shelf", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
		if err != nil {
			t.Fatal(err)
		}
		checked, err := d.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&state, checked); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		got, err := d.Store(t.Context(), sdk.StoreRequest{Path: "p"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// sweeping can do one thing beyond storing.
type sweeping struct{ shelf }

func (s *sweeping) Sweep(_ context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	return &sdk.SweepReport{Removed: []string{r.Owner}}, nil
}

// summing reads one object, and tells how far it is.
type summing struct{ shelf }

func (s *summing) Leftovers(_ context.Context, prefix string) ([]sdk.Object, error) {
	return []sdk.Object{{Path: prefix + "/.dprun-x", Size: 2}}, nil
}

func (s *summing) Sum(_ context.Context, path string, progress func(int64)) (*sdk.FetchReport, error) {
	if path != "there" {
		return nil, failure.New(failure.NotFound, failure.NoSuchFile, "read %s: it is not there", path)
	}
	progress(3)
	return &sdk.FetchReport{Size: 3, SHA256: "aa"}, nil
}

func TestASumIsTheSameOnBothEnds(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "shelf", Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: "shelf"},
		func(context.Context, config, sdk.Env) (*summing, error) { return &summing{}, nil }, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if s, err := p.Describe(t.Context()); err != nil || !slices.Contains(s.Destinations[0].Abilities, schema.AbilitySum) {
		t.Fatalf("described %+v, %v", s, err)
	}
	d, err := p.ConfigureDestination(t.Context(), "shelf", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	summer, ok := sdk.As[sdk.Summer](d)
	if !ok {
		t.Fatal("it gives no sums")
	}
	if r, err := summer.Sum(t.Context(), "there", nil); err != nil || *r != (sdk.FetchReport{Size: 3, SHA256: "aa"}) {
		t.Errorf("the sum is %+v, %v", r, err)
	}
	if left, err := d.(sdk.LeftoverLister).Leftovers(t.Context(), "a"); err != nil || len(left) != 1 || left[0].Path != "a/.dprun-x" || left[0].Size != 2 {
		t.Errorf("the leftovers are %v, %v", left, err)
	}
	if _, err := d.(sdk.Lister).List(t.Context(), "a"); err == nil {
		t.Error("it lists what it keeps, which it does not offer")
	}
	for path, kind := range map[string]failure.Kind{"gone": failure.NotFound, "../out": failure.Precondition} {
		if _, err := summer.Sum(t.Context(), path, nil); failure.From(err).Kind != kind {
			t.Errorf("the sum of %s fails as %v, want %s", path, err, kind)
		}
	}
}

func TestWhatADestinationOffersIsKnownOnBothEnds(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "shelf", Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: "shelf"},
		func(context.Context, config, sdk.Env) (*sweeping, error) { return &sweeping{}, nil }, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.Ability{schema.AbilitySweep}, s.Destinations[0].Abilities); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
	d, err := p.ConfigureDestination(t.Context(), "shelf", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	sweeper, ok := sdk.As[sdk.Sweeper](d)
	if !ok {
		t.Fatal("it does not sweep")
	}
	if r, err := sweeper.Sweep(t.Context(), sdk.SweepRequest{Owner: "me"}); err != nil || len(r.Removed) != 1 || r.Removed[0] != "me" {
		t.Errorf("swept %+v, %v", r, err)
	}
	if _, ok := sdk.As[sdk.Lister](d); ok {
		t.Error("it lists")
	}
	_, err = d.(sdk.Lister).List(t.Context(), "") // whoever does not ask before
	if f := failure.From(err); err == nil || f.Kind != failure.Precondition || f.Reason != failure.Unsupported {
		t.Errorf("listing: %v", err)
	}
}

// patient says how long its calls may take.
type patient struct{ shelf }

func (p *patient) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	at, _ := ctx.Deadline()
	return &sdk.DestinationReport{Free: int64(time.Until(at))}, nil
}

func (p *patient) Store(ctx context.Context, _ sdk.StoreRequest, _ func(int64)) (*sdk.StoreReport, error) {
	at, _ := ctx.Deadline()
	return &sdk.StoreReport{Size: int64(time.Until(at))}, nil
}

func TestAPluginKnowsWhenItsCallsAreGivenUp(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "shelf", Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: "shelf"},
		func(context.Context, config, sdk.Env) (*patient, error) { return &patient{}, nil }, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	d, err := p.ConfigureDestination(t.Context(), "shelf", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	deadline, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for what, ctx := range map[string]context.Context{"a deadline": deadline, "a limit by the host's own clock": client.WithLimit(t.Context(), time.Hour)} {
		checked, err := d.Check(ctx)
		if left := time.Duration(checked.Free); err != nil || left < 50*time.Minute || left > 70*time.Minute {
			t.Errorf("%s: a call has %v, %v", what, left, err)
		}
		stored, err := d.Store(ctx, sdk.StoreRequest{Path: "p"}, nil)
		if left := time.Duration(stored.Size); err != nil || left < 50*time.Minute || left > 70*time.Minute {
			t.Errorf("%s: a stream has %v, %v", what, left, err)
		}
	}
}

type activity struct {
	Persisted string `dprun:"persisted" default:"auto"`
}

func TestASourceIsTheSameOnBothEnds(t *testing.T) {
	t.Parallel()
	d := &device{}
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "dev", Sources: []sdk.SourceType{sdk.NewSource(schema.SourceType{Name: "dev"},
		func(context.Context, config, sdk.Env) (sdk.Source, error) { return d, nil }, nil,
		sdk.NewActivity[activity](schema.Activity{Name: "export", Scope: schema.ScopeDomain}, nil))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := p.ConfigureSource(t.Context(), "dev", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, want, got any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	look := sdk.InspectRequest{Domains: []string{"app*"}}
	gotI, err := s.Inspect(t.Context(), look)
	same("inspect", inspection(), gotI, err)
	cfg := cty.ObjectVal(map[string]cty.Value{"persisted": cty.StringVal("always")})
	check := sdk.CheckRequest{Activity: "export", Config: cfg, Target: sdk.Target{Domain: "a"}, Quiesce: true, LastSize: 8}
	gotC, err := s.Check(t.Context(), check)
	same("check", checkReport(), gotC, err)
	if err := s.Quiesce(t.Context(), sdk.Target{Domain: "a"}, 90*time.Second); err != nil {
		t.Error(err)
	}
	err = s.Unquiesce(t.Context(), sdk.Target{})
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.Denied || f.Reason != failure.BadCredentials || f.Error() != "unquiesce: no; do" {
		t.Errorf("unquiesce: %v", err)
	}
	gotQ, err := s.QuiesceState(t.Context(), sdk.Target{})
	same("a state that nobody knows", &sdk.QuiesceReport{State: sdk.StateUnknown}, gotQ, err)
	req := sdk.CaptureRequest{Activity: "export", Config: cfg, Target: sdk.Target{Domain: "a"}, Variant: "persisted", Dir: "/d", Owner: "o", MaxBytes: 5}
	var progress []sdk.CaptureProgress
	gotX, err := s.Capture(t.Context(), req, func(p sdk.CaptureProgress) { progress = append(progress, p) })
	same("capture", capture(), gotX, err)
	if n := len(progress); n < 3 || n > 100 {
		t.Errorf("%d events of 1003 came through", n)
	} else {
		same("the events that matter", []sdk.CaptureProgress{{Bytes: 1000, Token: "t"}, {Bytes: 1001, Token: "t", DeviceDone: true},
			{Bytes: 1002, Total: 7, Token: "t", DeviceDone: true, Message: "m"}}, progress[n-3:], nil)
	}
	if err := s.Discard(t.Context(), "t"); err != nil {
		t.Error(err)
	}
	if _, ok := sdk.As[sdk.Healther](s); ok {
		t.Error("a device that does not offer to tell its health has it")
	}
	_, err = s.(sdk.Healther).Health(t.Context(), sdk.HealthRequest{})
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Reason != failure.Unsupported {
		t.Errorf("health that is not offered: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	want := []any{look, check, sdk.Target{Domain: "a"}, 90 * time.Second, sdk.Target{}, req, "t", "close"}
	if diff := cmp.Diff(want, d.asked, cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) })); diff != "" {
		t.Error(diff)
	}
	_, err = s.Capture(t.Context(), sdk.CaptureRequest{Activity: "other"}, nil)
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Reason != failure.Protocol {
		t.Errorf("an activity that is not offered: %v", err)
	}
	if _, err := s.Inspect(t.Context(), sdk.InspectRequest{}); err == nil || !strings.Contains(err.Error(), "no such instance") {
		t.Errorf("a released instance: %v", err)
	}
}

// healthy is a device that tells its health.
type healthy struct{ *device }

func healthReport() *sdk.HealthReport {
	return &sdk.HealthReport{
		Objects: []sdk.ObjectHealth{
			{Domain: "a", Class: "C", Name: "n", Serving: true, Up: true},
			{Domain: "a", Class: "C", Name: "m", Disabled: true, Quiesced: true, Detail: "why"},
		},
		Unread: []sdk.UnreadDomain{{Domain: "b", Failure: failure.New(failure.Denied, failure.NotPermitted, "no").WithRemedy("ask")}},
	}
}

func (h healthy) Health(_ context.Context, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	h.asked = append(h.asked, r)
	return healthReport(), nil
}

func TestHealthIsTheSameOnBothEnds(t *testing.T) {
	t.Parallel()
	d := &device{}
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "dev", Sources: []sdk.SourceType{sdk.NewSource(schema.SourceType{Name: "dev"},
		func(context.Context, config, sdk.Env) (healthy, error) { return healthy{d}, nil }, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	told, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.Ability{schema.AbilityHealth}, told.Sources[0].Abilities); diff != "" {
		t.Error(diff)
	}
	s, err := p.ConfigureSource(t.Context(), "dev", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	h, ok := sdk.As[sdk.Healther](s)
	if !ok {
		t.Fatal("a device that offers to tell its health does not have it")
	}
	request := sdk.HealthRequest{Target: sdk.Target{Domain: "a"}, Domains: []string{"b", "c"}}
	got, err := h.Health(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(healthReport(), got, cmpopts.IgnoreUnexported(failure.Error{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{request}, d.asked); diff != "" {
		t.Error(diff)
	}
}

// foresighted is a device that says beforehand what is in the way. One of its
// words is newer than this side.
type foresighted struct{ *device }

func preflightReport() *sdk.PreflightReport {
	return &sdk.PreflightReport{
		Findings: []sdk.Finding{
			{Check: "login", Level: sdk.LevelOK, Message: "it may"}, {Check: "clock", Level: sdk.LevelWarning, Subject: "s", Message: "m", Remedy: "r"},
			{Check: "permission", Level: sdk.LevelNotProven, Message: "n"}, {Check: "certificate", Level: sdk.LevelError, Message: "e"},
		},
		Objects: []sdk.ObjectCount{{Domain: "a", Class: "C", Count: 7}},
	}
}

func (f foresighted) Preflight(_ context.Context, r sdk.PreflightRequest) (*sdk.PreflightReport, error) {
	f.asked = append(f.asked, r)
	out := preflightReport()
	out.Findings[3].Level = "unheard_of"
	return out, nil
}

func TestAPreflightIsTheSameOnBothEnds(t *testing.T) {
	t.Parallel()
	d := &device{}
	p, stop, err := conformance.Serve(sdk.Plugin{Name: "dev", Sources: []sdk.SourceType{sdk.NewSource(schema.SourceType{Name: "dev"},
		func(context.Context, config, sdk.Env) (foresighted, error) { return foresighted{d}, nil }, nil, sdk.NewActivity[activity](schema.Activity{Name: "export", Scope: schema.ScopeDomain}, nil))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := p.ConfigureSource(t.Context(), "dev", cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := sdk.As[sdk.Preflighter](s)
	if !ok {
		t.Fatal("a device that offers a preflight does not have it")
	}
	r := sdk.PreflightRequest{Now: time.Unix(1_800_000_000, 0).UTC(), Activities: []sdk.PreflightActivity{
		{Activity: "export", Config: cty.ObjectVal(map[string]cty.Value{"persisted": cty.StringVal("always")}), Domains: []string{"a", "b"}, Quiesce: "domain"},
	}}
	got, err := f.Preflight(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(preflightReport(), got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{r}, d.asked, cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) })); diff != "" {
		t.Error(diff)
	}
}
