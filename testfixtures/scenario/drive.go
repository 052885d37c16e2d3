package scenario

import (
	"context"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/testfixtures/dpsim/simclock"
)

const (
	calmTicks = 3 // of a millisecond, without news, before time moves
	// How long, in wall time, nothing must have happened when work is under way
	// of which all, part, or nothing seems to wait for the fleet's time.
	allWaits  = 150 * time.Millisecond
	strayWork = 2 * time.Second
	stuckWork = 20 * time.Second
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
	since, calm := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		busy, changes := own.Work()
		asleep, wakes := fleet.Waiting()
		if changes != last || asleep != asleepBefore {
			last, asleepBefore, since, calm = changes, asleep, time.Now(), 0
			continue
		}
		calm++
		limit := stuckWork
		switch {
		case busy == 0:
			limit = 0
		case busy <= asleep:
			limit = allWaits
		case asleep > 0:
			limit = strayWork
		}
		if calm < calmTicks || time.Since(since) < limit {
			continue
		}
		next, ok := own.Next()
		if asleep > 0 && (!ok || wakes.Before(next)) {
			next, ok = wakes, true
		}
		if !ok {
			continue
		}
		pass(own, fleet, next.Sub(own.Now()))
		since, calm = time.Now(), 0
	}
}

// pass lets time go by for the fleet and then for the runner.
func pass(own *clock.Manual, fleet *simclock.Clock, d time.Duration) {
	fleet.Advance(d)
	own.Advance(d)
}
