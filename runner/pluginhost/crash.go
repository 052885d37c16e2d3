package pluginhost

import (
	"context"
	"errors"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
)

// aloneAtOnce bounds how many processes serve one suspected call each. What is
// owed to a device does not wait for them.
const aloneAtOnce = 8

// again says whether a call may be made a second time when the process went
// away under it.
type again func() bool

func always() bool { return true }
func never() bool  { return false }

// call does one call that returns a result. A process that ends takes all its
// calls with it, and one of them has probably ended it. So those that can be
// repeated are, each in a process of its own: the one that ends that one too is
// to blame, and all others get their results.
func call[T sdk.Instance, R any](ctx context.Context, h *holder[T], repeatable again, f func(T) (R, error)) (R, error) {
	value, proc, err := h.get(ctx)
	if err != nil {
		if ctx.Err() == nil && proc != nil && diedUnder(proc, err) { // while it was configured: nothing was asked yet
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

// alone does a call that was in flight when a process ended, in a process that
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

// do does one call without a result.
func do[T sdk.Instance](ctx context.Context, h *holder[T], repeatable again, f func(T) error) error {
	_, err := call(ctx, h, repeatable, func(v T) (struct{}, error) { return struct{}{}, f(v) })
	return err
}

// diedUnder reports whether a call failed because its process is gone.
func diedUnder(proc *process, err error) bool {
	f, ok := errors.AsType[*failure.Error](err)
	return ok && f.Kind == failure.Unavailable && f.Reason == failure.Crashed && proc.gone()
}

// blame makes the end of a process that served one call only that call's
// failure: it is not tried a third time.
func blame(proc *process, err error) error {
	if !diedUnder(proc, err) {
		return err
	}
	f := failure.From(err)
	return failure.New(failure.Internal, failure.Crashed, "the plugin's process ended twice during this call, the second time with nothing else to do; it is not tried a third time: %s", f.Message).
		WithRemedy("this is a fault of the plugin: report it with these lines; until it is mended leave out what was asked for here")
}

// startAlone starts a process beside the plugin's own. end stops it.
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

// inflight counts what is under way. Unlike with a sync.WaitGroup something
// may begin while somebody waits: the wait is then for that too, or over.
type inflight struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when n falls to 0 while somebody waits
}

// begin counts one more; false: nothing may begin any more.
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

// close lets nothing begin any more, and tells when all is done.
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
