// Package clock makes time a parameter. The release build knows only
// [System]; tests move a [Manual] clock, and with it every timer of the engine.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock tells the time and wakes at an instant.
type Clock interface {
	Now() time.Time
	// At returns a channel that is closed once the clock has reached t, and a
	// function that gives the timer up. It is called in any case: after the
	// channel was closed it says that this has been noticed.
	At(t time.Time) (<-chan struct{}, func())
}

// Worker is a clock that wants to know while somebody works, so that it does
// not move meanwhile. [Manual] is one; the release build has none.
type Worker interface {
	// Busy says that work has begun; the returned function, that it and
	// everything that follows from it at once is done.
	Busy() (done func())
}

// System is the machine's clock.
type System struct{}

// Now is the current time.
func (System) Now() time.Time { return time.Now() }

// At closes the channel when the system's clock reaches t.
func (System) At(t time.Time) (<-chan struct{}, func()) {
	c := make(chan struct{})
	timer := time.AfterFunc(time.Until(t), func() { close(c) })
	return c, func() { timer.Stop() }
}

// Manual is a clock that moves only when told.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]struct{}
	busy   int
	begun  uint64
}

type manualTimer struct {
	at      time.Time
	c       chan struct{}
	noticed func() // ends the work of noticing that it fired
}

// NewManual returns a clock that stands at now.
func NewManual(now time.Time) *Manual {
	return &Manual{now: now, timers: map[*manualTimer]struct{}{}}
}

// Now is where the clock stands.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// At closes the channel when the clock has been moved to t or beyond.
func (m *Manual) At(t time.Time) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mt := &manualTimer{at: t, c: make(chan struct{})}
	if !t.After(m.now) {
		close(mt.c)
		return mt.c, func() {}
	}
	m.timers[mt] = struct{}{}
	return mt.c, func() {
		m.mu.Lock()
		delete(m.timers, mt)
		noticed := mt.noticed
		m.mu.Unlock()
		if noticed != nil {
			noticed()
		}
	}
}

// Advance moves the clock and fires what has come due. Until whoever waited
// has noticed, that counts as work.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	for t := range m.timers {
		if !t.at.After(m.now) {
			t.noticed = m.work()
			close(t.c)
			delete(m.timers, t)
		}
	}
}

// Next is the earliest instant that something waits for; ok is false when nothing waits.
func (m *Manual) Next() (next time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.timers {
		if !ok || t.at.Before(next) {
			next, ok = t.at, true
		}
	}
	return next, ok
}

// Busy implements [Worker].
func (m *Manual) Busy() (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.work()
}

// work counts a piece of work; the lock is held.
func (m *Manual) work() (done func()) {
	m.busy++
	m.begun++
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.busy--
		m.begun++
	})
}

// Work tells how much work is under way, and a number that changes whenever
// work begins or ends.
func (m *Manual) Work() (busy int, changes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.busy, m.begun
}

// Drive moves the clock from timer to timer until ctx ends: whenever nothing
// is under way, and also when what is under way has not changed for as long as
// stuck (of real time), since then it waits for a timer itself. also, when
// given, moves other clocks by the same step before this one.
func (m *Manual) Drive(ctx context.Context, stuck time.Duration, also func(step time.Duration)) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	_, last := m.Work()
	since := time.Now()
	calm := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		busy, changes := m.Work()
		if changes != last {
			last, since, calm = changes, time.Now(), 0
			continue
		}
		calm++
		if busy == 0 && calm < 3 || busy > 0 && time.Since(since) < stuck {
			continue
		}
		next, ok := m.Next()
		if !ok {
			continue
		}
		step := next.Sub(m.Now())
		if step > time.Hour && time.Since(since) < 500*time.Millisecond {
			continue // who waits for a lock looks again before, in real time
		}
		if also != nil {
			also(step)
		}
		m.Advance(step)
		since, calm = time.Now(), 0
	}
}
