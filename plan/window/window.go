// Package window answers when a plan may run.
//
// A window is written in wall-clock time of one IANA zone. Every wall-clock
// boundary means exactly one instant: the first at which the clocks of that
// zone show it or something later. So a boundary in the hour that is skipped
// in spring is the instant after the skip, a boundary in the hour that is
// repeated in autumn is its first pass, and a stretch between two boundaries
// is never cut in two.
//
// An allowed stretch belongs to the day on which it opens, also when it
// crosses midnight. A denied date is the calendar date of the instant itself.
// Denial wins. A window without any allow is open whenever it is not denied.
package window

import (
	"time"
)

// Window is a named set of allowed and denied stretches. Its JSON form is
// stable; it is written into the journal.
type Window struct {
	Name     string  `json:"name"`
	Timezone string  `json:"timezone"` // IANA name; empty: UTC
	Allow    []Allow `json:"allow,omitempty"`
	Deny     []Deny  `json:"deny,omitempty"`
}

// Allow is one recurring stretch. Nil Days mean every day, nil Dates every
// date, while an empty list means none; when both are given both must fit the
// day of the opening.
// From and To are "HH:MM"; From defaults to "00:00" and To to "24:00". A To
// before From is on the following day.
type Allow struct {
	Days  []string `json:"days"`  // mon, tue, wed, thu, fri, sat, sun
	Dates []string `json:"dates"` // "2026-12-25"
	From  string   `json:"from,omitempty"`
	To    string   `json:"to,omitempty"`
}

// Deny is one stretch that is never open. It reads like [Allow], except that
// one with Dates never crosses midnight.
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

// ClosesAt returns the end of the open stretch that holds t, and false when
// it never ends. When t is outside the window the answer is t itself.
func (w Window) ClosesAt(t time.Time) (time.Time, bool) {
	s, err := w.Compile()
	if err != nil {
		return t, true
	}
	return s.ClosesAt(t)
}

// OpensAt returns the first open instant at or after t, and false when there
// is none.
func (w Window) OpensAt(t time.Time) (time.Time, bool) {
	s, err := w.Compile()
	if err != nil {
		return time.Time{}, false
	}
	return s.OpensAt(t)
}

// NeverOpens reports whether the window has no open instant at all.
func (w Window) NeverOpens() bool {
	s, err := w.Compile()
	if err != nil {
		return true
	}
	_, opens := s.OpensAt(time.Date(minYear, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -2))
	return !opens
}
