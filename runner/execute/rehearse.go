package execute

import (
	"context"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

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
