package window_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/plan/window"
)

const berlin = "Europe/Berlin"

func at(t testing.TB, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	x, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func utc(t testing.TB, text string) time.Time { return at(t, "UTC", text) }

func night() window.Window {
	return window.Window{
		Name: "night", Timezone: berlin,
		Allow: []window.Allow{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "21:30", To: "06:30"}},
		Deny:  []window.Deny{{Dates: []string{"2026-12-25", "2027-01-01"}}},
	}
}

func TestNightBelongsToTheDayItOpened(t *testing.T) {
	t.Parallel()
	w := night()
	for text, want := range map[string]bool{
		"2026-11-20 21:29": false, // Friday
		"2026-11-20 21:30": true,
		"2026-11-21 06:29": true, // Saturday morning belongs to Friday
		"2026-11-21 06:30": false,
		"2026-11-21 22:00": false, // Saturday
		"2026-11-23 03:00": false, // Monday morning belongs to Sunday
		"2026-11-23 23:59": true,
		"2026-12-24 23:59": true, // Thursday
		"2026-12-25 00:00": false,
		"2026-12-25 22:00": false, // denied although Friday
		"2026-12-26 02:00": true,  // Friday's night, but the instant is on the 26th
	} {
		if got := w.Open(at(t, berlin, text)); got != want {
			t.Errorf("Open(%s) = %v, want %v", text, got, want)
		}
	}
}

func TestBoundariesAcrossChangesOfTheClocks(t *testing.T) {
	t.Parallel()
	daily := func(from, to string) window.Window {
		return window.Window{Timezone: berlin, Allow: []window.Allow{{From: from, To: to}}}
	}
	for _, c := range []struct {
		name       string
		w          window.Window
		after      string
		open, ends string
	}{
		{"a night in spring is an hour shorter", daily("21:30", "06:30"), "2026-03-28 12:00", "2026-03-28 20:30", "2026-03-29 04:30"},
		{"a night in autumn is an hour longer", daily("21:30", "06:30"), "2026-10-24 12:00", "2026-10-24 19:30", "2026-10-25 05:30"},
		{"a skipped opening is the next valid instant", daily("02:15", "04:00"), "2026-03-28 22:00", "2026-03-29 01:00", "2026-03-29 02:00"},
		{"a skipped end is the next valid instant", daily("01:00", "02:30"), "2026-03-28 22:00", "2026-03-29 00:00", "2026-03-29 01:00"},
		{"a stretch inside the skipped hour is not there", daily("02:10", "02:50"), "2026-03-28 22:00", "2026-03-30 00:10", "2026-03-30 00:50"},
		{"a repeated hour counts once", daily("02:10", "02:50"), "2026-10-24 22:00", "2026-10-25 00:10", "2026-10-25 00:50"},
		{"an end in the repeated hour is its first pass", daily("01:00", "02:30"), "2026-10-24 22:00", "2026-10-24 23:00", "2026-10-25 00:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			open, ok := c.w.OpensAt(utc(t, c.after))
			if !ok || !open.Equal(utc(t, c.open)) {
				t.Fatalf("opens at %v %v, want %s", open.UTC(), ok, c.open)
			}
			ends, ok := c.w.ClosesAt(open)
			if !ok || !ends.Equal(utc(t, c.ends)) {
				t.Errorf("closes at %v %v, want %s", ends.UTC(), ok, c.ends)
			}
		})
	}
	if daily("02:10", "02:50").Open(utc(t, "2026-10-25 01:30")) {
		t.Error("the second pass of a repeated hour is open again")
	}
}

func TestMidnightThatIsSkippedOrRepeated(t *testing.T) {
	t.Parallel()
	// São Paulo skipped 00:00 to 01:00 on 2018-11-04 and repeated 23:00 of 2018-02-17.
	w := window.Window{Timezone: "America/Sao_Paulo", Allow: []window.Allow{{From: "00:00", To: "02:00"}}}
	if got, _ := w.OpensAt(utc(t, "2018-11-04 02:30")); !got.Equal(utc(t, "2018-11-04 03:00")) {
		t.Errorf("opens at %v", got)
	}
	d := window.Window{Timezone: "America/Sao_Paulo", Deny: []window.Deny{{Dates: []string{"2018-02-17"}}}}
	if got, _ := d.OpensAt(utc(t, "2018-02-17 12:00")); !got.Equal(utc(t, "2018-02-18 03:00")) {
		t.Errorf("the denied date ends at %v", got)
	}
	// St. John's went from 00:01 back to 23:01 of the day before on 2010-11-07.
	j := window.Window{Timezone: "America/St_Johns", Deny: []window.Deny{{Dates: []string{"2010-11-06"}}}}
	for text, want := range map[string]bool{"2010-11-07 02:29": false, "2010-11-07 02:30": true, "2010-11-07 02:31": false, "2010-11-07 03:29": false, "2010-11-07 03:30": true} {
		if got := j.Open(utc(t, text)); got != want {
			t.Errorf("Open(%s) = %v, want %v", text, got, want)
		}
	}
	// Apia skipped the whole of 2011-12-30.
	a := window.Window{Timezone: "Pacific/Apia", Allow: []window.Allow{{Dates: []string{"2011-12-30"}}}}
	if !a.NeverOpens() {
		t.Error("a day that never was opens")
	}
}

func TestAdjacentStretchesAreOne(t *testing.T) {
	t.Parallel()
	w := window.Window{Timezone: berlin, Allow: []window.Allow{
		{Days: []string{"sat"}, From: "22:00"},
		{Days: []string{"sun"}},
		{Days: []string{"mon"}, To: "04:00"},
		{Days: []string{"mon"}, From: "03:00", To: "05:00"},
	}}
	ends, ok := w.ClosesAt(at(t, berlin, "2026-11-21 22:00"))
	if !ok || !ends.Equal(at(t, berlin, "2026-11-23 05:00")) {
		t.Errorf("closes at %v %v", ends, ok)
	}
}

func TestNeverIsToldApart(t *testing.T) {
	t.Parallel()
	now := utc(t, "2026-11-23 12:00")
	always := window.Window{}
	if _, closes := always.ClosesAt(now); closes || !always.Open(now) {
		t.Error("a window without rules closes")
	}
	weekday := window.Window{Allow: []window.Allow{{Days: []string{"mon", "wed"}, To: "12:00"}}, Deny: []window.Deny{{Days: []string{"mon", "wed"}}}}
	if !weekday.NeverOpens() {
		t.Error("a window that is always denied opens")
	}
	once := window.Window{Allow: []window.Allow{{Dates: []string{"2030-05-01"}}}}
	if got, ok := once.OpensAt(now); !ok || !got.Equal(utc(t, "2030-05-01 00:00")) || once.NeverOpens() {
		t.Errorf("opens at %v %v", got, ok)
	}
	if _, ok := once.OpensAt(utc(t, "2030-05-02 00:00")); ok {
		t.Error("a single date opens twice")
	}
	for _, w := range []window.Window{
		{Allow: []window.Allow{{Dates: []string{}}}},
		{Allow: []window.Allow{{Days: []string{}}}},
		{Allow: []window.Allow{{Dates: []string{"2026-12-25"}}}, Deny: []window.Deny{{Dates: []string{"2026-12-25"}}}},
	} {
		if !w.NeverOpens() {
			t.Errorf("%+v opens", w)
		}
	}
	if (window.Window{Deny: []window.Deny{{Dates: []string{}}}}).NeverOpens() {
		t.Error("an empty list of denied dates denies")
	}
	if got, ok := (window.Window{Deny: []window.Deny{{Dates: []string{"2026-11-23"}}}}).ClosesAt(now); !ok || !got.Equal(now) {
		t.Errorf("a closed window closes at %v %v", got, ok)
	}
}

func TestWrongTextsAreNamed(t *testing.T) {
	t.Parallel()
	w := window.Window{
		Timezone: "Europe/Atlantis",
		Allow:    []window.Allow{{Days: []string{"Mon"}, From: "24:00", To: "6:30"}, {From: "08:00", To: "08:00"}},
		Deny:     []window.Deny{{Dates: []string{"2026-02-30", "9999-01-01"}}, {Dates: []string{"2026-02-03"}, From: "22:00", To: "02:00"}},
	}
	_, err := w.Compile()
	var got []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var we *window.Error
		if !errors.As(e, &we) {
			t.Fatalf("%T", e)
		}
		got = append(got, string(we.Field)+" "+we.Value)
	}
	want := []string{"timezone Europe/Atlantis", "days Mon", "from 24:00", "to 6:30", "to 08:00", "dates 2026-02-30", "dates 9999-01-01", "to 02:00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w.Open(time.Now()) || !w.NeverOpens() {
		t.Error("a wrong window opens")
	}
	if _, err := (window.Window{Timezone: "Local"}).Compile(); err == nil {
		t.Error("the machine's own zone is accepted")
	}
}

func TestWindowKeepsItsJSONForm(t *testing.T) {
	t.Parallel()
	w := night()
	w.Deny = append(w.Deny, window.Deny{Dates: []string{}})
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back window.Window
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, back); diff != "" {
		t.Error(diff)
	}
}

// The oracle knows nothing of instants: it looks at what the clocks of the
// zone showed, minute by minute, during the hours before t.
func TestOpenAgreesWithTheClocks(t *testing.T) {
	t.Parallel()
	zones := []string{berlin, "UTC", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Beirut"}
	changes := []string{"2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2018-11-04", "2018-02-18", "2026-02-15", "2026-07-01"}
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	hhmm := rapid.Custom(func(t *rapid.T) string {
		m := rapid.IntRange(0, 24*12-1).Draw(t, "m") * 5
		return time.Date(2000, 1, 1, 0, m, 0, 0, time.UTC).Format("15:04")
	})
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		loc, _ := time.LoadLocation(zone)
		w := window.Window{Timezone: zone}
		for range rapid.IntRange(0, 3).Draw(t, "allows") {
			a := window.Allow{From: hhmm.Draw(t, "from"), To: hhmm.Draw(t, "to")}
			if rapid.Bool().Draw(t, "days") {
				a.Days = rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "names")
			}
			if a.From != a.To {
				w.Allow = append(w.Allow, a)
			}
		}
		day := rapid.SampledFrom(changes).Draw(t, "day")
		if rapid.Bool().Draw(t, "deny") {
			w.Deny = append(w.Deny, window.Deny{Dates: []string{day}})
		}
		s, err := w.Compile()
		if err != nil {
			t.Fatal(err)
		}
		noon, _ := time.ParseInLocation(time.DateOnly+" 15", day+" 12", loc)
		x := noon.Add(time.Duration(rapid.IntRange(-36*60, 36*60).Draw(t, "minutes")) * time.Minute)
		want := oracle(w, loc, x)
		if got := s.Open(x); got != want {
			t.Fatalf("%+v: Open(%v) = %v, want %v", w, x, got, want)
		}
		// What the two searches answer must be the first change.
		edge, ok := s.OpensAt, want
		if want {
			edge = s.ClosesAt
		}
		end, found := edge(x)
		if found && s.Open(end) == ok {
			t.Fatalf("%+v: no change at %v", w, end)
		}
		limit := x.Add(24 * time.Hour)
		if found && end.Before(limit) {
			limit = end
		}
		for y := x; y.Before(limit); y = y.Add(5 * time.Minute) {
			if s.Open(y) != want {
				t.Fatalf("%+v: changes at %v, before %v", w, y, end)
			}
		}
	})
}

func oracle(w window.Window, loc *time.Location, x time.Time) bool {
	wall := func(y time.Time) time.Time {
		y = y.In(loc)
		return time.Date(y.Year(), y.Month(), y.Day(), y.Hour(), y.Minute(), 0, 0, time.UTC)
	}
	shown := wall(x)
	for back := range 240 {
		if y := wall(x.Add(-time.Duration(back) * time.Minute)); y.After(shown) {
			shown = y
		}
	}
	for _, d := range w.Deny {
		if slices.Contains(d.Dates, wall(x).Format(time.DateOnly)) {
			return false
		}
	}
	if len(w.Allow) == 0 {
		return true
	}
	for _, a := range w.Allow {
		for back := range 2 {
			day := shown.AddDate(0, 0, -back).Truncate(24 * time.Hour)
			name := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[day.Weekday()]
			if a.Days != nil && !slices.Contains(a.Days, name) {
				continue
			}
			from, _ := time.Parse("15:04", a.From)
			to, _ := time.Parse("15:04", a.To)
			begin := day.Add(time.Duration(from.Hour()*60+from.Minute()) * time.Minute)
			end := day.Add(time.Duration(to.Hour()*60+to.Minute()) * time.Minute)
			if end.Before(begin) {
				end = end.Add(24 * time.Hour)
			}
			if !shown.Before(begin) && shown.Before(end) {
				return true
			}
		}
	}
	return false
}

func TestADateFarAwayIsFoundInAZoneWithSummerTime(t *testing.T) {
	t.Parallel()
	w := window.Window{Name: "late", Timezone: "Europe/Berlin", Allow: []window.Allow{{Dates: []string{"2099-01-01"}}}}
	found := make(chan time.Time, 1)
	go func() {
		at, _ := w.OpensAt(time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC))
		found <- at
	}()
	select {
	case at := <-found:
		if want := time.Date(2098, 12, 31, 23, 0, 0, 0, time.UTC); !at.Equal(want) {
			t.Errorf("it opens at %s, want %s", at, want)
		}
	case <-time.After(time.Minute):
		t.Error("the search does not end")
	}
}
