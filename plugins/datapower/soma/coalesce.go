package soma

import (
	"context"
	"sync"
	"time"
)

// patience is how long a read waits for the same read under way, so that more callers can share it. A device
// answers within that time unless something is wrong.
const patience = time.Second

// coalescer lets callers who ask the same at one moment share one answer. Only callers who asked before a request
// was sent share its answer: a caller who asks while it is under way gets the next one. No answer is kept.
type coalescer[T any] struct {
	mu       sync.Mutex
	waiting  map[string]*flight[T] // asked for, not sent yet
	sent     map[string]*flight[T] // the last one under way
	patience time.Duration
}

// flight is one request with the callers who wait for it.
type flight[T any] struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	callers int
	done    chan struct{}
	answer  T
	err     error
}

func newCoalescer[T any]() *coalescer[T] {
	return &coalescer[T]{waiting: map[string]*flight[T]{}, sent: map[string]*flight[T]{}, patience: patience}
}

// do returns the answer of a read for key that is sent after the call of do. The read goes on while at least one
// of its callers waits. ok is false if ctx ended first.
func (c *coalescer[T]) do(ctx context.Context, key string, read func(context.Context) (T, error)) (answer T, err error, ok bool) {
	c.mu.Lock()
	f := c.waiting[key]
	if f == nil {
		f = &flight[T]{done: make(chan struct{})}
		f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
		c.waiting[key] = f
		go c.fly(key, f, c.sent[key], read)
	}
	f.callers++
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.answer, f.err, true
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.callers--; f.callers == 0 {
		f.cancel(context.Cause(ctx))
		if c.waiting[key] == f {
			delete(c.waiting, key)
		}
	}
	return answer, nil, false
}

// fly sends a request once the one before it is answered, or after [patience].
func (c *coalescer[T]) fly(key string, f, before *flight[T], read func(context.Context) (T, error)) {
	defer f.cancel(nil)
	if before != nil {
		late := time.NewTimer(c.patience)
		select {
		case <-before.done:
		case <-late.C:
		case <-f.ctx.Done():
		}
		late.Stop()
	}
	c.mu.Lock()
	if c.waiting[key] == f {
		delete(c.waiting, key)
	}
	c.sent[key] = f
	c.mu.Unlock()
	f.answer, f.err = read(f.ctx)
	c.mu.Lock()
	if c.sent[key] == f {
		delete(c.sent, key)
	}
	c.mu.Unlock()
	close(f.done)
}
