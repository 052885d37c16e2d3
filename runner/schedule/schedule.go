// Package schedule decides which due times of a plan are run, and says why the others
// are not. It is pure: it takes times and earlier decisions, and returns decisions.
//
// A due time identifies a night. One due time of a plan is decided once, whatever its
// jitter is, however often the server is restarted and wherever the clock goes.
package schedule

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/window"
)

// Rule is one schedule of a plan.
type Rule struct {
	Times  *cron.Times
	Jitter time.Duration
	Late   bool // a missed time is made up for, within the window
}

// Plan is a plan with schedules.
type Plan struct {
	Name   string
	Rules  []Rule
	Window *window.Schedule // nil: always open
}

// Slot is a time at which a plan is due.
type Slot struct {
	Due     time.Time
	Start   time.Time // Due plus the jitter of that night
	Outside bool      // the window is closed at the due time
	Late    bool      // of its rule
	Times   *cron.Times
}

// next returns when the plan is due first after a time, and by which rule. If two rules
// are due at the same time, it returns one of them.
func (p *Plan) next(after time.Time) (due time.Time, by Rule, ok bool) {
	for _, r := range p.Rules {
		if t := r.Times.Next(after); !t.IsZero() && (!ok || t.Before(due)) {
			due, by, ok = t, r, true
		}
	}
	return due, by, ok
}

func (p *Plan) slot(due time.Time, by Rule) Slot {
	s := Slot{Due: due, Late: by.Late, Times: by.Times}
	// The start must come before the next due time, and within the window.
	most := by.Jitter
	if next, _, ok := p.next(due); ok && most > 0 {
		most = min(most, next.Sub(due)-time.Second)
	}
	if p.Window != nil {
		if s.Outside = !p.Window.Open(due); !s.Outside && most > 0 {
			if closes, ends := p.Window.ClosesAt(due); ends {
				most = min(most, closes.Sub(due)-time.Second)
			}
		}
	}
	s.Start = due.Add(jitter(p.Name, due, most))
	return s
}

// jitter returns the same value for a plan and a due time, however often anybody asks.
func jitter(plan string, due time.Time, most time.Duration) time.Duration {
	n := int64(most / time.Second)
	if n <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(plan), uint64(due.Unix())))
	return time.Duration(h.Sum64()%uint64(n+1)) * time.Second
}

// Next returns the next n slots that are due after a time.
func (p *Plan) Next(after time.Time, n int) (slots []Slot) {
	for len(slots) < n {
		due, by, ok := p.next(after)
		if !ok {
			break
		}
		slots = append(slots, p.slot(due, by))
		after = due
	}
	return slots
}
