package execute

import (
	"context"

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
