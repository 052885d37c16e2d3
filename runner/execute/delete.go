package execute

import (
	"context"

	"github.com/dprun/dprun/sdk"
)

// Delete removes one object of a destination. One that is not there is removed.
func (x *Executor) Delete(ctx context.Context, destination, path string) error {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return x.clean("", err)
	}
	deleter, ok := sdk.As[sdk.Deleter](d)
	if !ok {
		return unable(destination, "delete what it keeps")
	}
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	if err := deleter.Delete(ctx, path); err != nil {
		return x.clean("", late(ctx, err))
	}
	return nil
}
