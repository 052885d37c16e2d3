package execute

import (
	"context"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// restoreLimit bounds an import, an export that is compared, and a save. The
// device's own limit of an import is an hour; who waits less says that a restore
// is lost that is still at work.
const restoreLimit = 70 * time.Minute

// Restorer asks the plugin of a device to restore something: one call, as its
// account allows. Where the plugin does not offer that it is a failure of kind
// precondition.
func (x *Executor) Restorer(ctx context.Context, device string, call func(ctx context.Context, s sdk.Source, r sdk.Restorer) error) error {
	ctx, cancel := x.limited(ctx, restoreLimit)
	defer cancel()
	s, err := x.source(ctx, device)
	if err != nil {
		return x.clean(device, late(ctx, err))
	}
	r, ok := sdk.As[sdk.Restorer](s)
	if !ok {
		return x.clean(device, failure.New(failure.Precondition, failure.Unsupported, "its plugin does not offer to restore"))
	}
	if err := x.logIn(ctx, device, func() error { return call(ctx, s, r) }); err != nil {
		return x.clean(device, late(ctx, failure.From(err)))
	}
	return nil
}

// Inspect reads what a device says of itself.
func (x *Executor) Inspect(ctx context.Context, device string, r sdk.InspectRequest) (in *sdk.Inspection, err error) {
	ctx, cancel := x.limited(ctx, inspectLimit)
	defer cancel()
	s, err := x.source(ctx, device)
	if err == nil {
		err = x.logIn(ctx, device, func() error {
			in, err = s.Inspect(ctx, r)
			return err
		})
	}
	if err != nil {
		return nil, x.clean(device, late(ctx, failure.From(err)))
	}
	return in, nil
}

// preflightLimit bounds a preflight: it may make several requests for each domain.
const preflightLimit = 10 * time.Minute

// Preflight asks a device what would keep activities from running. ok is false
// where its plugin does not offer that.
func (x *Executor) Preflight(ctx context.Context, device string, r sdk.PreflightRequest) (rep *sdk.PreflightReport, ok bool, err error) {
	ctx, cancel := x.limited(ctx, preflightLimit)
	defer cancel()
	s, err := x.source(ctx, device)
	if err != nil {
		return nil, true, err
	}
	p, ok := sdk.As[sdk.Preflighter](s)
	if !ok {
		return nil, false, nil
	}
	r.Now = x.Clock.Now()
	err = x.logIn(ctx, device, func() error {
		rep, err = p.Preflight(ctx, r)
		return err
	})
	if err != nil {
		return nil, true, x.clean(device, late(ctx, failure.From(err)))
	}
	return rep, true, nil
}

// rehearseLimit bounds a rehearsal: an export, an archive that is sent, and the
// device's own dry run.
const rehearseLimit = 30 * time.Minute

// Rehearse asks a device what a restore would do. ok is false where its plugin
// does not offer that.
func (x *Executor) Rehearse(ctx context.Context, device string, r sdk.RehearseRequest) (rep *sdk.RehearseReport, ok bool, err error) {
	ctx, cancel := x.limited(ctx, rehearseLimit)
	defer cancel()
	s, err := x.source(ctx, device)
	if err != nil {
		return nil, true, err
	}
	p, ok := sdk.As[sdk.Rehearser](s)
	if !ok {
		return nil, false, nil
	}
	err = x.logIn(ctx, device, func() error {
		rep, err = p.Rehearse(ctx, r)
		return err
	})
	if err != nil {
		return nil, true, x.clean(device, late(ctx, failure.From(err)))
	}
	return rep, true, nil
}
