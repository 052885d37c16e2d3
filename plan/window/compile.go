package window

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are right also on machines without a zone database
)

// Dates of a window must be in these years. A mistyped year outside them would
// only cost time.
const (
	minYear = 1970
	maxYear = 2199
)

// Field names the part of a window that an [Error] is about.
type Field string

// The fields.
const (
	FieldTimezone Field = "timezone"
	FieldDays     Field = "days"
	FieldDates    Field = "dates"
	FieldFrom     Field = "from"
	FieldTo       Field = "to"
)

// Error says which text of a window is wrong.
type Error struct {
	Field Field
	Deny  bool // it is about a deny; otherwise about an allow
	Index int  // index of the allow or deny
	Value string
	Rule  string // what is wrong and what is right, in full sentences
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field == FieldTimezone {
		return fmt.Sprintf("timezone %q: %s", e.Value, e.Rule)
	}
	kind := "allow"
	if e.Deny {
		kind = "deny"
	}
	return fmt.Sprintf("%s %d, %s %q: %s", kind, e.Index+1, e.Field, e.Value, e.Rule)
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// Compile checks the window and prepares it for repeated use. The error joins
// one [*Error] for each wrong text.
func (w Window) Compile() (*Schedule, error) {
	s := &Schedule{loc: time.UTC}
	var errs []error
	if w.Timezone != "" {
		loc, err := time.LoadLocation(w.Timezone)
		if err != nil || w.Timezone == "Local" {
			errs = append(errs, &Error{Field: FieldTimezone, Value: w.Timezone,
				Rule: `This is not the name of a zone in the IANA database. Write one such as "Europe/Berlin" or "UTC".`})
		} else {
			s.loc = loc
		}
	}
	for i, a := range w.Allow {
		r, es := compileRule(Deny(a), i, false)
		errs = append(errs, es...)
		s.allow = append(s.allow, r)
	}
	for i, d := range w.Deny {
		r, es := compileRule(d, i, true)
		errs = append(errs, es...)
		s.deny = append(s.deny, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, r := range slices.Concat(s.allow, s.deny) {
		if n := len(r.dates); n > 0 && s.lastDate.before(r.dates[n-1]) {
			s.lastDate = r.dates[n-1]
		}
	}
	return s, nil
}

func compileRule(d Deny, index int, deny bool) (rule, []error) {
	var r rule
	var errs []error
	wrong := func(f Field, value, text string) {
		errs = append(errs, &Error{Field: f, Deny: deny, Index: index, Value: value, Rule: text})
	}
	for _, name := range d.Days {
		day, ok := weekdays[name]
		if !ok {
			wrong(FieldDays, name, "A day is one of mon, tue, wed, thu, fri, sat, sun.")
			continue
		}
		r.days[day] = true
	}
	if d.Days == nil {
		r.days = [7]bool{true, true, true, true, true, true, true}
	}
	if d.Dates != nil {
		r.dates = make([]date, 0, len(d.Dates))
	}
	for _, text := range d.Dates {
		t, err := time.Parse(time.DateOnly, text)
		switch {
		case err != nil:
			wrong(FieldDates, text, `A date is a day of the calendar, written as "2026-12-25".`)
		case t.Year() < minYear || t.Year() > maxYear:
			wrong(FieldDates, text, fmt.Sprintf("A date must be between the years %d and %d.", minYear, maxYear))
		default:
			r.dates = append(r.dates, dateOf(t))
		}
	}
	slices.SortFunc(r.dates, date.compare)
	r.wholeDay = d.From == "" && d.To == ""
	r.from, r.to = 0, 24*60
	var ok bool
	if d.From != "" {
		if r.from, ok = minuteOf(d.From); !ok || r.from == 24*60 {
			wrong(FieldFrom, d.From, `A time of day is written as "21:30", from "00:00" to "23:59".`)
		}
	}
	if d.To != "" {
		if r.to, ok = minuteOf(d.To); !ok {
			wrong(FieldTo, d.To, `A time of day is written as "06:30", from "00:00" to "24:00".`)
		}
	}
	switch {
	case len(errs) > 0:
	case r.from == r.to:
		wrong(FieldTo, d.To, "The end equals the beginning, so there is no time between them. Leave out both for the whole day.")
	case r.to < r.from && deny && len(d.Dates) > 0:
		wrong(FieldTo, d.To, "A denied date is the calendar date of the instant, so its hours cannot reach into the next day. Write another deny for the next date.")
	case r.to < r.from:
		r.to += 24 * 60
	}
	return r, errs
}

// minuteOf reads "HH:MM" as minutes after midnight.
func minuteOf(text string) (int, bool) {
	h, m, ok := strings.Cut(text, ":")
	if !ok || len(h) != 2 || len(m) != 2 {
		return 0, false
	}
	for _, c := range h + m {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	hour, minute := int(h[0]-'0')*10+int(h[1]-'0'), int(m[0]-'0')*10+int(m[1]-'0')
	if minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, false
	}
	return hour*60 + minute, true
}
