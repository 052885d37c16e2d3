package scenario

import (
	"context"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/testfixtures/dpsim/simclock"
)

// How long, in wall time, nothing must have happened before time moves.
const (
	whenIdle  = 10 * time.Millisecond  // nobody works: timers that were just due may still be on their way
	whenAsked = 150 * time.Millisecond // all work waits for gateways, or what was due woke nobody
	whenStuck = 20 * time.Second       // work is under way that may wait for time by itself
	whenFar   = 500 * time.Millisecond // the next instant is far away: who waits for a lock looks again before, in wall time
	far       = time.Hour
)

// drive moves both clocks, by the same steps, from one instant that somebody
// waits for to the next. They stand still while anybody works: time passes
// only when the runner waits for a timer, or works for nobody but a gateway
// that waits itself.
func drive(ctx context.Context, own *clock.Manual, fleet *simclock.Clock) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	_, last := own.Work()
	asleepBefore, _ := fleet.Waiting()
	since, woken := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		busy, changes := own.Work()
		asleep, wakes := fleet.Waiting()
		if changes != last || asleep != asleepBefore {
			last, asleepBefore, since, woken = changes, asleep, time.Now(), true
			continue
		}
		limit := whenStuck
		switch {
		case busy == 0 && woken:
			limit = whenIdle
		case busy <= asleep:
			limit = whenAsked
		}
		if time.Since(since) < limit {
			continue
		}
		next, ok := own.Next()
		if asleep > 0 && (!ok || wakes.Before(next)) {
			next, ok = wakes, true
		}
		if !ok || next.Sub(own.Now()) > far && time.Since(since) < whenFar {
			continue
		}
		pass(own, fleet, next.Sub(own.Now()))
		since, woken = time.Now(), false
	}
}

// pass lets time go by for the fleet and then for the runner.
func pass(own *clock.Manual, fleet *simclock.Clock, d time.Duration) {
	fleet.Advance(d)
	own.Advance(d)
}
