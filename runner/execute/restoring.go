package execute

import (
	"context"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

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

// Restoring makes one call of a device's ability to restore, within a limit.
func Restoring(ctx context.Context, x *Executor, device string, limit time.Duration, call func(context.Context, sdk.Restorer) error) error {
	ctx, cancel := x.limited(ctx, limit)
	defer cancel()
	s, err := x.source(ctx, device)
	if err != nil {
		return x.clean(device, late(ctx, failure.From(err)))
	}
	restorer, ok := sdk.As[sdk.Restorer](s)
	if !ok {
		return failure.New(failure.Precondition, failure.Unsupported, "the plugin of device %s does not offer to restore", device)
	}
	if err := x.logIn(ctx, device, func() error { return call(ctx, restorer) }); err != nil {
		return x.clean(device, late(ctx, failure.From(err)))
	}
	return nil
}
