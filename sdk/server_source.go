package sdk

import (
	"context"
	"encoding/json"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

type sourceServer struct {
	pluginv1.UnimplementedSourceServer
	s *Server
}

func timeToWire(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func spaceToWire(s Space) *pluginv1.Space {
	return &pluginv1.Space{FreeTemporary: s.FreeTemporary, TotalTemporary: s.TotalTemporary, FreeInternal: s.FreeInternal, TotalInternal: s.TotalInternal}
}

func quiesceToWire(q QuiesceReport) *pluginv1.QuiesceReport {
	w := &pluginv1.QuiesceReport{State: wire.Enum[pluginv1.QuiesceState](q.State), Domains: make(map[string]pluginv1.QuiesceState, len(q.Domains)), Detail: q.Detail}
	for k, v := range q.Domains {
		w.Domains[k] = wire.Enum[pluginv1.QuiesceState](v)
	}
	return w
}

// config reads an activity's configuration for an instance.
func (t sourceServer) config(id uint64, activity string, raw []byte) (cty.Value, error) {
	t.s.mu.Lock()
	typ := t.s.types[id]
	t.s.mu.Unlock()
	if typ == nil {
		return cty.NilVal, failure.New(failure.Internal, failure.Protocol, "plugin %s has no such instance %d", t.s.plugin.Name, id)
	}
	block, err := typ.activity(activity)
	if err != nil {
		return cty.NilVal, err
	}
	return wire.Decode(block, raw)
}

func (t sourceServer) Inspect(ctx context.Context, r *pluginv1.InspectRequest) (*pluginv1.InspectReply, error) {
	rep, err := asked(t.s, failure.CallInspect, r.Instance, func(i Source) (*Inspection, error) {
		return i.Inspect(ctx, InspectRequest{Domains: r.Domains, Drill: r.Drill})
	})
	if err != nil {
		return nil, err
	}
	f := rep.Facts
	facts := &pluginv1.Facts{
		Identity: f.Identity, DeviceName: f.DeviceName, Serial: f.Serial, Model: f.Model, Firmware: f.Firmware, FirmwareBuild: f.FirmwareBuild,
		Container: f.Container, BackupMode: wire.Enum[pluginv1.BackupMode](f.BackupMode), Space: spaceToWire(f.Space), CurrentCommand: f.CurrentCommand,
		Clock: timeToWire(f.Clock), TlsFingerprint: f.TLSFingerprint, DrillGateway: f.DrillGateway,
	}
	if len(f.Extra) > 0 {
		if facts.Extra, err = json.Marshal(f.Extra); err != nil {
			return nil, failure.New(failure.Internal, failure.Protocol, "inspect: write the extra facts: %w", err)
		}
	}
	reply := &pluginv1.InspectReply{Facts: facts}
	for _, d := range rep.Domains {
		reply.Domains = append(reply.Domains, &pluginv1.Domain{
			Name: d.Name, QuiesceState: wire.Enum[pluginv1.QuiesceState](d.QuiesceState), SaveNeeded: d.SaveNeeded, ApiConnect: d.APIConnect, CurrentCommand: d.CurrentCommand,
		})
	}
	for _, u := range rep.Unread {
		if u.Failure == nil {
			return nil, failure.New(failure.Internal, failure.Protocol, "inspect: no failure says why %s could not be read", u.Fact)
		}
		reply.Unread = append(reply.Unread, &pluginv1.Unread{Fact: wire.Enum[pluginv1.Fact](u.Fact), Domain: u.Domain, Failure: wire.FailureToWire(u.Failure)})
	}
	return reply, nil
}

func (t sourceServer) Check(ctx context.Context, r *pluginv1.SourceCheckRequest) (*pluginv1.SourceCheckReply, error) {
	i, err := instance[Source](t.s, r.Instance)
	if err != nil {
		return nil, err
	}
	v, err := t.config(r.Instance, r.Activity, r.Config)
	if err != nil {
		return nil, err
	}
	rep, err := i.Check(ctx, CheckRequest{Activity: r.Activity, Config: v, Target: Target{Domain: r.Domain}, Quiesce: r.Quiesce, LastSize: r.LastSize})
	if err := answered(rep, err, failure.CallCheck); err != nil {
		return nil, err
	}
	var variants []pluginv1.Variant
	for _, v := range rep.Variants {
		e := wire.Enum[pluginv1.Variant](v)
		if e == 0 {
			return nil, failure.New(failure.Internal, failure.Protocol, "%s: there is no variant %q", failure.CallCheck, v)
		}
		variants = append(variants, e)
	}
	role := wire.Enum[pluginv1.FailoverRole](rep.Role)
	if role == pluginv1.FailoverRole_FAILOVER_ROLE_UNSPECIFIED && rep.Role != "" {
		role = pluginv1.FailoverRole_FAILOVER_ROLE_UNKNOWN
	}
	return &pluginv1.SourceCheckReply{
		Quiesce: quiesceToWire(rep.Quiesce), SaveNeeded: rep.SaveNeeded, CurrentCommand: rep.CurrentCommand, Space: spaceToWire(rep.Space),
		Variants: variants, Estimate: rep.Estimate, Token: rep.Token, Warnings: rep.Warnings,
		Role: role, RoleDetail: rep.RoleDetail, ApiConnect: rep.APIConnect, ApiConnectUnknown: rep.APIConnectUnknown, Busy: rep.Busy, BusyWith: rep.BusyWith,
		KeepTemporary: rep.KeepTemporary, Leftovers: rep.Leftovers,
	}, nil
}

func (t sourceServer) Quiesce(ctx context.Context, r *pluginv1.QuiesceRequest) (*pluginv1.QuiesceReply, error) {
	return &pluginv1.QuiesceReply{}, done(t.s, failure.CallQuiesce, r.Instance, func(i Source) error { return i.Quiesce(ctx, Target{Domain: r.Domain}, r.DeviceTimeout.AsDuration()) })
}

func (t sourceServer) Unquiesce(ctx context.Context, r *pluginv1.UnquiesceRequest) (*pluginv1.UnquiesceReply, error) {
	return &pluginv1.UnquiesceReply{}, done(t.s, failure.CallUnquiesce, r.Instance, func(i Source) error { return i.Unquiesce(ctx, Target{Domain: r.Domain}) })
}

func (t sourceServer) QuiesceState(ctx context.Context, r *pluginv1.QuiesceStateRequest) (*pluginv1.QuiesceReport, error) {
	rep, err := asked(t.s, failure.CallQuiesceState, r.Instance, func(i Source) (*QuiesceReport, error) { return i.QuiesceState(ctx, Target{Domain: r.Domain}) })
	if err != nil {
		return nil, err
	}
	return quiesceToWire(*rep), nil
}

func (t sourceServer) Capture(r *pluginv1.CaptureRequest, stream pluginv1.Source_CaptureServer) error {
	i, err := instance[Source](t.s, r.Instance)
	if err != nil {
		return err
	}
	v, err := t.config(r.Instance, r.Activity, r.Config)
	if err != nil {
		return err
	}
	out := newSender(stream.Send)
	defer out.close()
	var last CaptureProgress // emit is called from one goroutine at a time
	rep, err := i.Capture(stream.Context(), CaptureRequest{
		Activity: r.Activity, Config: v, Target: Target{Domain: r.Domain}, Variant: wire.Word[string](r.Variant), Dir: r.Dir, Owner: r.Owner, MaxBytes: r.MaxBytes,
	}, func(p CaptureProgress) {
		droppable := p.Message == "" && p.Token == last.Token && p.DeviceDone == last.DeviceDone
		last = p
		out.event(&pluginv1.CaptureEvent{Progress: &pluginv1.CaptureProgress{
			Bytes: p.Bytes, Total: p.Total, DeviceDone: p.DeviceDone, Token: p.Token, Message: p.Message,
		}}, droppable)
	})
	if err := answered(rep, err, failure.CallCapture); err != nil {
		return err
	}
	done := &pluginv1.CaptureReport{Warnings: rep.Warnings, Token: rep.Token, Withheld: rep.Withheld}
	for _, a := range rep.Artifacts {
		done.Artifacts = append(done.Artifacts, &pluginv1.Artifact{Name: a.Name, Size: a.Size, Sha256: a.SHA256})
	}
	out.event(&pluginv1.CaptureEvent{Done: done}, false)
	return nil
}

func (t sourceServer) Discard(ctx context.Context, r *pluginv1.DiscardRequest) (*pluginv1.DiscardReply, error) {
	return &pluginv1.DiscardReply{}, done(t.s, failure.CallDiscard, r.Instance, func(i Source) error { return i.Discard(ctx, r.Token) })
}

func (t sourceServer) Health(ctx context.Context, r *pluginv1.HealthRequest) (*pluginv1.HealthReply, error) {
	rep, err := asked(t.s, failure.CallHealth, r.Instance, func(i Healther) (*HealthReport, error) {
		return i.Health(ctx, HealthRequest{Target: Target{Domain: r.Domain}, Domains: r.Domains})
	})
	if err != nil {
		return nil, err
	}
	reply := &pluginv1.HealthReply{}
	for _, o := range rep.Objects {
		reply.Objects = append(reply.Objects, &pluginv1.ObjectHealth{
			Domain: o.Domain, Class: o.Class, Name: o.Name, Serving: o.Serving, Up: o.Up, Disabled: o.Disabled, Quiesced: o.Quiesced, Detail: o.Detail,
		})
	}
	for _, u := range rep.Unread {
		if u.Failure == nil {
			return nil, failure.New(failure.Internal, failure.Protocol, "%s: no failure says why domain %s could not be read", failure.CallHealth, u.Domain)
		}
		reply.Unread = append(reply.Unread, &pluginv1.UnreadDomain{Domain: u.Domain, Failure: wire.FailureToWire(u.Failure)})
	}
	return reply, nil
}

func (t sourceServer) Preflight(ctx context.Context, r *pluginv1.PreflightRequest) (*pluginv1.PreflightReply, error) {
	i, err := able[Preflighter](t.s, failure.CallPreflight, r.Instance)
	if err != nil {
		return nil, err
	}
	q := PreflightRequest{Now: r.Now.AsTime()}
	for _, a := range r.Activities {
		v, err := t.config(r.Instance, a.Activity, a.Config)
		if err != nil {
			return nil, err
		}
		q.Activities = append(q.Activities, PreflightActivity{Activity: a.Activity, Config: v, Domains: a.Domains, Quiesce: wire.Word[string](a.Quiesce)})
	}
	rep, err := i.Preflight(ctx, q)
	if err := answered(rep, err, failure.CallPreflight); err != nil {
		return nil, err
	}
	reply := &pluginv1.PreflightReply{Findings: findingsToWire(rep.Findings)}
	for _, o := range rep.Objects {
		reply.Objects = append(reply.Objects, &pluginv1.ObjectCount{Domain: o.Domain, Class: o.Class, Count: int64(o.Count)})
	}
	return reply, nil
}

func findingsToWire(findings []Finding) (out []*pluginv1.Finding) {
	for _, f := range findings {
		out = append(out, &pluginv1.Finding{Check: f.Check, Level: wire.Enum[pluginv1.Level](f.Level), Subject: f.Subject, Message: f.Message, Remedy: f.Remedy})
	}
	return out
}

func (t sourceServer) Rehearse(ctx context.Context, r *pluginv1.RehearseRequest) (*pluginv1.RehearseReply, error) {
	rep, err := asked(t.s, failure.CallRehearse, r.Instance, func(i Rehearser) (*RehearseReport, error) {
		return i.Rehearse(ctx, RehearseRequest{
			Target: Target{Domain: r.Domain}, File: r.File, Dir: r.Dir, Unsaved: r.Unsaved,
			Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIP: r.RewriteLocalIp,
		})
	})
	if err != nil {
		return nil, err
	}
	reply := &pluginv1.RehearseReply{Findings: findingsToWire(rep.Findings)}
	for _, c := range rep.Changes {
		reply.Changes = append(reply.Changes, &pluginv1.Change{Effect: wire.Enum[pluginv1.Effect](c.Effect), Class: c.Class, Name: c.Name})
	}
	return reply, nil
}

func (t sourceServer) Import(ctx context.Context, r *pluginv1.ImportRequest) (*pluginv1.ImportReply, error) {
	rep, err := asked(t.s, failure.CallImport, r.Instance, func(i Restorer) (*ImportReport, error) {
		return i.Import(ctx, ImportRequest{
			Target: Target{Domain: r.Domain}, File: r.File, Dir: r.Dir, Before: r.Before,
			Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIP: r.RewriteLocalIp,
		})
	})
	if err != nil {
		return nil, err
	}
	return &pluginv1.ImportReply{
		Findings: findingsToWire(rep.Findings), Objects: int64(rep.Objects), Files: int64(rep.Files), Down: rep.Down, Skipped: rep.Skipped, SaveNeeded: rep.SaveNeeded, Excused: int64(rep.Excused),
	}, nil
}

func (t sourceServer) Resembles(ctx context.Context, r *pluginv1.ResembleRequest) (*pluginv1.ResembleReply, error) {
	rep, err := asked(t.s, failure.CallResemble, r.Instance, func(i Restorer) (*ResembleReport, error) {
		return i.Resembles(ctx, ResembleRequest{Target: Target{Domain: r.Domain}, Files: r.Files, Dir: r.Dir, WayBack: r.WayBack, Policy: r.Policy, Variables: r.Variables, Disabled: r.Disabled, RewriteLocalIP: r.RewriteLocalIp})
	})
	if err != nil {
		return nil, err
	}
	reply := &pluginv1.ResembleReply{SaveNeeded: rep.SaveNeeded}
	for _, o := range rep.Of {
		reply.Of = append(reply.Of, &pluginv1.Resemblance{Equal: o.Equal, Only: o.Only, Differences: o.Differences})
	}
	return reply, nil
}

func (t sourceServer) Save(ctx context.Context, r *pluginv1.SaveRequest) (*pluginv1.SaveReply, error) {
	return &pluginv1.SaveReply{}, done(t.s, failure.CallSave, r.Instance, func(i Restorer) error { return i.Save(ctx, Target{Domain: r.Domain}) })
}

func (t sourceServer) Create(ctx context.Context, r *pluginv1.CreateRequest) (*pluginv1.CreateReply, error) {
	return &pluginv1.CreateReply{}, done(t.s, failure.CallCreate, r.Instance, func(i Restorer) error { return i.Create(ctx, Target{Domain: r.Domain}) })
}

func (t sourceServer) Drop(ctx context.Context, r *pluginv1.DropRequest) (*pluginv1.DropReply, error) {
	return &pluginv1.DropReply{}, done(t.s, failure.CallDrop, r.Instance, func(i Restorer) error { return i.Drop(ctx, Target{Domain: r.Domain}) })
}
