package runner

import (
	"fmt"
	"time"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
)

const (
	// goalAtLeast is the goal of a plan without schedules, and the smallest goal.
	goalAtLeast = 26 * time.Hour
	// goalMargin is how much longer a run may take than the one before.
	goalMargin = 2 * time.Hour
	// goalTimes is the number of due times that are searched for the longest pause.
	goalTimes = 16
	// morningHour is when people come to work who were not woken.
	morningHour = 8
	// noonHour is when a night begins and ends.
	noonHour = 12
	// lastsFor is how long after its noon the last night is still shown.
	lastsFor = 6 * time.Hour
	// repeatNeeds is the least time in a window that allows a repeat.
	repeatNeeds = 15 * time.Minute
)

// goalOf returns the greatest age that the good sets of a plan may have: the
// longest pause between two of its next starts, plus two hours.
func goalOf(s schedule.Plan, now time.Time) time.Duration {
	goal := goalAtLeast
	var before time.Time
	for _, slot := range s.Next(now, goalTimes) {
		if slot.Outside {
			continue
		}
		if !before.IsZero() {
			goal = max(goal, slot.Due.Sub(before)+goalMargin)
		}
		before = slot.Due
	}
	return goal
}

// nightOf returns the noon at which the night of an instant begins.
func nightOf(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	noon := time.Date(local.Year(), local.Month(), local.Day(), noonHour, 0, 0, 0, zone)
	if local.Before(noon) {
		noon = time.Date(local.Year(), local.Month(), local.Day()-1, noonHour, 0, 0, 0, zone)
	}
	return noon
}

// tonight returns the noon at which the night begins that people ask about. Until
// the evening that is the last night.
func tonight(now time.Time, zone *time.Location) time.Time { return nightOf(now.Add(-lastsFor), zone) }

// morningAfter returns the first 08:00 after a time.
func morningAfter(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	for day := local.Day(); ; day++ {
		if at := time.Date(local.Year(), local.Month(), day, morningHour, 0, 0, 0, zone); at.After(t) {
			return at
		}
	}
}

// urgent holds the facts that decide when a cause of failures needs a person.
type urgent struct {
	now, morning time.Time
	down         bool // something of it is out of service, or may be, and nothing brings it back in time
	critical     bool // the catalogue says that a person should look now
	// closes is the end of the window in which it can be repeated; zero: there is no
	// window, it is closed, or it does not end before the morning.
	closes time.Time
	none   bool      // a subject of it has no good set at all
	passes time.Time // when the goal of a subject with a set first passes; zero: there is no such subject
}

// decide reports whether a person is needed now, and why. It wakes people only
// for things that they can no longer do in the morning.
func (u urgent) decide() (now bool, why string) {
	switch {
	case u.down:
		return true, "something is out of service, or may be"
	case u.critical:
		return true, "the state of a gateway is not proven: look at it"
	case u.closes.Sub(u.now) >= repeatNeeds:
		return true, fmt.Sprintf("the window closes at %s, so it can be repeated now and not in the morning", u.closes.In(u.morning.Location()).Format("15:04"))
	case u.none:
		return true, "something of it has no good backup at all"
	case u.passes.IsZero():
		return false, "nothing of it needs a backup"
	case u.passes.After(u.morning):
		return false, fmt.Sprintf("the last good backups are recent enough until %s", u.passes.In(u.morning.Location()).Format("2 January 15:04"))
	case u.passes.Before(u.morning.AddDate(0, 0, -1)):
		return false, "its backups were too old before the last morning already: a few more hours change nothing"
	}
	return true, fmt.Sprintf("the last good backup is too old at %s, before the morning", u.passes.In(u.morning.Location()).Format("15:04"))
}

// bringsBack says who undoes something that is pending. serves reports whether a
// server works on the state directory.
func bringsBack(o report.Owed, serves bool) string {
	what := "brings it back"
	if o.Kind != string(lifecycle.OweUnquiesce) {
		what = "does it"
	}
	switch {
	case o.Held && !o.DueBack.IsZero():
		return fmt.Sprintf("run %s is at work and %s by %s", o.Run, what, o.DueBack.UTC().Format(time.RFC3339))
	case o.Held:
		return fmt.Sprintf("run %s is at work and %s", o.Run, what)
	case o.GuardedBy != "" && !o.NextTry.IsZero():
		return fmt.Sprintf("the guard of its run (%s) tries again at %s", o.GuardedBy, o.NextTry.UTC().Format(time.RFC3339))
	case o.GuardedBy != "":
		return fmt.Sprintf("the guard of its run (%s) tries again", o.GuardedBy)
	case serves:
		return "the server tries again within five minutes; `dprun recover` does it now"
	}
	return "nobody: type `dprun recover`, or do it by hand"
}

// overviewState returns the gravest state in an overview. Something unknown is
// graver than something that can wait, because it may be anything.
func overviewState(o report.Overview) report.OverviewState {
	for _, x := range o.Down.Owed {
		if !x.Held {
			return report.OverviewIsDown
		}
	}
	t := o.Truth
	for _, r := range o.Work.Runs {
		if !r.Alive {
			return report.OverviewUnknown // what it has left is known only after its recovery
		}
	}
	if o.Down.Unknown+o.Work.Unknown+o.Coverage.Unknown+o.Failures.Unknown+t.Unknown != "" || t.Late || t.Server != nil && !t.Server.Running && t.Server.Stopped.IsZero() {
		return report.OverviewUnknown
	}
	state := report.OverviewGood
	for _, c := range o.Failures.Causes {
		if c.Now {
			return report.OverviewNow
		}
		if c.Tasks > 0 {
			state = report.OverviewMorning
		}
	}
	for _, p := range o.Coverage.Plans {
		if p.Stale+p.None > 0 || p.Unknown != "" {
			state = report.OverviewMorning
		}
	}
	if len(t.Broken)+len(t.Notices)+len(o.Down.Stops) > 0 || o.Work.Paused != nil {
		state = report.OverviewMorning
	}
	for _, d := range t.Destinations {
		if d.Full {
			state = report.OverviewMorning
		}
	}
	return state
}
