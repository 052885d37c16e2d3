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
