// Package window says when a plan may run.
//
// A window is written in wall-clock time of one IANA zone. Every wall-clock
// boundary means exactly one instant: the first at which the clocks of that
// zone show that time or a later one. So a boundary in the hour that is skipped
// in spring is the instant after the skip, and a boundary in the hour that is
// repeated in autumn is its first pass. A period between two boundaries is
// never cut in two.
//
// An allowed period belongs to the day on which it opens, even if it crosses
// midnight. A denied date is the calendar date of the instant itself. Denial
// wins. A window without any allow is open whenever it is not denied.
package window

import (
	"fmt"
	"time"
)

// Window is a named set of allowed and denied periods. Its JSON form is stable,
// because it is written into the journal.
type Window struct {
	Name     string  `json:"name"`
	Timezone string  `json:"timezone"` // IANA name; empty: UTC
	Allow    []Allow `json:"allow,omitempty"`
	Deny     []Deny  `json:"deny,omitempty"`
}

// Allow is one recurring period. Nil Days mean every day and nil Dates every
// date, while an empty list means none. If both are given, the day of the
// opening must match both. From and To are "HH:MM"; From defaults to "00:00"
// and To to "24:00". A To before From is on the following day.
type Allow struct {
	Days  []string `json:"days"`  // mon, tue, wed, thu, fri, sat, sun
	Dates []string `json:"dates"` // "2026-12-25"
	From  string   `json:"from,omitempty"`
	To    string   `json:"to,omitempty"`
}

// Deny is one period in which the window is never open. It is written like
// [Allow], except that a Deny with Dates never crosses midnight.
type Deny struct {
	Days  []string `json:"days"`
	Dates []string `json:"dates"`
	From  string   `json:"from,omitempty"`
	To    string   `json:"to,omitempty"`
}

// Open reports whether t is inside the window. A window that [Window.Compile]
// refuses is never open.
func (w Window) Open(t time.Time) bool {
	s, err := w.Compile()
	return err == nil && s.Open(t)
}

// ClosesAt returns the end of the open period that holds t; false: it never
// ends. If t is outside the window, it returns t.
func (w Window) ClosesAt(t time.Time) (time.Time, bool) {
	s, err := w.Compile()
	if err != nil {
		return t, true
	}
	return s.ClosesAt(t)
}

// OpensAt returns the first open instant at or after t; false: there is none.
func (w Window) OpensAt(t time.Time) (time.Time, bool) {
	s, err := w.Compile()
	if err != nil {
		return time.Time{}, false
	}
	return s.OpensAt(t)
}

// Say formats an instant as the clocks of the window's zone show it, with the
// zone's abbreviation. It is for a person who knows the window from its plan.
func (w Window) Say(t time.Time) string {
	loc := time.UTC
	if s, err := w.Compile(); err == nil {
		loc = s.loc
	}
	return t.In(loc).Format("Mon 2006-01-02 15:04 MST")
}

// Skip is an opening that does not happen because the clocks change.
type Skip struct {
	Allow    int    // index of the window's allow block
	Date     string // "2027-03-28"
	From, To string // of the block
}

// Skips returns, for each allow block, the first day in the year after t on
// which all of its period falls into an hour that the clocks skip, so that the
// window does not open.
func (w Window) Skips(t time.Time) []Skip {
	s, err := w.Compile()
	if err != nil {
		return nil
	}
	var skips []Skip
	for i := range s.allow {
		r := &s.allow[i]
		first := dateOf(t.In(s.loc))
		for d := first; d.before(first.add(366)); d = d.add(1) {
			if sp, ok := s.span(r, d); r.has(d) && !ok && sp.from.Equal(sp.to) {
				skips = append(skips, Skip{i, d.utc().Format(time.DateOnly), clockText(r.from), clockText(r.to)})
				break
			}
		}
	}
	return skips
}

func clockText(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60%24, minute%60) }

// NeverOpens reports whether the window has no open instant at all.
func (w Window) NeverOpens() bool {
	s, err := w.Compile()
	if err != nil {
		return true
	}
	_, opens := s.OpensAt(time.Date(minYear, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -2))
	return !opens
}
