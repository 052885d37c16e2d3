package pluginhost

import (
	"context"
	"errors"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
)

// aloneAtOnce is how many processes may each serve one suspect call at the same time.
// Calls that undo something on a device do not wait for them.
const aloneAtOnce = 8

// again reports whether a call may be repeated after its process went away.
type again func() bool

func always() bool { return true }
func never() bool  { return false }

// call makes a call that returns a result. When a process ends, all its calls fail,
// although probably one of them ended it. So each call that may be repeated is repeated
// in a process of its own. The call that ends that process too is to blame, and all
// others get their results.
func call[T sdk.Instance, R any](ctx context.Context, h *holder[T], repeatable again, f func(T) (R, error)) (R, error) {
	value, proc, err := h.get(ctx)
	if err != nil {
		if ctx.Err() == nil && proc != nil && diedUnder(proc, err) { // it died while being configured: the call was not made yet
			return alone(ctx, h, repeatable, f)
		}
		var none R
		return none, err
	}
	r, err := f(value)
	if hangs := new(client.HangError); errors.As(err, &hangs) {
		h.p.host.options.Log.Warn("a plugin did not end a call that was given up: it hangs, and may still be at work until its process ends; tell whoever wrote it",
			"plugin", proc.title(), "waited", client.CancelGrace, "call", err)
	}
	proc.calls.end()
	switch {
	case err == nil:
		proc.served.Store(true)
	case ctx.Err() == nil && diedUnder(proc, err) && repeatable():
		return alone(ctx, h, repeatable, f)
	}
	return r, err
}

// alone repeats a call that was in flight when a process ended, in a process that
// serves nothing else.
func alone[T sdk.Instance, R any](ctx context.Context, h *holder[T], repeatable again, f func(T) (R, error)) (R, error) {
	var none R
	proc, end, err := h.p.startAlone(ctx)
	if err != nil {
		return none, err
	}
	defer end()
	value, err := h.configured(ctx, proc)
	if err != nil {
		return none, blame(proc, err)
	}
	r, err := f(value)
	if err != nil {
		if repeatable() {
			err = blame(proc, err)
		}
		return r, err
	}
	_ = value.Close()
	return r, nil
}

// do makes a call without a result.
func do[T sdk.Instance](ctx context.Context, h *holder[T], repeatable again, f func(T) error) error {
	_, err := call(ctx, h, repeatable, func(v T) (struct{}, error) { return struct{}{}, f(v) })
	return err
}

// diedUnder reports whether a call failed because its process is gone.
func diedUnder(proc *process, err error) bool {
	f, ok := errors.AsType[*failure.Error](err)
	return ok && f.Kind == failure.Unavailable && f.Reason == failure.Crashed && proc.gone()
}

// blame attributes the end of a process to the only call that it served. That call is
// not repeated again.
func blame(proc *process, err error) error {
	if !diedUnder(proc, err) {
		return err
	}
	f := failure.From(err)
	return failure.New(failure.Internal, failure.Crashed, "the plugin's process ended twice during this call, the second time with nothing else to do; it is not tried a third time: %s", f.Message).
		WithRemedy("this is a fault of the plugin: report it with these lines; until it is mended leave out what was asked for here")
}

// startAlone starts a process in addition to the plugin's own. end stops it.
func (p *plugin) startAlone(ctx context.Context) (_ *process, end func(), err error) {
	s, err := p.describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	leave := func() {}
	if !isOwed(ctx) {
		select {
		case p.aloneGate <- struct{}{}:
			leave = func() { <-p.aloneGate }
		case <-ctx.Done():
			return nil, nil, failure.From(ctx.Err())
		}
	}
	if !p.alone.begin() {
		leave()
		return nil, nil, p.stoppedFailure()
	}
	proc, err := p.start(ctx, s.Version, s.Env)
	if err != nil {
		p.alone.end()
		leave()
		return nil, nil, err
	}
	p.host.options.Log.Warn("a plugin's process ended; a call that was in flight is made again in a process of its own", "plugin", proc.title())
	return proc, func() {
		proc.stop()
		p.alone.end()
		leave()
	}, nil
}

// inflight counts calls in flight. Unlike a sync.WaitGroup, it lets a call begin while
// somebody waits. The wait then either includes that call or is already over.
type inflight struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when n falls to 0 while somebody waits
}

// begin counts one more call; false: no new calls are allowed.
func (c *inflight) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.n++
	return true
}

func (c *inflight) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// close allows no new calls, and returns a channel that is closed when all calls have
// ended.
func (c *inflight) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.idle == nil {
		c.idle = make(chan struct{})
		if c.n == 0 {
			done := c.idle
			close(done)
			c.idle = nil
			return done
		}
	}
	return c.idle
}
