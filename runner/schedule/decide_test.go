package schedule_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/testfixtures/need"
)

func rule(t testing.TB, expression, zone string, jitter time.Duration, late bool) schedule.Rule {
	t.Helper()
	return schedule.Rule{Times: need.Value(cron.Parse(expression, zone))(t), Jitter: jitter, Late: late}
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	return need.Value(time.Parse(time.RFC3339, text))(t)
}

func night(t testing.TB) *window.Schedule {
	t.Helper()
	return need.Value((window.Window{Timezone: "UTC", Allow: []window.Allow{{From: "22:00", To: "06:00"}}}).Compile())(t)
}

func verdicts(ds []schedule.Decision) string {
	text := ""
	for _, d := range ds {
		text += d.Due.UTC().Format("02T15:04") + " " + string(d.Verdict) + "; "
	}
	return text
}

func TestWhatIsDue(t *testing.T) {
	t.Parallel()
	const halfPastTwo = "30 2 * * *"
	since := at(t, "2027-01-10T12:00:00Z")
	for _, c := range []struct {
		name   string
		rules  []schedule.Rule
		closed bool // always open
		q      schedule.Question
		now    string
		want   string
	}{
		{"nothing yet", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{}, "2027-01-11T02:29:59Z", ""},
		{"on time", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, false)}, false, schedule.Question{}, "2027-01-11T02:30:00Z", "11T02:30 run; "},
		{"once", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, false)}, false, schedule.Question{Decided: map[int64]bool{at(t, "2027-01-11T02:30:00Z").Unix(): true}}, "2027-01-11T02:30:05Z", ""},
		{"late, within the window", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{}, "2027-01-11T05:59:00Z", "11T02:30 run; "},
		{"late, and the window has closed", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{}, "2027-01-11T06:00:00Z", "11T02:30 missed; "},
		{"late, and the next window is open", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{}, "2027-01-11T23:00:00Z", "11T02:30 missed; "},
		{"late without a window", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, true, schedule.Question{}, "2027-01-11T14:00:00Z", "11T02:30 run; "},
		{"late, and skipped", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, false)}, false, schedule.Question{}, "2027-01-11T02:33:00Z", "11T02:30 missed; "},
		{"late, and whoever lifted a pause would choose the time", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{Skip: true}, "2027-01-11T05:59:00Z", "11T02:30 missed; "},
		{"on time after a pause", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{Skip: true}, "2027-01-11T02:31:00Z", "11T02:30 run; "},
		{"three missed nights are made up for once", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{}, "2027-01-13T04:00:00Z",
			"11T02:30 missed; 12T02:30 missed; 13T02:30 run; "},
		{"a run of it is in progress", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{Running: true}, "2027-01-11T02:30:00Z", "11T02:30 overlaps; "},
		{"outside the window", []schedule.Rule{rule(t, "0 12,23 * * *", "UTC", 0, true)}, false, schedule.Question{}, "2027-01-11T12:00:00Z", "10T23:00 missed; 11T12:00 outside; "},
		{"what is outside does not stand for what is not", []schedule.Rule{rule(t, "0 5,6 * * *", "UTC", 0, true)}, false, schedule.Question{Last: at(t, "2027-01-11T04:59:00Z")}, "2027-01-11T05:01:00Z", "11T05:00 run; "},
		{"two rules at one time", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true), rule(t, "30 3 * * *", "Europe/Berlin", 0, true)}, false, schedule.Question{}, "2027-01-11T02:30:00Z", "11T02:30 run; "},
		{"a clock that was set back", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false,
			schedule.Question{Last: at(t, "2027-01-11T02:31:00Z"), Decided: map[int64]bool{at(t, "2027-01-11T02:30:00Z").Unix(): true}}, "2027-01-11T02:30:00Z", ""},
		{"a clock that was wrong when the plan was first seen", []schedule.Rule{rule(t, halfPastTwo, "UTC", 0, true)}, false, schedule.Question{Since: at(t, "2030-01-01T00:00:00Z")}, "2027-01-11T02:30:00Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := schedule.Plan{Name: "nightly", Rules: c.rules}
			if !c.closed {
				p.Window = night(t)
			}
			c.q.Now = at(t, c.now)
			if c.q.Since.IsZero() {
				c.q.Since = since
			}
			if got := verdicts(p.Decide(c.q)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// server is what the year needs of one: it remembers what was decided.
type server struct {
	plan    schedule.Plan
	since   time.Time
	decided map[int64]bool
	ran     map[int64]int
	missed  map[int64]int
	last    time.Time
	until   time.Time // the run under way
}

func (s *server) beat(now time.Time) {
	q := schedule.Question{Now: now, Since: s.since, Last: s.last, Decided: s.decided, Running: now.Before(s.until)}
	for _, d := range s.plan.Decide(q) {
		due := d.Due.Unix()
		s.decided[due] = true
		if d.Verdict == schedule.Run {
			s.ran[due]++
			s.until = now.Add(40 * time.Minute)
		} else {
			s.missed[due]++
		}
	}
	s.last = now
}

// TestAYearOfNights: every night of four zones with both changes of the clocks;
// the server is down on random nights and its clock is set back now and then.
// Each schedule ran once a night or is shown as missed, none twice.
func TestAYearOfNights(t *testing.T) {
	t.Parallel()
	for i, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			loc := need.Value(time.LoadLocation(zone))(t)
			open := need.Value((window.Window{Timezone: zone, Allow: []window.Allow{{From: "22:00", To: "06:00"}}}).Compile())(t)
			for j, expression := range [][]string{{"30 2 * * *", "15 2 * * *"}, {"0 0 * * *", "30 2 * * *"}, {"45 1 * * *", "15 2 * * *"}, {"0 0 * * *", "30 23 * * *"}}[i] {
				random := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				begin := time.Date(2027, 1, 1, 12, 0, 0, 0, loc)
				s := &server{since: begin, decided: map[int64]bool{}, ran: map[int64]int{}, missed: map[int64]int{},
					plan: schedule.Plan{Name: "nightly", Rules: []schedule.Rule{rule(t, expression, zone, time.Duration(j)*10*time.Minute, j%2 == 0)}, Window: open}}
				end := begin.AddDate(1, 0, 0)
				late := 0
				for now := begin; now.Before(end); {
					// Around the next start, and now and then at any time.
					now = now.Add(time.Duration(random.IntN(5*3600)) * time.Second)
					if next := s.plan.Next(now, 1)[0].Start; next.Sub(now) < 4*time.Hour {
						s.beat(now)
						now = next.Add(time.Duration(random.IntN(100)) * time.Second)
					}
					switch random.IntN(30) {
					case 0, 1: // down, for some hours or some nights
						now = now.Add(time.Duration(random.IntN(1+[]int{4, 72}[random.IntN(2)]*3600)) * time.Second)
						s.last, s.until = time.Time{}, time.Time{}
						late++
					case 2: // the clock is set back
						s.beat(now.Add(-time.Duration(random.IntN(7200)) * time.Second))
					}
					if now.Before(end) {
						s.beat(now)
					}
				}
				s.beat(end)
				nights, ran := 0, 0
				for day := begin.AddDate(0, 0, 1); !day.After(end); day = day.AddDate(0, 0, 1) {
					nights++
				}
				for due, n := range s.ran {
					if ran++; n != 1 || s.missed[due] > 0 {
						t.Errorf("%s %s: ran %d times and was missed %d times", expression, time.Unix(due, 0).In(loc), n, s.missed[due])
					}
				}
				if len(s.decided) != nights || ran+len(s.missed) != nights || ran == nights || ran < nights/2 || late == 0 {
					t.Errorf("%s: %d nights, %d decided, %d ran, %d missed", expression, nights, len(s.decided), ran, len(s.missed))
				}
				dates := map[string]bool{}
				for due := range s.decided {
					dates[time.Unix(due, 0).In(loc).Format(time.DateOnly)] = true
				}
				if len(dates) != nights {
					t.Errorf("%s: %d nights of %d", expression, len(dates), nights)
				}
			}
		})
	}
}
