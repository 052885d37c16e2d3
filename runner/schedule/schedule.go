// Package schedule decides which times of a plan's schedules are run, and says
// of every other one why it is not. It is pure: times and what was decided
// before in, decisions out.
//
// A due time is the name of a night: whatever its jitter is, however often the
// server is started and wherever the clock goes, one due time of a plan is
// decided once.
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
	Late   bool // one that was missed is made up for, within its window
}

// Plan is what is scheduled.
type Plan struct {
	Name   string
	Rules  []Rule
	Window *window.Schedule // nil: always open
}

// Slot is a time at which a plan is due.
type Slot struct {
	Due     time.Time
	Start   time.Time // Due and the jitter of that night
	Outside bool      // the window is closed when it is due
	Late    bool      // of its rule
	Times   *cron.Times
}

// next is when the plan is due first after t, and by which rule. Two rules that
// are due at one time are one.
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
	// The start stays before the next due time, and in the window.
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

// jitter is the same for a plan and a due time, whoever asks and how often.
func jitter(plan string, due time.Time, most time.Duration) time.Duration {
	n := int64(most / time.Second)
	if n <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(plan), uint64(due.Unix())))
	return time.Duration(h.Sum64()%uint64(n+1)) * time.Second
}

// Next lists the next n slots that are due after t.
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
