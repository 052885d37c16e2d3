// Package simclock is the clock of a simulated fleet. It shows wall time by default. It
// can be moved, so that a quiesce of minutes is over in a microsecond.
package simclock

import (
	"context"
	"sync"
	"time"
)

// Clock tells simulated time. It runs with the wall clock until it is
// frozen, advanced or set. The zero value is not usable; see New.
type Clock struct {
	mu      sync.Mutex
	offset  time.Duration // simulated minus wall time, while running
	frozen  bool
	at      time.Time // simulated time, while frozen
	changed chan struct{}
	waits   map[*wait]struct{}
}

// wait is somebody who waits for an instant.
type wait struct{ until time.Time }

// New returns a clock that shows wall time.
func New() *Clock {
	return &Clock{changed: make(chan struct{}), waits: map[*wait]struct{}{}}
}

// Now returns the simulated time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.frozen {
		return c.at
	}
	return time.Now().Round(0).Add(c.offset)
}

// Frozen reports whether time stands still.
func (c *Clock) Frozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}

// Advance moves simulated time by d.
func (c *Clock) Advance(d time.Duration) {
	c.update(func() {
		c.offset += d
		c.at = c.at.Add(d)
	})
}

// Set makes t the simulated time.
func (c *Clock) Set(t time.Time) {
	c.update(func() {
		c.offset = t.Sub(time.Now().Round(0))
		c.at = t
	})
}

// Freeze stops simulated time, or lets it run on from where it stands.
func (c *Clock) Freeze(frozen bool) {
	c.update(func() {
		now := c.now()
		c.frozen = frozen
		c.at = now
		c.offset = now.Sub(time.Now().Round(0))
	})
}

func (c *Clock) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Waiting tells how many wait for an instant, and the earliest of these
// instants. Whoever moves the clock may go there: before it nothing happens.
func (c *Clock) Waiting() (n int, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waits {
		if n++; n == 1 || w.until.Before(next) {
			next = w.until
		}
	}
	return n, next
}

// WaitUntil returns when simulated time has reached t, or with ctx's error.
func (c *Clock) WaitUntil(ctx context.Context, t time.Time) error {
	w := &wait{t}
	c.mu.Lock()
	if t.After(c.now()) {
		c.waits[w] = struct{}{}
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waits, w)
	}()
	for {
		c.mu.Lock()
		left, frozen, changed := t.Sub(c.now()), c.frozen, c.changed
		c.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		if err := waitChange(ctx, left, frozen, changed); err != nil {
			return err
		}
	}
}

// Sleep waits for d of simulated time.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	return c.WaitUntil(ctx, c.Now().Add(d))
}

// waitChange waits until the clock was moved or, if it runs, for d.
func waitChange(ctx context.Context, d time.Duration, frozen bool, changed <-chan struct{}) error {
	var due <-chan time.Time
	if !frozen {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-due:
	}
	return nil
}
