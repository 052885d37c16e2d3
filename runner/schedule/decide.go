package schedule

import (
	"cmp"
	"slices"
	"time"
)

// Horizon is how far back undecided due times are searched for. It is longer than a
// server is ever down.
const Horizon = 400 * 24 * time.Hour

// maxJitter is longer than any start can be put off.
const maxJitter = 13 * time.Hour

// most is how many due times are decided at once; the newest are chosen. So a plan that
// is due every minute does not fill the journal after its server was down for a year.
const most = 500

// prompt is how late a start may be and still count as on time.
const prompt = 2 * time.Minute

// Verdict is the decision about a due time.
type Verdict string

// The verdicts.
const (
	Run      Verdict = "run"
	Missed   Verdict = "missed"   // nobody was there, and it is not made up for
	Outside  Verdict = "outside"  // the window was closed
	Overlaps Verdict = "overlaps" // a run of the plan was in progress
)

// Question is the state of a plan at one moment.
type Question struct {
	Now time.Time
	// Since is when the plan got its schedules. Nothing is due before.
	Since time.Time
	// Last is when this process asked before; zero: never.
	Last time.Time
	// Decided are the due times after [Question.From] that were decided, in Unix
	// seconds.
	Decided map[int64]bool
	Running bool // a run of the plan is in progress
	// Away says why nothing was started until now; empty: nobody was there to do it.
	Away string
	// Skip leaves late times out, whatever the schedules say: somebody alone would
	// choose when the plan runs.
	Skip bool
}

// From returns the time after which due times are examined. If the clock was set back,
// it lies further back.
func (q Question) From() time.Time {
	from := q.Now.Add(-Horizon)
	if q.Since.After(from) {
		from = q.Since
	}
	if asked := q.Last.Add(-maxJitter); !q.Last.IsZero() && asked.After(from) {
		from = asked
	}
	if q.Now.Before(from) {
		return q.Now
	}
	return from
}

// Decision is what to do about one due time.
type Decision struct {
	Slot
	Verdict Verdict
	Why     string // a sentence for a person; empty: it is run on time
}

// Decide decides about the due times up to now, the oldest first. At most one decision
// is [Run]. Due times that are put off by their jitter are left for later.
func (p *Plan) Decide(q Question) (out []Decision) {
	slots, waits := p.undecided(q)
	away := cmp.Or(q.Away, "nobody was there to start it")
	for i, s := range slots {
		d := Decision{Slot: s, Verdict: Run}
		late := q.Now.Sub(s.Start) > prompt
		switch {
		case s.Outside:
			d.Verdict, d.Why = Outside, "the plan's window is closed at that time"
		case newer(slots[i+1:]) || waits:
			d.Verdict, d.Why = Missed, away+", and the plan is due again"
		case late && q.Skip:
			d.Verdict, d.Why = Missed, away+", and the plan says four_eyes: whoever let it start now would choose its time alone; start it, and have a second person approve"
		case late && !s.Late:
			d.Verdict, d.Why = Missed, away+", and the schedule says to leave it out"
		case late && !p.stillOpen(s.Due, q.Now):
			d.Verdict, d.Why = Missed, away+", and its window has closed"
		case q.Running:
			d.Verdict, d.Why = Overlaps, "a run of the plan was in progress"
		case late:
			d.Why = "made up for: " + away + " on time"
		}
		out = append(out, d)
	}
	return out
}

// newer reports whether one of the slots can be run.
func newer(slots []Slot) bool {
	return slices.ContainsFunc(slots, func(s Slot) bool { return !s.Outside })
}

// undecided returns the slots that are due and not decided yet. waits says that a newer
// slot is due and put off by its jitter.
func (p *Plan) undecided(q Question) (slots []Slot, waits bool) {
	since := q.From()
	for {
		due, by, ok := p.next(since)
		if !ok || due.After(q.Now) {
			break
		}
		if since = due; q.Decided[due.Unix()] {
			continue
		}
		s := p.slot(due, by)
		if s.Start.After(q.Now) {
			waits = waits || !s.Outside
		} else if slots = append(slots, s); len(slots) > 2*most {
			slots = slices.Delete(slots, 0, most)
		}
	}
	return slots[max(0, len(slots)-most):], waits
}

// stillOpen reports whether the window has been open since due.
func (p *Plan) stillOpen(due, now time.Time) bool {
	if p.Window == nil {
		return true
	}
	closes, ends := p.Window.ClosesAt(due)
	return !ends || now.Before(closes)
}
