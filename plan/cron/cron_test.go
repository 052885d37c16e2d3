package cron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/testfixtures/need"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	return need.Value(time.Parse(time.RFC3339, text))(t)
}

func TestChangesOfTheClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{"a skipped time is the next valid instant", "30 2 * * *", "Europe/Berlin", "2027-03-27T02:30:00+01:00",
			[]string{"2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"}},
		{"a repeated time is its first pass", "30 2 * * *", "Europe/Berlin", "2027-10-30T02:30:00+02:00",
			[]string{"2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"}},
		{"also when it is asked for in the second pass", "30 2 * * *", "Europe/Berlin", "2027-10-31T02:10:00+01:00",
			[]string{"2027-11-01T02:30:00+01:00"}},
		{"two skipped times are one", "*/30 2 * * *", "Europe/Berlin", "2027-03-27T02:30:00+01:00",
			[]string{"2027-03-28T03:00:00+02:00", "2027-03-29T02:00:00+02:00"}},
		{"every hour, the repeated one once", "15 * * * *", "Europe/Berlin", "2027-10-31T01:15:00+02:00",
			[]string{"2027-10-31T02:15:00+02:00", "2027-10-31T03:15:00+01:00"}},
		{"midnight is skipped", "0 0 * * *", "America/Santiago", "2027-09-04T00:00:00-04:00",
			[]string{"2027-09-05T01:00:00-03:00", "2027-09-06T00:00:00-03:00"}},
		{"half an hour", "45 1 * * *", "Australia/Lord_Howe", "2027-04-03T01:45:00+11:00",
			[]string{"2027-04-04T01:45:00+11:00", "2027-04-05T01:45:00+10:30"}},
		{"the 31st", "0 3 31 * *", "UTC", "2027-01-31T03:00:00Z", []string{"2027-03-31T03:00:00Z", "2027-05-31T03:00:00Z"}},
		{"29 February", "0 3 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T03:00:00Z"}},
		{"Sunday is 0 and 7", "0 3 * * 7", "UTC", "2027-01-01T00:00:00Z", []string{"2027-01-03T03:00:00Z", "2027-01-10T03:00:00Z"}},
		{"over the weekend", "0 3 * * FRI-MON", "UTC", "2027-01-01T04:00:00Z", []string{"2027-01-02T03:00:00Z", "2027-01-03T03:00:00Z", "2027-01-04T03:00:00Z", "2027-01-08T03:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			times := need.Value(cron.Parse(c.expression, c.zone))(t)
			last := at(t, c.after)
			for _, want := range c.want {
				last = times.Next(last)
				if !last.Equal(at(t, want)) {
					t.Fatalf("due at %s, want %s", times.In(last).Format(time.RFC3339), want)
				}
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"":                              "five fields",
		"@daily":                        "five fields",
		"0 30 2 * * *":                  "five fields",
		"TZ=UTC 30 2 * * *":             "five fields",
		"TZ=UTC 30 2 * *":               "five fields",
		"30 2 ? * ?":                    "five fields",
		"60 2 * * *":                    "60",
		"30 24 * * *":                   "24",
		"*/90 * * * *":                  "90",
		"30 2 0 * *":                    "0",
		"H 2 * * *":                     "cannot be read",
		"30 2 L * *":                    "cannot be read",
		"30 2 30 2 *":                   "no such day",
		"30 2 31 2,4,6,9,11 *":          "no such day",
		"30 2 1 * MON":                  "day of the month and the day of the week",
		"30 2 * * BER":                  "cannot be read",
		"-1 2 * * *":                    "cannot be read",
		"30 2 99999999999999999999 * *": "cannot be read",
	} {
		if _, err := cron.Parse(expression, "UTC"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expression, err, want)
		}
	}
}

// TestEveryDueTimeIsShownByTheClocks, or is the end of an hour that they skip;
// none comes twice, and none is left out.
func TestEveryDueTimeIsShownByTheClocks(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		times, err := cron.Parse(fmt.Sprintf("%d %d * * *", minute, hour), zone)
		if err != nil {
			t.Fatal(err)
		}
		last := time.Unix(rapid.Int64Range(1262304000, 2208988800).Draw(t, "from"), 0)
		for day := range 40 {
			next := times.Next(last)
			if !next.After(last) {
				t.Fatalf("%s after %s", next, last)
			}
			if gap := next.Sub(last); day > 0 && (gap > 26*time.Hour || gap < 22*time.Hour) && zone != "Pacific/Apia" {
				t.Fatalf("%s between %s and %s", gap, last, next)
			}
			if l := next.In(loc); l.Hour() != hour || l.Minute() != minute {
				_, before := next.Add(-1).In(loc).Zone()
				if _, now := l.Zone(); now <= before {
					t.Fatalf("due at %s, and no hour is skipped there", l)
				}
			}
			last = next
		}
	})
}

func TestMeetsItsWindow(t *testing.T) {
	t.Parallel()
	night := window.Window{Timezone: "Europe/Berlin", Allow: []window.Allow{{From: "21:30", To: "06:30"}}}
	leap := window.Window{Timezone: "UTC", Allow: []window.Allow{{Dates: []string{"2028-02-29"}}}}
	for _, c := range []struct {
		expression string
		window     window.Window
		want       string
	}{
		{"30 2 * * *", night, "2026-11-29T02:30:00Z"},
		{"0 12 * * *", night, ""},
		{"0 12 * * *", leap, "2028-02-29T12:00:00Z"},
		{"0 12 28 2 *", leap, ""},
		{"*/10 * * * *", leap, "2028-02-29T00:00:00Z"},
	} {
		times := need.Value(cron.Parse(c.expression, "UTC"))(t)
		got := times.Meets(need.Value(c.window.Compile())(t), at(t, "2026-11-28T12:00:00Z"))
		if want := c.want; want == "" && !got.IsZero() || want != "" && !got.Equal(at(t, want)) {
			t.Errorf("%q meets %s, want %q", c.expression, got, want)
		}
	}
}
