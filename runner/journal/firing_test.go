package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

var nightly = Scheduled{"nightly", "/plans/nightly.hcl"}

func firing(due, decided time.Time, verdict string) Firing {
	return Firing{Scheduled: nightly, Due: due, Decided: decided, Verdict: verdict}
}

func TestADueTimeIsDecidedOnce(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	other := need.Value(Open(j.Path()))(t)
	defer func() { need.Done(t, other.Close()) }()
	enter := func(j *Journal, f Firing) bool { return need.Value(j.EnterFiring(t.Context(), f))(t) }
	if !enter(j, firing(noon, noon, "run")) || enter(other, firing(noon, noon, "run")) || enter(j, firing(noon, noon.Add(time.Hour), "missed")) {
		t.Error("a due time was decided twice")
	}
	elsewhere := firing(noon, noon, "run")
	elsewhere.Origin = "/plans/other.hcl"
	if !enter(j, elsewhere) {
		t.Error("the plan of another file cannot be started")
	}
	decided := need.Value(j.Decided(t.Context(), nightly, noon.Add(-time.Hour), noon))(t)
	if d := cmp.Diff(map[int64]bool{noon.Unix(): true}, decided); d != "" {
		t.Error(d)
	}
}

// A due time that has started a run is not decided again.
func TestWhatAClockThatWasAheadCalledMissedIsDecidedAgain(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	ahead := noon.Add(1000 * time.Hour)
	enter := func(f Firing) bool { return need.Value(j.EnterFiring(t.Context(), f))(t) }
	enter(firing(noon.Add(time.Hour), ahead, "missed"))
	enter(firing(noon.Add(2*time.Hour), ahead, "run"))
	decided := need.Value(j.Decided(t.Context(), nightly, noon, noon.Add(3*time.Hour)))(t)
	if d := cmp.Diff(map[int64]bool{noon.Add(2 * time.Hour).Unix(): true}, decided); d != "" {
		t.Error(d)
	}
	if !enter(firing(noon.Add(time.Hour), noon.Add(time.Hour), "run")) || enter(firing(noon.Add(2*time.Hour), noon.Add(2*time.Hour), "run")) {
		t.Error("a night that was not run is lost, or one that was run is run again")
	}
	if since := need.Value(j.NoteSchedule(t.Context(), nightly, "a", ahead))(t); !since.Equal(ahead) {
		t.Errorf("since %s", since)
	}
	if since := need.Value(j.NoteSchedule(t.Context(), nightly, "a", noon))(t); !since.Equal(noon) {
		t.Errorf("since %s, and the clock shows %s", since, noon)
	}
}

func TestSchedulesBeginWhenTheyAreNew(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	note := func(rules string, now time.Time) time.Time {
		return need.Value(j.NoteSchedule(t.Context(), nightly, rules, now))(t)
	}
	for i, c := range []struct {
		rules     string
		at, since time.Duration
	}{{"a", 0, 0}, {"a", 1, 0}, {"b", 2, 2}, {"b", 3, 2}} {
		if got := note(c.rules, noon.Add(c.at*time.Hour)); !got.Equal(noon.Add(c.since * time.Hour)) {
			t.Errorf("%d: since %s", i, got)
		}
	}
	need.Done(t, j.ForgetSchedules(t.Context(), func(s Scheduled) bool { return s == nightly }))
	if got := note("b", noon.Add(4*time.Hour)); !got.Equal(noon.Add(2 * time.Hour)) {
		t.Error("a plan that is served was forgotten")
	}
	need.Done(t, j.ForgetSchedules(t.Context(), func(Scheduled) bool { return false }))
	if got := note("b", noon.Add(4*time.Hour)); !got.Equal(noon.Add(4 * time.Hour)) {
		t.Errorf("a plan that was away for a time is due since %s", got)
	}
}

func TestStartsAndTheServerAreRemembered(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	f := firing(noon.Truncate(time.Second), noon.Add(time.Second), "run")
	need.Value(j.EnterFiring(t.Context(), f))(t)
	need.Value(j.EnterFiring(t.Context(), firing(noon.Add(time.Hour), noon, "missed")))(t)
	f.Run = "01R"
	need.Done(t, j.EndFiring(t.Context(), f))
	if d := cmp.Diff([]Firing{f}, need.Value(j.Firings(t.Context(), true, 10))(t)); d != "" {
		t.Error(d)
	}
	f.Ended, f.ExitCode, f.Message = noon.Add(time.Minute), 3, "some"
	need.Done(t, j.EndFiring(t.Context(), f))
	if open := need.Value(j.Firings(t.Context(), true, 10))(t); len(open) > 0 {
		t.Errorf("%+v", open)
	}
	all := need.Value(j.Firings(t.Context(), false, 10))(t)
	if len(all) != 2 || all[0].Verdict != "missed" {
		t.Fatalf("%+v", all)
	}
	if d := cmp.Diff(f, all[1]); d != "" {
		t.Error(d)
	}
	if s := need.Value(j.Server(t.Context()))(t); s != nil {
		t.Errorf("%+v", s)
	}
	for _, s := range []Server{{Host: "box", PID: 1, Plans: "/plans", Started: noon, Beat: noon, Broken: []BrokenPlan{{Path: "a.hcl", Since: noon, Why: "x", LastGood: true}}},
		{Host: "box", PID: 2, Started: noon, Beat: noon, Stopped: noon}} {
		need.Done(t, j.SetServer(t.Context(), s))
		if d := cmp.Diff(&s, need.Value(j.Server(t.Context()))(t)); d != "" {
			t.Error(d)
		}
	}
}

// A plan that is due every minute does not fill the journal.
func TestOldDueTimesGo(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	need.Done(t, j.write(t.Context(), "test", func(x *transaction) error {
		_, err := x.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
			INSERT INTO firings (plan, origin, due, decided, verdict) SELECT ?, ?, i, i, 'missed' FROM n`, nightly.Plan, nightly.Origin)
		return err
	}))
	need.Value(j.EnterFiring(t.Context(), firing(noon, noon, "run")))(t)
	if all := need.Value(j.Firings(t.Context(), false, 5000))(t); len(all) != firingsKept+1 {
		t.Errorf("%d due times are kept", len(all))
	}
}
