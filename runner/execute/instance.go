package execute

import (
	"context"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// instance is a configured plugin instance, made once.
type instance[T any] struct {
	made   chan struct{} // closed when what is below is set
	value  T
	verify sdk.Verify
	login  string // the credential; empty: none
	err    error
	gaveUp bool // whoever made it was stopped meanwhile
}

// ready reports whether there is a value.
func (i *instance[T]) ready() bool {
	select {
	case <-i.made:
		return i.err == nil
	default:
		return false
	}
}

// once returns the instance of a name. The first caller makes it, and later
// callers wait for that. A caller that is stopped stops nobody else. An error is
// not kept: a later attempt makes the instance again.
func once[T any](ctx context.Context, mu *sync.Mutex, all map[string]*instance[T], name string, configure func(*instance[T]) error) (*instance[T], error) {
	for {
		mu.Lock()
		i, known := all[name]
		if !known {
			i = &instance[T]{made: make(chan struct{})}
			all[name] = i
		}
		mu.Unlock()
		if !known {
			if i.err = configure(i); i.err != nil {
				i.gaveUp = ctx.Err() != nil
				mu.Lock()
				if all[name] == i {
					delete(all, name)
				}
				mu.Unlock()
			}
			close(i.made)
			return i, i.err
		}
		select {
		case <-i.made:
			if !i.gaveUp {
				return i, i.err
			}
		case <-ctx.Done():
			return i, failure.From(ctx.Err())
		}
	}
}

// source is the device's instance, configured at first use.
func (x *Executor) source(ctx context.Context, device string) (sdk.Source, error) {
	i, err := x.instance(ctx, device)
	if err != nil {
		return nil, err
	}
	return i.value, nil
}

func (x *Executor) instance(ctx context.Context, device string) (*instance[sdk.Source], error) {
	return once(ctx, &x.mu, x.sources, device, func(i *instance[sdk.Source]) error {
		e, err := x.Plan.Device(ctx, device)
		if err == nil && x.Credentials != nil {
			i.login, err = x.Credentials.Of(ctx, e)
		}
		if err == nil {
			i.value, err = x.Plugins.Source(ctx, e.Type, e.Config)
		}
		return err
	})
}

// logIn makes a call to a device, if its credential may be used.
func (x *Executor) logIn(ctx context.Context, device string, call func() error) error {
	i, err := x.instance(ctx, device)
	if err != nil {
		return err
	}
	if i.login == "" {
		return call()
	}
	return x.Credentials.Use(ctx, i.login, device, call)
}

// destination is the destination's instance, configured at first use.
func (x *Executor) destination(ctx context.Context, name string) (sdk.Destination, sdk.Verify, error) {
	i, err := once(ctx, &x.mu, x.targets, name, func(i *instance[sdk.Destination]) error {
		e, verify, err := x.Plan.Destination(ctx, name)
		if err == nil {
			i.verify = verify
			i.value, err = x.Plugins.Destination(ctx, e.Type, e.Config)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return i.value, i.verify, nil
}
