// Package clock makes time a parameter of the runner. The product uses [System]. Tests
// with real processes use a clock that they move themselves.
package clock

import "time"

// Clock tells the time and wakes goroutines at an instant.
type Clock interface {
	Now() time.Time
	// Waiter returns a new waiter for one goroutine. The caller stops it after use.
	Waiter() Waiter
}

// Waiter waits for one instant after another. Only one goroutine may use it.
type Waiter interface {
	// Wait returns a channel that receives once, when the clock reaches t. With the
	// zero time it never receives. Each call replaces the instant of the call before.
	// underWay is the number of calls to the outside that the goroutine also waits for.
	// A clock that is moved by hand stands still while there are any.
	Wait(t time.Time, underWay int) <-chan time.Time
	// Stop cancels the instant.
	Stop()
}

// System is the machine's clock.
type System struct{}

// Now implements [Clock].
func (System) Now() time.Time { return time.Now() }

// Waiter implements [Clock].
func (System) Waiter() Waiter { return &systemWaiter{} }

type systemWaiter struct{ timer *time.Timer }

func (w *systemWaiter) Wait(t time.Time, _ int) <-chan time.Time {
	if t.IsZero() {
		w.Stop()
		return nil
	}
	if w.timer == nil {
		w.timer = time.NewTimer(time.Until(t))
	} else {
		w.timer.Reset(time.Until(t))
	}
	return w.timer.C
}

func (w *systemWaiter) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
