// Package clock makes time a parameter of the runner. The product uses
// [System]; tests with real processes bring a clock that they move themselves.
package clock

import "time"

// Clock tells the time and wakes at an instant.
type Clock interface {
	Now() time.Time
	// Waiter returns a new waiter for one goroutine. It is stopped after use.
	Waiter() Waiter
}

// Waiter waits for one instant after another. Only one goroutine uses it.
type Waiter interface {
	// Wait returns a channel that receives once, when the clock reaches t; with
	// the zero time it never does. It replaces the instant of an earlier Wait.
	// underWay is the number of calls to the outside that the goroutine waits
	// for as well: a clock that is moved by hand stands still for them.
	Wait(t time.Time, underWay int) <-chan time.Time
	// Stop gives the instant up.
	Stop()
}

// System is the machine's clock.
type System struct{}

// Now is the current time.
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
