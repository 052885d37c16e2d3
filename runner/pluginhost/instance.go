package pluginhost

import (
	"context"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
)

type closer interface{ Close() error }

// holder keeps one configured instance of a plugin, and configures it again
// when the plugin's process has been replaced.
type holder[T closer] struct {
	p         *plugin
	configure func(context.Context, *client.Plugin) (T, error)

	gate   chan struct{} // held while the fields below are looked at
	proc   *process
	value  T
	closed bool
}

func newHolder[T closer](p *plugin, configure func(context.Context, *client.Plugin) (T, error)) *holder[T] {
	return &holder[T]{p: p, configure: configure, gate: make(chan struct{}, 1)}
}

// prepare configures the instance now, to find out whether it can be.
func (h *holder[T]) prepare(ctx context.Context) error {
	_, done, err := h.get(ctx)
	if err != nil {
		return err
	}
	done()
	return nil
}

// get returns the instance for one call; done ends the call.
func (h *holder[T]) get(ctx context.Context) (value T, done func(), err error) {
	var none T
	select {
	case h.gate <- struct{}{}:
		defer func() { <-h.gate }()
	case <-ctx.Done():
		return none, nil, failure.From(ctx.Err())
	}
	if h.closed {
		return none, nil, failure.New(failure.Internal, "", "the instance of the plugin %s is closed", h.p.name)
	}
	if h.proc == nil || h.proc.gone() {
		proc, err := h.p.acquire(ctx)
		if err != nil {
			return none, nil, err
		}
		value, err := h.configure(ctx, proc.plugin)
		if err != nil {
			return none, nil, err
		}
		h.proc, h.value = proc, value
	}
	h.proc.calls.Add(1)
	return h.value, h.proc.calls.Done, nil
}

// Plugin names the plugin with its version and, if it is installed, its digest,
// for messages about what it did.
func (h *holder[T]) Plugin() string {
	h.gate <- struct{}{}
	defer func() { <-h.gate }()
	if h.proc == nil {
		return h.p.name
	}
	return h.proc.title()
}

// Close releases the instance.
func (h *holder[T]) Close() error {
	h.gate <- struct{}{}
	defer func() { <-h.gate }()
	if h.closed || h.proc == nil || h.proc.gone() {
		h.closed = true
		return nil
	}
	h.closed = true
	return h.value.Close()
}

// call does one call that returns a result.
func call[T closer, R any](ctx context.Context, h *holder[T], f func(T) (R, error)) (R, error) {
	value, done, err := h.get(ctx)
	if err != nil {
		var none R
		return none, err
	}
	defer done()
	return f(value)
}

// do does one call without a result.
func do[T closer](ctx context.Context, h *holder[T], f func(T) error) error {
	_, err := call(ctx, h, func(v T) (struct{}, error) { return struct{}{}, f(v) })
	return err
}

type hook struct{ *holder[sdk.Hook] }

func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	return call(ctx, h.holder, func(v sdk.Hook) (*sdk.RunReport, error) { return v.Run(ctx, r, output) })
}

type destination struct{ *holder[sdk.Destination] }

func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	return call(ctx, d.holder, func(v sdk.Destination) (*sdk.DestinationReport, error) { return v.Check(ctx) })
}

func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	return call(ctx, d.holder, func(v sdk.Destination) (*sdk.StoreReport, error) { return v.Store(ctx, r, progress) })
}

func (d *destination) Stat(ctx context.Context, path string) (*sdk.Object, error) {
	return call(ctx, d.holder, func(v sdk.Destination) (*sdk.Object, error) { return v.Stat(ctx, path) })
}

func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	return call(ctx, d.holder, func(v sdk.Destination) (*sdk.FetchReport, error) { return v.Fetch(ctx, r, progress) })
}

func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return call(ctx, d.holder, func(v sdk.Destination) ([]sdk.Object, error) { return v.List(ctx, prefix) })
}

func (d *destination) Delete(ctx context.Context, path string) error {
	return do(ctx, d.holder, func(v sdk.Destination) error { return v.Delete(ctx, path) })
}

func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	return call(ctx, d.holder, func(v sdk.Destination) (*sdk.SweepReport, error) { return v.Sweep(ctx, r) })
}
