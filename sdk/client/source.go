package client

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
	"github.com/dprun/dprun/sdk/schema"
)

type source struct {
	instance
	offered
	typ string
	c   pluginv1.SourceClient
}

var _ interface {
	sdk.Source
	sdk.Healther
	sdk.Preflighter
	sdk.Restorer
} = (*source)(nil)

func (s *source) config(ctx context.Context, activity string, v cty.Value) ([]byte, error) {
	b, err := s.p.block(ctx, schema.KindActivity, s.typ, activity)
	if err != nil {
		return nil, err
	}
	return wire.Encode(b, v)
}

func spaceFromWire(w *pluginv1.Space) sdk.Space {
	if w == nil {
		return sdk.Space{FreeTemporary: -1, TotalTemporary: -1, FreeInternal: -1, TotalInternal: -1}
	}
	return sdk.Space{FreeTemporary: w.FreeTemporary, TotalTemporary: w.TotalTemporary, FreeInternal: w.FreeInternal, TotalInternal: w.TotalInternal}
}

func quiesceFromWire(w *pluginv1.QuiesceReport) sdk.QuiesceReport {
	r := sdk.QuiesceReport{State: stateFromWire(w.GetState()), Detail: w.GetDetail()}
	for k, v := range w.GetDomains() {
		if r.Domains == nil {
			r.Domains = make(map[string]sdk.QuiesceState, len(w.Domains))
		}
		r.Domains[k] = stateFromWire(v)
	}
	return r
}

// stateFromWire reads a state. A state that this side does not know is unknown.
func stateFromWire(s pluginv1.QuiesceState) sdk.QuiesceState {
	return cmp.Or(wire.Word[sdk.QuiesceState](s), sdk.StateUnknown)
}

// roleFromWire reads a role. A role that this side does not know is unknown,
// not none.
func roleFromWire(r pluginv1.FailoverRole) sdk.FailoverRole {
	switch role := wire.Word[sdk.FailoverRole](r); {
	case r == pluginv1.FailoverRole_FAILOVER_ROLE_UNSPECIFIED, role == sdk.RoleStandby, role == sdk.RoleActive:
		return role
	}
	return sdk.RoleUnknown
}

func (s *source) Inspect(ctx context.Context, req sdk.InspectRequest) (*sdk.Inspection, error) {
	r, err := s.c.Inspect(ctx, &pluginv1.InspectRequest{Instance: s.id, Domains: req.Domains, Drill: req.Drill})
	if err != nil {
		return nil, s.p.fail(failure.CallInspect, err)
	}
	f := r.Facts
	if f == nil {
		return nil, s.p.refine(failure.New(failure.Internal, failure.Protocol, "inspect: the plugin gave no facts"))
	}
	out := &sdk.Inspection{Facts: sdk.Facts{
		Identity: f.Identity, DeviceName: f.DeviceName, Serial: f.Serial, Model: f.Model, Firmware: f.Firmware, FirmwareBuild: f.FirmwareBuild,
		Container: f.Container, BackupMode: wire.Word[string](f.BackupMode), Space: spaceFromWire(f.Space), CurrentCommand: f.CurrentCommand,
		Clock: timeFromWire(f.Clock), TLSFingerprint: f.TlsFingerprint, DrillGateway: f.DrillGateway,
	}}
	if len(f.Extra) > 0 {
		if err := json.Unmarshal(f.Extra, &out.Facts.Extra); err != nil {
			return nil, s.p.refine(failure.New(failure.Internal, failure.Protocol, "inspect: the plugin's extra facts cannot be read: %w", err))
		}
	}
	for _, d := range r.Domains {
		out.Domains = append(out.Domains, sdk.Domain{
			Name: d.Name, QuiesceState: stateFromWire(d.QuiesceState), SaveNeeded: d.SaveNeeded, APIConnect: d.ApiConnect, CurrentCommand: d.CurrentCommand,
		})
	}
	for _, u := range r.Unread {
		out.Unread = append(out.Unread, sdk.Unread{Fact: wire.Word[sdk.Fact](u.Fact), Domain: u.Domain, Failure: wire.FailureFromWire(failure.CallInspect, u.Failure)})
	}
	return out, nil
}

func (s *source) Check(ctx context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	raw, err := s.config(ctx, r.Activity, r.Config)
	if err != nil {
		return nil, err
	}
	w, err := s.c.Check(ctx, &pluginv1.SourceCheckRequest{Instance: s.id, Activity: r.Activity, Config: raw, Domain: r.Target.Domain, Quiesce: r.Quiesce, LastSize: r.LastSize})
	if err != nil {
		return nil, s.p.fail(failure.CallCheck, err)
	}
	var variants []string
	for _, v := range w.Variants {
		word := wire.Word[string](v)
		if word == "" {
			return nil, s.p.refine(failure.New(failure.Internal, failure.Protocol, "%s: the plugin wants to capture a variant that this dprun does not know (%d)", failure.CallCheck, v))
		}
		variants = append(variants, word)
	}
	return &sdk.CheckReport{
		Quiesce: quiesceFromWire(w.Quiesce), SaveNeeded: w.SaveNeeded, CurrentCommand: w.CurrentCommand, Space: spaceFromWire(w.Space),
		Variants: variants, Estimate: w.Estimate, Token: w.Token, Warnings: w.Warnings,
		Role: roleFromWire(w.Role), RoleDetail: w.RoleDetail, APIConnect: w.ApiConnect, APIConnectUnknown: w.ApiConnectUnknown, Busy: w.Busy, BusyWith: w.BusyWith,
		KeepTemporary: w.KeepTemporary, Leftovers: w.Leftovers,
	}, nil
}

func (s *source) Quiesce(ctx context.Context, t sdk.Target, deviceTimeout time.Duration) error {
	_, err := s.c.Quiesce(ctx, &pluginv1.QuiesceRequest{Instance: s.id, Domain: t.Domain, DeviceTimeout: durationpb.New(deviceTimeout)})
	return s.p.fail(failure.CallQuiesce, err)
}

func (s *source) Unquiesce(ctx context.Context, t sdk.Target) error {
	_, err := s.c.Unquiesce(ctx, &pluginv1.UnquiesceRequest{Instance: s.id, Domain: t.Domain})
	return s.p.fail(failure.CallUnquiesce, err)
}

func (s *source) QuiesceState(ctx context.Context, t sdk.Target) (*sdk.QuiesceReport, error) {
	w, err := s.c.QuiesceState(ctx, &pluginv1.QuiesceStateRequest{Instance: s.id, Domain: t.Domain})
	if err != nil {
		return nil, s.p.fail(failure.CallQuiesceState, err)
	}
	r := quiesceFromWire(w)
	return &r, nil
}

func (s *source) Capture(ctx context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	raw, err := s.config(ctx, r.Activity, r.Config)
	if err != nil {
		return nil, err
	}
	return follow(ctx, s.p, failure.CallCapture, s.c.Capture, &pluginv1.CaptureRequest{
		Instance: s.id, Activity: r.Activity, Config: raw, Domain: r.Target.Domain, Variant: wire.Enum[pluginv1.Variant](r.Variant), Dir: r.Dir, Owner: r.Owner, MaxBytes: r.MaxBytes,
	}, func(e *pluginv1.CaptureEvent) *sdk.Capture {
		if p := e.Progress; p != nil && emit != nil {
			emit(sdk.CaptureProgress{Bytes: p.Bytes, Total: p.Total, DeviceDone: p.DeviceDone, Token: p.Token, Message: p.Message})
		}
		if e.Done == nil {
			return nil
		}
		out := &sdk.Capture{Warnings: e.Done.Warnings, Token: e.Done.Token, Withheld: e.Done.Withheld}
		for _, a := range e.Done.Artifacts {
			out.Artifacts = append(out.Artifacts, sdk.Artifact{Name: a.Name, Size: a.Size, SHA256: a.Sha256})
		}
		return out
	})
}

func (s *source) Discard(ctx context.Context, token string) error {
	_, err := s.c.Discard(ctx, &pluginv1.DiscardRequest{Instance: s.id, Token: token})
	return s.p.fail(failure.CallDiscard, err)
}

func (s *source) Health(ctx context.Context, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	w, err := s.c.Health(ctx, &pluginv1.HealthRequest{Instance: s.id, Domain: r.Target.Domain, Domains: r.Domains})
	if err != nil {
		return nil, s.p.fail(failure.CallHealth, err)
	}
	out := &sdk.HealthReport{}
	for _, o := range w.Objects {
		out.Objects = append(out.Objects, sdk.ObjectHealth{
			Domain: o.Domain, Class: o.Class, Name: o.Name, Serving: o.Serving, Up: o.Up, Disabled: o.Disabled, Quiesced: o.Quiesced, Detail: o.Detail,
		})
	}
	for _, u := range w.Unread {
		out.Unread = append(out.Unread, sdk.UnreadDomain{Domain: u.Domain, Failure: wire.FailureFromWire(failure.CallHealth, u.Failure)})
	}
	return out, nil
}

func (s *source) Preflight(ctx context.Context, r sdk.PreflightRequest) (*sdk.PreflightReport, error) {
	q := &pluginv1.PreflightRequest{Instance: s.id, Now: timestamppb.New(r.Now)}
	for _, a := range r.Activities {
		raw, err := s.config(ctx, a.Activity, a.Config)
		if err != nil {
			return nil, err
		}
		q.Activities = append(q.Activities, &pluginv1.PreflightActivity{Activity: a.Activity, Config: raw, Domains: a.Domains, Quiesce: wire.Enum[pluginv1.QuiesceScope](a.Quiesce)})
	}
	w, err := s.c.Preflight(ctx, q)
	if err != nil {
		return nil, s.p.fail(failure.CallPreflight, err)
	}
	out := &sdk.PreflightReport{Findings: findingsFromWire(w.Findings)}
	for _, o := range w.Objects {
		out.Objects = append(out.Objects, sdk.ObjectCount{Domain: o.Domain, Class: o.Class, Count: int(o.Count)})
	}
	return out, nil
}

func findingsFromWire(findings []*pluginv1.Finding) (out []sdk.Finding) {
	for _, f := range findings {
		out = append(out, sdk.Finding{Check: f.Check, Level: cmp.Or(wire.Word[sdk.Level](f.Level), sdk.LevelError), Subject: f.Subject, Message: f.Message, Remedy: f.Remedy})
	}
	return out
}

func (s *source) Rehearse(ctx context.Context, r sdk.RehearseRequest) (*sdk.RehearseReport, error) {
	w, err := s.c.Rehearse(ctx, &pluginv1.RehearseRequest{
		Instance: s.id, Domain: r.Target.Domain, File: r.File, Dir: r.Dir, Unsaved: r.Unsaved,
		Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIp: r.RewriteLocalIP,
	})
	if err != nil {
		return nil, s.p.fail(failure.CallRehearse, err)
	}
	out := &sdk.RehearseReport{Findings: findingsFromWire(w.Findings)}
	for _, c := range w.Changes {
		out.Changes = append(out.Changes, sdk.Change{Effect: cmp.Or(wire.Word[sdk.Effect](c.Effect), sdk.EffectChanged), Class: c.Class, Name: c.Name})
	}
	return out, nil
}

func (s *source) Import(ctx context.Context, r sdk.ImportRequest) (*sdk.ImportReport, error) {
	w, err := s.c.Import(ctx, &pluginv1.ImportRequest{
		Instance: s.id, Domain: r.Target.Domain, File: r.File, Dir: r.Dir, Before: r.Before,
		Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIp: r.RewriteLocalIP,
	})
	if err != nil {
		return nil, s.p.fail(failure.CallImport, err)
	}
	return &sdk.ImportReport{
		Findings: findingsFromWire(w.Findings), Objects: int(w.Objects), Files: int(w.Files), Down: w.Down, Skipped: w.Skipped, SaveNeeded: w.SaveNeeded, Excused: int(w.Excused),
	}, nil
}

func (s *source) Resembles(ctx context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	w, err := s.c.Resembles(ctx, &pluginv1.ResembleRequest{
		Instance: s.id, Domain: r.Target.Domain, Files: r.Files, Dir: r.Dir, WayBack: r.WayBack, Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIp: r.RewriteLocalIP,
	})
	if err != nil {
		return nil, s.p.fail(failure.CallResemble, err)
	}
	if len(w.Of) != len(r.Files) {
		return nil, s.p.refine(failure.New(failure.Internal, failure.Protocol, "%s: the plugin compared %d files, and was asked for %d", failure.CallResemble, len(w.Of), len(r.Files)))
	}
	out := &sdk.ResembleReport{SaveNeeded: w.SaveNeeded}
	for _, o := range w.Of {
		out.Of = append(out.Of, sdk.Resemblance{Equal: o.Equal, Only: o.Only, Differences: o.Differences})
	}
	return out, nil
}

func (s *source) Save(ctx context.Context, t sdk.Target) error {
	_, err := s.c.Save(ctx, &pluginv1.SaveRequest{Instance: s.id, Domain: t.Domain})
	return s.p.fail(failure.CallSave, err)
}

func (s *source) Create(ctx context.Context, t sdk.Target) error {
	_, err := s.c.Create(ctx, &pluginv1.CreateRequest{Instance: s.id, Domain: t.Domain})
	return s.p.fail(failure.CallCreate, err)
}

func (s *source) Drop(ctx context.Context, t sdk.Target) error {
	_, err := s.c.Drop(ctx, &pluginv1.DropRequest{Instance: s.id, Domain: t.Domain})
	return s.p.fail(failure.CallDrop, err)
}
