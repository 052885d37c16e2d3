package execute

import (
	"context"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Root is how a destination names itself. It is found out by a check, which does
// what a store does and leaves nothing.
func (x *Executor) Root(ctx context.Context, destination string) (string, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return "", x.clean("", err)
	}
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	r, err := d.Check(ctx)
	if err != nil {
		return "", x.clean("", late(ctx, err))
	}
	return r.Location, nil
}

// List gives what a destination keeps below a directory; empty: all of it.
func (x *Executor) List(ctx context.Context, destination, prefix string) ([]sdk.Object, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	l, ok := sdk.As[sdk.Lister](d)
	if !ok {
		return nil, unable(destination, "list what it keeps")
	}
	found, err := l.List(ctx, prefix)
	if err != nil {
		return nil, x.clean("", err)
	}
	return found, nil
}

// Fetch copies one object of a destination to a new local file of at most so
// many bytes.
func (x *Executor) Fetch(ctx context.Context, destination string, q sdk.FetchRequest, most int64) (*sdk.FetchReport, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	reader, ok := sdk.As[sdk.Reader](d)
	if !ok {
		return nil, unable(destination, "give back what it keeps")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tooLong := failure.New(failure.Corrupt, failure.Mismatch, "%s has more than %d bytes", q.Path, most)
	r, err := reader.Fetch(ctx, q, func(n int64) {
		if n > most {
			cancel(tooLong)
		}
	})
	switch {
	case context.Cause(ctx) == error(tooLong) || err == nil && r.Size > most:
		return nil, tooLong
	case err != nil:
		return nil, x.clean("", err)
	}
	return r, nil
}

func unable(destination, what string) error {
	return failure.New(failure.Precondition, failure.BadConfig, "destination %s: its plugin cannot %s", destination, what)
}
