// Package cron says when a schedule is due.
//
// A schedule is five fields of cron in the wall-clock time of one IANA zone.
// Each wall-clock time means one instant: the first at which the zone's clocks
// show that time or a later one. So a time in the hour that is skipped in
// spring is due right after the skip. A time in the hour that is repeated in
// autumn is due in the first pass only.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"

	parser "github.com/netresearch/go-cron"

	"github.com/dprun/dprun/plan/window"
)

// horizon is how far ahead Next looks for a due time. Between two 29 Februaries
// there are at most eight years, with 2100 between them.
const horizon = 8 // years

// unrestricted is set by the parser in a field that is "*". Of day of the month
// and day of the week, such a field leaves the choice to the other one.
const unrestricted = 1 << 63

// Times says when a schedule is due. It is immutable.
type Times struct {
	fields *parser.SpecSchedule // in UTC, whose clocks never change
	loc    *time.Location
}

// Parse reads five fields: minute, hour, day of the month, month, day of the
// week. The zone is one of the IANA database.
func Parse(expression, zone string) (*Times, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, err
	}
	if n := len(strings.Fields(expression)); n != 5 || strings.ContainsAny(expression, "@=?#") {
		return nil, errors.New("a schedule has five fields: minute, hour, day of the month, month, day of the week; \"30 2 * * *\" is every night at half past two")
	}
	s, err := parser.MustNewParser(parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow).WithMaxSearchYears(horizon).Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %s", strings.TrimSuffix(err.Error(), "."))
	}
	t := &Times{loc: loc}
	t.fields, _ = s.(*parser.SpecSchedule)
	if t.fields == nil {
		return nil, errors.New("a schedule has five fields: minute, hour, day of the month, month, day of the week")
	}
	t.fields.Location = time.UTC
	if (t.fields.Dom|t.fields.Dow)&unrestricted == 0 {
		return nil, errors.New("it restricts both the day of the month and the day of the week, and some schedulers run when either matches, others only when both do; write \"*\" for one of them, or one schedule block for each if you mean either")
	}
	if t.fields.Next(time.Date(2096, 2, 28, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("there is no such day in any year")
	}
	return t, nil
}

// Next returns the first due time after t; zero: none within eight years.
func (t *Times) Next(after time.Time) time.Time {
	local := after.In(t.loc)
	_, offset := local.Zone()
	for wall := after.UTC().Add(time.Duration(offset) * time.Second); ; {
		if wall = t.fields.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if due := window.Instant(t.loc, wall); due.After(after) {
			return due
		}
	}
}

// In returns an instant as the clocks of the schedule's zone show it.
func (t *Times) In(at time.Time) time.Time { return at.In(t.loc) }

// Meets returns the first due time from t on at which the window is open; zero:
// none within eight years. A nil window is always open.
func (t *Times) Meets(w *window.Schedule, from time.Time) time.Time {
	end := from.AddDate(horizon, 0, 0)
	for at := from; ; {
		due := t.Next(at.Add(-1))
		if due.IsZero() || due.After(end) {
			return time.Time{}
		}
		if w == nil || w.Open(due) {
			return due
		}
		opens, ok := w.OpensAt(due)
		if !ok {
			return time.Time{}
		}
		at = opens
	}
}
