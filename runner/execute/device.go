package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// target is what the job's activity works on.
func target(j engine.Job) sdk.Target {
	if j.Task == nil || j.Task.Activity.Quiesce == lifecycle.QuiesceDevice {
		return sdk.Target{}
	}
	return sdk.Target{Domain: j.Task.Domain}
}

// ask asks the job's device something within a limit.
func (x *Executor) ask(ctx context.Context, j engine.Job, limit time.Duration, what func(ctx context.Context, s sdk.Source) (*event.Result, error)) (*event.Result, error) {
	ctx, cancel := x.limited(ctx, limit)
	defer cancel()
	s, err := x.source(ctx, j.Action.Device)
	if err != nil {
		return nil, err
	}
	r, err := what(ctx, s)
	if err != nil {
		return nil, late(ctx, err)
	}
	return r, nil
}

func (x *Executor) inspect(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, inspectLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		in, err := s.Inspect(ctx, sdk.InspectRequest{Domains: j.Action.Domains})
		return &event.Result{Inspection: in}, err
	})
}

func (x *Executor) quiesceState(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, requestLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		r, err := s.QuiesceState(ctx, target(j))
		return &event.Result{Quiesce: r}, err
	})
}

// health reads which objects of the target are up, if the source can tell.
func (x *Executor) health(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, lifecycle.HealthLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		r, err := Health(ctx, s, sdk.HealthRequest{Target: target(j), Domains: j.Action.Domains})
		if err == nil && j.Task != nil && j.Action.Kind != lifecycle.ActHealthBack {
			x.keepObjects(j.Task.ID, objectsOf(r))
		}
		return &event.Result{Health: r}, err
	})
}

// Health reads which objects of a target are up. If the source cannot tell, that
// is a failure of kind precondition.
func Health(ctx context.Context, s sdk.Source, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	h, ok := sdk.As[sdk.Healther](s)
	if !ok {
		return nil, failure.New(failure.Precondition, failure.Unsupported, "its plugin does not tell which objects are up")
	}
	return h.Health(ctx, r)
}

func (x *Executor) check(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, checkLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		config, err := x.Plan.ActivityConfig(ctx, x.scope(j))
		if err != nil {
			return nil, err
		}
		r, err := s.Check(ctx, sdk.CheckRequest{
			Activity: j.Task.Activity.Type, Config: config, Target: sdk.Target{Domain: j.Task.Domain},
			Quiesce:  j.Task.Quiesces() && j.Action.Kind != lifecycle.ActValidate, // too early to say anything about then
			LastSize: j.Task.LastSize,
		})
		return &event.Result{Check: r}, err
	})
}

func (x *Executor) quiesce(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, requestLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		if j.Action.Kind == lifecycle.ActQuiesce {
			return nil, s.Quiesce(ctx, target(j), j.Action.DeviceTimeout)
		}
		return nil, s.Unquiesce(ctx, target(j))
	})
}

func (x *Executor) discard(ctx context.Context, j engine.Job) (*event.Result, error) {
	return x.ask(ctx, j, requestLimit, func(ctx context.Context, s sdk.Source) (*event.Result, error) {
		return nil, s.Discard(ctx, j.Action.Token)
	})
}

// lock takes the device's lock. The key is the identity that the inspection
// found, so that two names of one box share one lock.
func (x *Executor) lock(ctx context.Context, j engine.Job) (*event.Result, error) {
	identity := j.Action.Device
	if j.Facts != nil && j.Facts.Identity != "" {
		identity = j.Facts.Identity
	}
	waiting := func(holder string) { j.Notify(event.Notice{Waiting: holder}) }
	release, err := x.Locks.Acquire(ctx, identity, j.Action.Exclusive, waiting)
	if err != nil {
		return nil, err
	}
	free := release
	if j.Task != nil && j.Task.Activity.Quiesce == lifecycle.QuiesceDomain && !j.Action.Exclusive {
		// A task that quiesces a domain holds it alone. Another run waits here,
		// so it does not find the domain quiesced.
		domain, err := x.Locks.Acquire(ctx, identity+"/"+j.Task.Domain, true, waiting)
		if err != nil {
			release()
			return nil, err
		}
		free = func() { domain(); release() }
	}
	context.AfterFunc(ctx, free) // held until the machine no longer wants it
	return nil, nil
}

// capture fills a private directory and seals it: measured, hashed, synced,
// read-only.
func (x *Executor) capture(ctx context.Context, j engine.Job) (*event.Result, error) {
	s, err := x.source(ctx, j.Action.Device)
	if err != nil {
		return nil, err
	}
	config, err := x.Plan.ActivityConfig(ctx, x.scope(j))
	if err != nil {
		return nil, err
	}
	budget, err := x.Staging.Budget(x.measure(j))
	if err != nil {
		return nil, err
	}
	dir, err := x.Staging.Capture(x.Run, j.Task.ID, j.Action.Variant)
	if err != nil {
		return nil, stagingFailure(err)
	}
	bound, end := dir.Bound(ctx, budget)
	got, err := s.Capture(bound, sdk.CaptureRequest{
		Activity: j.Task.Activity.Type, Config: config, Target: sdk.Target{Domain: j.Task.Domain}, Variant: j.Action.Variant, Dir: dir.Path(), Owner: x.owner(j),
		MaxBytes: budget.Most,
	}, func(p sdk.CaptureProgress) {
		if p.DeviceDone || p.Token != "" {
			j.Notify(event.Notice{DeviceDone: p.DeviceDone, Token: p.Token})
		}
		if p.Bytes > 0 {
			j.Progress(p.Bytes, p.Total)
		}
		if p.Message != "" {
			x.Output(j.Task.ID, "plugin", p.Message)
		}
	})
	if err != nil {
		_ = dir.Discard()
		end()
		return nil, exceeded(bound, budget, err)
	}
	end()
	sealed, err := dir.Seal(ctx, got.Artifacts)
	if err != nil {
		_ = dir.Discard()
		return nil, blamed(s, stagingFailure(err))
	}
	out := &event.Captured{Variant: j.Action.Variant, Warnings: got.Warnings, Token: got.Token, Withheld: got.Withheld}
	if len(j.Captured) == 0 && j.Prepared != nil { // the other captures of the task are of the same
		out.Objects = x.objects(ctx, j, s)
	}
	for _, f := range sealed {
		out.Artifacts = append(out.Artifacts, event.Artifact{Name: f.Name, Staged: f.Path, File: fileName(j, f.Name), Size: f.Size, SHA256: f.SHA256})
	}
	return &event.Result{Capture: out}, nil
}

// measure is the size of the last good capture, if that says anything about the
// next one. A secure backup grows by whole volumes if the plan asks for them,
// and its size is known before it is fetched.
func (x *Executor) measure(j engine.Job) int64 {
	if j.Action.Variant == sdk.VariantSecureBackup {
		return 0
	}
	return j.Task.LastSize
}

// exceeded returns why a capture failed: it was ended here because it wrote too
// much; or it failed itself, and the failure gets the reason of the limit that
// it met.
func exceeded(bound context.Context, b staging.Budget, err error) error {
	var over *failure.Error
	if errors.As(context.Cause(bound), &over) {
		return over
	}
	if f := failure.From(err); f.Kind == failure.NoSpace && f.Reason == failure.StagingIO && f.Remedy == "" {
		f.Remedy = b.Why
		return f
	}
	return err
}

// fileName is a captured file's name below the set's directory. Exports are
// named as the reference product names them; a secure backup keeps the
// appliance's names, which its manifest lists.
func fileName(j engine.Job, captured string) string {
	name := ""
	if j.Prepared != nil {
		name = j.Prepared.Name
	}
	switch j.Action.Variant {
	case sdk.VariantPersisted:
		return name + "-persisted.zip"
	case sdk.VariantRunning:
		return name + "-nonpersisted.zip"
	}
	return captured
}

// stagingFailure marks an error of the staging area. If the plugin broke the
// protocol there, that is not an error of the staging area.
func stagingFailure(err error) *failure.Error {
	f := failure.From(err)
	if f.Kind != failure.Internal || f.Reason != "" && f.Reason != failure.StagingIO {
		return f
	}
	return failure.New(failure.Unavailable, failure.StagingIO, "staging: %w", err)
}

// blamed names the plugin whose fault an internal failure is.
func blamed(instance any, f *failure.Error) *failure.Error {
	if f.Kind == failure.Internal {
		return named(instance, f)
	}
	return f
}

// titled gives the name under which a plugin is known.
type titled interface{ Plugin() string }

// named adds to a failure which plugin it is about.
func named(instance any, f *failure.Error) *failure.Error {
	if b, ok := instance.(titled); ok {
		f.Message = fmt.Sprintf("plugin %s: %s", b.Plugin(), f.Message)
	}
	return f
}

// shortID is a task's ID as part of a file name.
func shortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, id)
	return fmt.Sprintf("%.24s-%s", clean, hex.EncodeToString(sum[:4]))
}
