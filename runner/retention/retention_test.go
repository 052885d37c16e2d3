package retention_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as in the product

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/runner/retention"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10000"); err != nil { // histories for each property
		panic(err)
	}
	os.Exit(m.Run())
}

var zones = []string{"UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	return need.Value(time.LoadLocation(name))(t)
}

// at is a set of the only group, made at a local time.
func at(t testing.TB, zone *time.Location, local string) retention.Set {
	t.Helper()
	when := need.Value(time.ParseInLocation("2006-01-02 15:04", local, zone))(t)
	return retention.Set{ID: local, Device: "gw", Stamp: when}
}

var far = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// said is the verdicts as lines: "+" for what stays.
func said(verdicts []retention.Verdict) (lines []string) {
	for _, v := range verdicts {
		sign := "-"
		if v.Keep {
			sign = "+"
		}
		lines = append(lines, sign+" "+v.ID+": "+strings.Join(v.Why, ", "))
	}
	return lines
}

func TestRulesKeepTheNewestSetOfEachPeriod(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	var sets []retention.Set
	for _, local := range []string{"2026-10-30 02:30", "2026-10-31 02:30", "2026-10-31 14:00", "2026-11-01 02:30", "2026-11-02 02:30", "2026-11-02 09:00"} {
		sets = append(sets, at(t, berlin, local))
	}
	got := said(retention.Decide(retention.Policy{Last: 1, Daily: 3, Weekly: 2, Monthly: 2, Zone: berlin}, sets, far))
	want := []string{
		"+ 2026-11-02 09:00: last, daily 2026-11-02, weekly 2026-W45, monthly 2026-11",
		"- 2026-11-02 02:30: no rule keeps it",
		"+ 2026-11-01 02:30: daily 2026-11-01, weekly 2026-W44",
		"+ 2026-10-31 14:00: daily 2026-10-31, monthly 2026-10",
		"- 2026-10-31 02:30: no rule keeps it",
		"- 2026-10-30 02:30: no rule keeps it",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithinCountsFromTheNewestGoodSet(t *testing.T) {
	t.Parallel()
	sets := []retention.Set{at(t, time.UTC, "2020-01-01 00:00"), at(t, time.UTC, "2020-01-01 00:01"), at(t, time.UTC, "2020-01-04 00:01"), at(t, time.UTC, "2020-01-09 00:00")}
	sets[3].Bad = "altered"
	got := said(retention.Decide(retention.Policy{Within: 72 * time.Hour}, sets, far))
	want := []string{
		"+ 2020-01-09 00:00: altered",
		"+ 2020-01-04 00:01: within",
		"+ 2020-01-01 00:01: within",
		"- 2020-01-01 00:00: no rule keeps it",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A day is the zone's, also in the night in which the clocks change.
func TestDaysAreThoseOfTheZoneInNightsOfClockChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone   string
		stamps []string // UTC, the newest first
		want   []string // what is kept by the day, of each stamp
	}{
		"the hour that comes twice is one day": {"Europe/Berlin",
			[]string{"2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-24T22:00:00Z", "2026-10-24T21:59:59Z"},
			[]string{"daily 2026-10-25", "", "", "daily 2026-10-24"}},
		"the day of 23 hours is one day": {"Europe/Berlin",
			[]string{"2026-03-29T21:59:59Z", "2026-03-28T23:00:00Z", "2026-03-28T22:59:59Z"},
			[]string{"daily 2026-03-29", "", "daily 2026-03-28"}},
		// At 00:01 on 7 November the clocks went back to 23:01 on the 6th.
		"a date that comes twice is one day": {"America/St_Johns",
			[]string{"2010-11-07T03:31:00Z", "2010-11-07T02:35:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:29:00Z"},
			[]string{"daily 2010-11-07", "daily 2010-11-06", "", ""}},
		// Samoa had no 30 December 2011.
		"a date that never was": {"Pacific/Apia",
			[]string{"2011-12-30T10:00:00Z", "2011-12-30T09:59:59Z"},
			[]string{"daily 2011-12-31", "daily 2011-12-29"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sets []retention.Set
			for _, s := range c.stamps {
				sets = append(sets, retention.Set{ID: s, Stamp: need.Value(time.Parse(time.RFC3339, s))(t)})
			}
			verdicts := retention.Decide(retention.Policy{Daily: 10, Zone: zone(t, c.zone)}, sets, far)
			for i, v := range verdicts {
				why := ""
				if v.Keep {
					why = strings.Join(v.Why, ", ")
				}
				if v.ID != c.stamps[i] || why != c.want[i] {
					t.Errorf("%s: %q, want %q", v.ID, why, c.want[i])
				}
			}
		})
	}
}

func TestASetThatIsExemptStaysAndDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*retention.Set){
		"bad":        func(s *retention.Set) { s.Bad = "missing" },
		"foreign":    func(s *retention.Set) { s.Foreign = true },
		"gone":       func(s *retention.Set) { s.Gone = true },
		"the future": func(s *retention.Set) { s.Stamp = far.Add(time.Nanosecond) },
	} {
		sets := []retention.Set{at(t, time.UTC, "2026-01-01 00:00"), at(t, time.UTC, "2026-01-02 00:00"), at(t, time.UTC, "2026-01-03 00:00")}
		make(&sets[2])
		got := retention.Decide(retention.Policy{Last: 1}, sets, far)
		if !got[0].Keep || !got[1].Keep || got[2].Keep || got[1].Why[0] != "last" {
			t.Errorf("%s: %q", name, said(got))
		}
	}
}

// Whoever can write to a destination can plant sets there: they push nothing out,
// and what was found after a loss goes when own sets have taken its place.
func TestAnImportedSetGoesAndPushesNothingOut(t *testing.T) {
	t.Parallel()
	var sets []retention.Set
	for _, local := range []string{"2026-01-01 00:00", "2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-05 00:00"} {
		sets = append(sets, at(t, time.UTC, local))
	}
	sets[0].Imported, sets[2].Imported, sets[4].Imported = true, true, true
	got := said(retention.Decide(retention.Policy{Last: 2}, sets, far))
	want := []string{"+ 2026-01-05 00:00: last", "+ 2026-01-04 00:00: last", "+ 2026-01-03 00:00: last", "+ 2026-01-02 00:00: last", "- 2026-01-01 00:00: no rule keeps it"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheNewestGoodSetStaysWithoutAnyRule(t *testing.T) {
	t.Parallel()
	got := said(retention.Decide(retention.Policy{}, []retention.Set{at(t, time.UTC, "2026-01-01 00:00"), at(t, time.UTC, "2026-01-02 00:00")}, far))
	if want := []string{"+ 2026-01-02 00:00: newest good set", "- 2026-01-01 00:00: no rule keeps it"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func drawPolicy(t *rapid.T) retention.Policy {
	n := func(name string) int { return rapid.IntRange(0, 5).Draw(t, name) }
	p := retention.Policy{Last: n("last"), Daily: n("daily"), Weekly: n("weekly"), Monthly: n("monthly"),
		Within: time.Duration(rapid.IntRange(0, 200).Draw(t, "within")) * time.Hour}
	p.Zone, _ = time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	return p
}

// drawHistory is what a state directory has seen: captures at the time that its
// clock showed, which goes on, stands still, and jumps by up to two years either way.
func drawHistory(t *rapid.T) (sets []retention.Set, now time.Time) {
	now = time.Unix(rapid.Int64Range(1262304000, 1924992000).Draw(t, "begin"), 0).UTC() // 2010 to 2030
	for i := range rapid.IntRange(0, 40).Draw(t, "captures") {
		switch rapid.IntRange(0, 9).Draw(t, "clock") {
		case 0: // it jumps
			now = now.Add(time.Duration(rapid.Int64Range(-2*365*24*60, 2*365*24*60).Draw(t, "jump")) * time.Minute)
		case 1: // it stands still
		default:
			now = now.Add(time.Duration(rapid.IntRange(1, 40*60).Draw(t, "minutes")) * time.Minute)
		}
		s := retention.Set{ID: fmt.Sprintf("%03d", i), Stamp: now,
			Destination: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "destination"), Device: rapid.SampledFrom([]string{"gw1", "gw2"}).Draw(t, "device")}
		switch rapid.IntRange(0, 19).Draw(t, "kind") {
		case 0:
			s.Bad = "altered"
		case 1:
			s.Foreign = true
		case 2:
			s.Gone = true
		case 3, 4:
			s.Imported = true
		}
		sets = append(sets, s)
	}
	return sets, now
}

type group struct{ destination, device string }

// competing are the sets of each group that count and may go, the newest first.
func competing(sets []retention.Set, now time.Time) map[group][]retention.Set {
	return judged(sets, now, func(s retention.Set) bool { return !s.Imported })
}

// judged are the sets of each group that may go, as far as they are wanted.
func judged(sets []retention.Set, now time.Time, wanted func(retention.Set) bool) map[group][]retention.Set {
	groups := map[group][]retention.Set{}
	for _, s := range sets {
		if s.Bad == "" && !s.Foreign && !s.Gone && !s.Stamp.After(now) && wanted(s) {
			g := group{s.Destination, s.Device}
			groups[g] = append(groups[g], s)
		}
	}
	for _, list := range groups {
		slices.SortFunc(list, func(a, b retention.Set) int {
			return cmp.Or(b.Stamp.Compare(a.Stamp), strings.Compare(b.ID, a.ID))
		})
	}
	return groups
}

func kept(verdicts []retention.Verdict) map[string]bool {
	k := map[string]bool{}
	for _, v := range verdicts {
		if v.Keep {
			k[v.ID] = true
		}
	}
	return k
}

func remaining(verdicts []retention.Verdict) (sets []retention.Set) {
	for _, v := range verdicts {
		if v.Keep {
			sets = append(sets, v.Set)
		}
	}
	return sets
}

func TestRandomHistoriesKeepTheirRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		sets, now := drawHistory(t)
		verdicts := retention.Decide(p, sets, now)
		checkVerdicts(t, sets, verdicts, now)
		groups, k := competing(sets, now), kept(verdicts)
		for g, list := range groups {
			expected, alone := oracle(p, list), kept(retention.Decide(p, list, far))
			for _, s := range list {
				if k[s.ID] != expected[s.ID] {
					t.Fatalf("%v: %s of %s is kept: %v, by the rules: %v", g, s.ID, s.Stamp, k[s.ID], expected[s.ID])
				}
				if k[s.ID] != alone[s.ID] {
					t.Fatalf("%v: %s is kept among others: %v, in its group alone: %v", g, s.ID, k[s.ID], alone[s.ID])
				}
			}
		}
		// Each imported set is judged as if it were the only one.
		for _, s := range sets {
			if s.Imported && !s.Stamp.After(now) {
				list := judged(sets, now, func(o retention.Set) bool { return !o.Imported || o.ID == s.ID })[group{s.Destination, s.Device}]
				if expected := oracle(p, list); k[s.ID] != expected[s.ID] {
					t.Fatalf("the imported set %s of %s is kept: %v, by the rules: %v", s.ID, s.Stamp, k[s.ID], expected[s.ID])
				}
			}
		}
		checkMoreKeepsMore(t, p, sets, now, k)
		checkPruneAfterEveryCapture(t, p, sets)
		checkOftenAndOnce(t, p, sets)
	})
}

func checkVerdicts(t *rapid.T, sets []retention.Set, verdicts []retention.Verdict, now time.Time) {
	if len(verdicts) != len(sets) {
		t.Fatalf("%d verdicts on %d sets", len(verdicts), len(sets))
	}
	for _, v := range verdicts {
		if len(v.Why) == 0 {
			t.Fatalf("no reason for %s", v.ID)
		}
		if !v.Keep && (v.Bad != "" || v.Foreign || v.Gone || v.Stamp.After(now)) {
			t.Fatalf("%+v goes", v)
		}
	}
}

// oracle is what the rules keep of one group, rule by rule, the slow way.
func oracle(p retention.Policy, list []retention.Set) map[string]bool {
	k := map[string]bool{list[0].ID: true} // the newest
	for i, s := range list {
		if i < p.Last || p.Within > 0 && !s.Stamp.Add(p.Within).Before(list[0].Stamp) {
			k[s.ID] = true
		}
	}
	for n, of := range map[int]func(year int, month time.Month, day int) int{
		p.Daily: func(y int, m time.Month, d int) int { return (y*12+int(m))*31 + d },
		1000 + p.Weekly: func(y int, m time.Month, d int) int {
			return int(time.Date(y, m, d+3, 0, 0, 0, 0, time.UTC).Unix()/86400) / 7
		}, // 1 January 1970 was a Thursday
		2000 + p.Monthly: func(y int, m time.Month, _ int) int { return y*12 + int(m) },
	} {
		newest := map[int]string{} // of each period
		var order []int
		for _, s := range list {
			period := of(s.Stamp.In(p.Zone).Date())
			if _, there := newest[period]; !there {
				newest[period] = s.ID
				order = append(order, period)
			}
		}
		for _, period := range order[:min(n%1000, len(order))] {
			k[newest[period]] = true
		}
	}
	return k
}

func checkMoreKeepsMore(t *rapid.T, p retention.Policy, sets []retention.Set, now time.Time, k map[string]bool) {
	p.Last += rapid.IntRange(0, 2).Draw(t, "more last")
	p.Daily += rapid.IntRange(0, 2).Draw(t, "more daily")
	p.Weekly += rapid.IntRange(0, 2).Draw(t, "more weekly")
	p.Monthly += rapid.IntRange(0, 2).Draw(t, "more monthly")
	p.Within += time.Duration(rapid.IntRange(0, 48).Draw(t, "more within")) * time.Hour
	more := kept(retention.Decide(p, sets, now))
	for id := range k {
		if !more[id] {
			t.Fatalf("%s goes with a policy that keeps more", id)
		}
	}
}

// A host whose clock jumps prunes after every capture: the set that was just
// captured stays, and no group is ever without its newest.
func checkPruneAfterEveryCapture(t *rapid.T, p retention.Policy, history []retention.Set) {
	var stored []retention.Set
	for _, s := range history {
		stored = append(stored, s)
		before := competing(stored, s.Stamp)
		verdicts := retention.Decide(p, stored, s.Stamp)
		k := kept(verdicts)
		if !k[s.ID] {
			t.Fatalf("%s goes right after its capture", s.ID)
		}
		for g, list := range before {
			if !k[list[0].ID] {
				t.Fatalf("%v: the newest set %s goes", g, list[0].ID)
			}
		}
		stored = remaining(verdicts)
	}
}

// While the clock goes on, it does not matter how often somebody prunes. That
// includes twice in a row.
func checkOftenAndOnce(t *rapid.T, p retention.Policy, history []retention.Set) {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b retention.Set) int {
		return cmp.Or(a.Stamp.Compare(b.Stamp), strings.Compare(a.ID, b.ID))
	})
	var often []retention.Set
	for i, s := range history {
		often = append(often, s)
		if i%3 > 0 {
			often = remaining(retention.Decide(p, often, s.Stamp))
		}
	}
	if a, b := once(p, history), once(p, often); !slices.Equal(a, b) {
		t.Fatalf("once:\n%s\noften:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// once is what stays after a prune at the end.
func once(p retention.Policy, sets []retention.Set) []string {
	return slices.DeleteFunc(said(retention.Decide(p, sets, far)), func(line string) bool { return strings.HasPrefix(line, "-") })
}

func TestTheOrderOfTheListMeansNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		sets, now := drawHistory(t)
		shuffled := slices.Clone(sets)
		slices.Reverse(shuffled)
		if a, b := said(retention.Decide(p, sets, now)), said(retention.Decide(p, shuffled, now)); !slices.Equal(a, b) {
			t.Fatalf("%q, in another order %q", a, b)
		}
	})
}
