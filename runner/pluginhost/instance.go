package pluginhost

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// holder keeps one configured instance of a plugin. It configures the instance again
// after the plugin's process has been replaced.
type holder[T sdk.Instance] struct {
	p         *plugin
	configure func(context.Context, *client.Plugin) (T, error)

	gate   chan struct{} // held while the fields below are in use
	proc   *process
	value  T
	closed bool
}

// held returns the holder of an instance, and fails if the instance cannot be
// configured.
func held[T sdk.Instance](ctx context.Context, h *Host, r Ref, config cty.Value, configure func(*client.Plugin, context.Context, string, cty.Value) (T, error)) (*holder[T], error) {
	p, err := h.offering(ctx, r)
	if err != nil {
		return nil, err
	}
	i := &holder[T]{p: p, gate: make(chan struct{}, 1), configure: func(ctx context.Context, c *client.Plugin) (T, error) { return configure(c, ctx, r.Type, config) }}
	return i, i.prepare(ctx)
}

// prepare configures the instance now, to see whether that works.
func (h *holder[T]) prepare(ctx context.Context) error {
	_, proc, err := h.get(ctx)
	switch {
	case err == nil:
		proc.calls.end()
	case ctx.Err() == nil && proc != nil && diedUnder(proc, err):
		_, err = alone(ctx, h, always, func(T) (struct{}, error) { return struct{}{}, nil })
	}
	return err
}

// get returns the instance for one call, and the process that serves it. The caller
// ends the process's count of that call. If get fails, proc is the process in which the
// instance could not be configured, if there was one.
func (h *holder[T]) get(ctx context.Context) (value T, proc *process, err error) {
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
		value, err := h.configured(ctx, proc)
		if err != nil {
			return none, proc, err
		}
		h.proc, h.value = proc, value
	}
	if !h.proc.calls.begin() {
		return none, nil, h.p.stoppedFailure()
	}
	return h.value, h.proc, nil
}

// configured configures an instance in a process.
func (h *holder[T]) configured(ctx context.Context, proc *process) (T, error) {
	return bounded(ctx, proc, h.p.host.options.AnswerLimit, "take its configuration", func(ctx context.Context) (T, error) {
		return h.configure(ctx, proc.plugin)
	})
}

// bounded makes a call in which a plugin contacts nobody, so that it either answers
// soon or hangs.
func bounded[R any](ctx context.Context, proc *process, limit time.Duration, what string, f func(context.Context) (R, error)) (R, error) {
	bound, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := f(bound)
	// The plugin's end of the call may notice the timeout first. The plugin contacts
	// nobody, so nothing else can be late.
	if err != nil && ctx.Err() == nil && (bound.Err() != nil || failure.From(err).Kind == failure.Timeout) {
		return r, failure.New(failure.Timeout, "", "the plugin %s was asked to %s and gave no answer within %s", proc.title(), what, limit).
			WithRemedy("it hangs: look at its log (--log-level debug), and report it to whoever wrote it; until it is mended leave out what uses it")
	}
	return r, err
}

// Plugin names the plugin with its version and, if it is installed, its digest, for
// messages about what it did.
func (h *holder[T]) Plugin() string {
	h.gate <- struct{}{}
	defer func() { <-h.gate }()
	if h.proc == nil {
		return h.p.name
	}
	return h.proc.title()
}

// Offers implements [sdk.Far].
func (h *holder[T]) Offers(a schema.Ability) bool {
	h.gate <- struct{}{}
	defer func() { <-h.gate }()
	far, ok := any(h.value).(sdk.Far)
	return ok && far.Offers(a)
}

// able calls f with an instance that has an ability.
func able[A, R any, T sdk.Instance](ctx context.Context, h *holder[T], repeatable again, f func(A) (R, error)) (R, error) {
	return call(ctx, h, repeatable, func(v T) (R, error) {
		a, ok := sdk.As[A](v)
		if !ok {
			var none R
			return none, failure.New(failure.Precondition, failure.Unsupported, "the plugin %s does not offer that", h.p.name)
		}
		return f(a)
	})
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

type hook struct{ *holder[sdk.Hook] }

func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	return call(ctx, h.holder, never, func(v sdk.Hook) (*sdk.RunReport, error) { return v.Run(ctx, r, output) })
}

type destination struct{ *holder[sdk.Destination] }

// An ability that is missing here looks like one that no plugin has.
var _ interface {
	sdk.Reader
	sdk.Lister
	sdk.Deleter
	sdk.Sweeper
	sdk.Summer
	sdk.LeftoverLister
} = (*destination)(nil)

func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	return call(ctx, d.holder, always, func(v sdk.Destination) (*sdk.DestinationReport, error) { return v.Check(ctx) })
}

func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	return call(ctx, d.holder, always, func(v sdk.Destination) (*sdk.StoreReport, error) { return v.Store(ctx, r, progress) })
}

func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	return able(ctx, d.holder, always, func(v sdk.Reader) (*sdk.FetchReport, error) { return v.Fetch(ctx, r, progress) })
}

func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return able(ctx, d.holder, always, func(v sdk.Lister) ([]sdk.Object, error) { return v.List(ctx, prefix) })
}

func (d *destination) Delete(ctx context.Context, path string) error {
	_, err := able(ctx, d.holder, always, func(v sdk.Deleter) (struct{}, error) { return struct{}{}, v.Delete(ctx, path) })
	return err
}

func (d *destination) Sum(ctx context.Context, path string, progress func(int64)) (*sdk.FetchReport, error) {
	return able(ctx, d.holder, always, func(v sdk.Summer) (*sdk.FetchReport, error) { return v.Sum(ctx, path, progress) })
}

func (d *destination) Leftovers(ctx context.Context, prefix string) ([]sdk.Object, error) {
	return able(ctx, d.holder, always, func(v sdk.LeftoverLister) ([]sdk.Object, error) { return v.Leftovers(ctx, prefix) })
}

func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	return able(ctx, d.holder, always, func(v sdk.Sweeper) (*sdk.SweepReport, error) { return v.Sweep(ctx, r) })
}
