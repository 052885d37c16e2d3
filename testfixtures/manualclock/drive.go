package manualclock

import (
	"context"
	"time"
)

// Fleet is a simulated fleet whose time is moved with the runner's.
type Fleet interface {
	// Waiting is how many gateways wait for simulated time, and the earliest
	// instant that one of them waits for.
	Waiting() (n int, next time.Time)
	Advance(d time.Duration)
}

// How long, in wall time, nothing must have happened before time moves.
const (
	whenIdle  = 10 * time.Millisecond  // nobody works; somebody who does not use the clock may be about to
	whenAsked = 150 * time.Millisecond // all work waits for gateways, or what was due woke nobody
	whenFar   = 500 * time.Millisecond // the next instant is far away: who waits for a lock looks again before, in wall time
	far       = time.Hour
)

// Drive moves a clock and a fleet's, by the same steps, from one instant that
// somebody waits for to the next, until ctx ends. They stand still while
// anybody works: time passes only when the runner waits for an instant, or
// works for nobody but a gateway that waits itself. Work that has not changed
// for as long as stuck, in wall time, is taken to wait for time by itself.
func Drive(ctx context.Context, own *Clock, fleet Fleet, stuck time.Duration) {
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
		limit := stuck
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
		step := next.Sub(own.Now())
		fleet.Advance(step)
		own.Advance(step)
		since, woken = time.Now(), false
	}
}
