package execute

import (
	"context"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

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
