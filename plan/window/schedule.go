package window

import (
	"slices"
	"time"
)

// Schedule is a compiled [Window]. It is immutable. Use it to ask the same
// window often.
type Schedule struct {
	loc      *time.Location
	allow    []rule
	deny     []rule
	lastDate date // latest date in any rule; zero: no rule has dates
}

// rule is an allow or a deny with its texts parsed.
type rule struct {
	days     [7]bool // by time.Weekday
	dates    []date  // sorted; nil: every date
	wholeDay bool    // neither from nor to is set
	from, to int     // minutes after midnight; to may be on the next day
}

// span is a period of time without its end.
type span struct{ from, to time.Time }

// probeDays is how many days beyond the last named date must be searched before
// the answer is "never". Rules without dates recur weekly. A month holds every
// weekday often enough to reach beyond a period that one change of the clocks
// hides.
const probeDays = 31

// Open reports whether t is inside the window.
func (s *Schedule) Open(t time.Time) bool {
	open, _ := s.at(t)
	return open
}

// ClosesAt returns the end of the open period that holds t; see [Window.ClosesAt].
func (s *Schedule) ClosesAt(t time.Time) (time.Time, bool) { return s.seek(t, false) }

// OpensAt returns the first open instant at or after t; see [Window.OpensAt].
func (s *Schedule) OpensAt(t time.Time) (time.Time, bool) { return s.seek(t, true) }

// seek walks from boundary to boundary until the window is open (or closed).
func (s *Schedule) seek(t time.Time, open bool) (time.Time, bool) {
	end := dateOf(t.In(s.loc))
	if end.before(s.lastDate) {
		end = s.lastDate
	}
	horizon := s.instant(end.add(probeDays), 0)
	for x := t; x.Before(horizon); {
		now, next := s.at(x)
		if now == open {
			return x, true
		}
		x = next
	}
	return time.Time{}, false
}

// at says whether the window is open at x and when that may change next.
func (s *Schedule) at(x time.Time) (open bool, next time.Time) {
	// A rule's period reaches at most into the day after its own, and a change
	// of the clocks moves a date by less than a day.
	local := x.In(s.loc)
	today := dateOf(local)
	next = s.dateEnd(local)
	note := func(sp span) (inside bool) {
		for _, b := range [...]time.Time{sp.from, sp.to} {
			if b.After(x) && b.Before(next) {
				next = b
			}
		}
		return !x.Before(sp.from) && x.Before(sp.to)
	}
	open = len(s.allow) == 0
	denied := false
	for d := today.add(-2); !today.add(2).before(d); d = d.add(1) {
		for i := range s.allow {
			if sp, ok := s.span(&s.allow[i], d); ok && note(sp) {
				open = true
			}
		}
		for i := range s.deny {
			if s.deny[i].onDates() {
				continue
			}
			if sp, ok := s.span(&s.deny[i], d); ok && note(sp) {
				denied = true
			}
		}
	}
	for i := range s.deny {
		if r := &s.deny[i]; r.onDates() && r.has(today) {
			denied = true
		}
	}
	return open && !denied, next
}

// onDates reports whether the rule is about whole calendar dates. Such a denial
// depends on the date that the clocks show, not on boundaries that were passed:
// if a repeated hour spans midnight, a date comes back for a while.
func (r *rule) onDates() bool { return r.dates != nil && r.wholeDay }

// has reports whether the rule has a period that belongs to day d.
func (r *rule) has(d date) bool {
	if !r.days[d.weekday()] {
		return false
	}
	if r.dates == nil {
		return true
	}
	_, found := slices.BinarySearchFunc(r.dates, d, date.compare)
	return found
}

// dateEnd returns when the clocks leave local's date or change.
func (s *Schedule) dateEnd(local time.Time) time.Time {
	_, offset := local.Zone()
	midnight := dateOf(local).add(1).utc().Add(-time.Duration(offset) * time.Second)
	// On the last day of a leap year beyond the zone's table, such as 2040-12-31,
	// the library reports that the offset ends at the very instant asked about.
	if _, end := local.ZoneBounds(); end.After(local) && end.Before(midnight) {
		return end.UTC()
	}
	return midnight
}

// span returns the period of a rule that belongs to day d.
func (s *Schedule) span(r *rule, d date) (span, bool) {
	if !r.has(d) {
		return span{}, false
	}
	sp := span{s.instant(d, r.from), s.instant(d, r.to)}
	return sp, sp.from.Before(sp.to)
}

// instant returns the first moment at which the clocks show d at that minute,
// or a later time.
func (s *Schedule) instant(d date, minute int) time.Time {
	return Instant(s.loc, time.Date(d.year, d.month, d.day, 0, minute, 0, 0, time.UTC))
}

// Instant returns the first moment at which the clocks of a zone show a
// wall-clock time or a later one. The wall-clock time is given as if it were
// UTC.
func Instant(loc *time.Location, wall time.Time) time.Time {
	// Zones are at most 15 hours away from UTC. A start one day early covers
	// every zone in which the clocks can have shown the time.
	for at := wall.Add(-24 * time.Hour); ; {
		zoned := at.In(loc)
		_, offset := zoned.Zone()
		start, end := zoned.ZoneBounds()
		x := wall.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || x.Before(end) {
			if !start.IsZero() && x.Before(start) {
				return start.UTC()
			}
			return x
		}
		at = end
	}
}
