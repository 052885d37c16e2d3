// Package manualclock is a clock for tests that run real processes. It moves only when
// it is told to, and knows whether anything is still at work.
package manualclock

import (
	"sync"
	"time"

	"github.com/dprun/dprun/runner/clock"
)

// Clock implements [clock.Clock].
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	waiters map[*waiter]struct{}
	changes uint64
}

// waiter belongs to one goroutine. It is awake, which counts as work, until it
// waits, and again from the moment that the clock has reached its instant.
type waiter struct {
	clock    *Clock
	awake    bool
	until    time.Time // zero: it waits for no instant
	underWay int
	due      chan time.Time
}

// New returns a clock that stands at now.
func New(now time.Time) *Clock {
	return &Clock{now: now, waiters: map[*waiter]struct{}{}}
}

// Now is where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Waiter implements [clock.Clock].
func (c *Clock) Waiter() clock.Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &waiter{clock: c, awake: true}
	c.waiters[w] = struct{}{}
	c.changes++
	return w
}

func (w *waiter) Wait(t time.Time, underWay int) <-chan time.Time {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	w.due = make(chan time.Time, 1)
	w.awake, w.until, w.underWay = false, t, underWay
	w.clock.changes++
	w.fire()
	return w.due
}

func (w *waiter) Stop() {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	delete(w.clock.waiters, w)
	w.clock.changes++
}

// fire wakes the waiter when its instant has come. The lock is held.
func (w *waiter) fire() {
	if w.awake || w.until.IsZero() || w.until.After(w.clock.now) {
		return
	}
	w.awake = true
	w.due <- w.clock.now
}

// Advance moves the clock and wakes whoever waits for an instant until there.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for w := range c.waiters {
		w.fire()
	}
}

// Next is the earliest instant that somebody waits for; ok is false when nobody does.
func (c *Clock) Next() (next time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waiters {
		if !w.awake && !w.until.IsZero() && (!ok || w.until.Before(next)) {
			next, ok = w.until, true
		}
	}
	return next, ok
}

// Work is how much is at work, goroutines and calls, and a number that changes
// whenever something begins or ends to wait.
func (c *Clock) Work() (busy int, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waiters {
		if w.awake {
			busy++
		} else {
			busy += w.underWay
		}
	}
	return busy, c.changes
}
