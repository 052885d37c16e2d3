package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestTheLastRunOfEachPlanIsFoundAndTheLastGoodOne(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, r := range []struct {
		id, plan, origin string
		exit             int
		partial, ends    bool
	}{
		{"01A", "nightly", "/a", 0, false, true}, {"01B", "nightly", "/b", 0, false, true}, {"01C", "nightly", "/a", 3, false, true}, {"01D", "nightly", "/a", 0, true, true},
		{"01E", "weekly", "/a", 1, false, true}, {"01F", "nightly", "/a", 0, false, false},
	} {
		at := noon.Add(time.Duration(i) * time.Minute)
		createRun(t, j, Run{ID: r.id, Plan: r.plan, Origin: r.origin, Started: at, Partial: r.partial})
		if r.ends {
			need.Done(t, j.FinishRun(t.Context(), r.id, End{Time: at.Add(time.Second), ExitCode: r.exit}))
		}
	}
	for good, want := range map[bool][]string{false: {"01D", "01B", "01E"}, true: {"01A", "01B"}} {
		var got []string
		for _, r := range need.Value(j.LastRuns(t.Context(), good))(t) {
			got = append(got, r.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("good %v (-want +got):\n%s", good, d)
		}
	}
}

func TestTheLastSetOfEverythingIsTheNewestThatIsWholeAndOurs(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	old, young, bad, found, ahead, other := aCopy(t, "01A", "gw1", "d", "/a", 0), aCopy(t, "01A", "gw1", "d", "/a", 1), aCopy(t, "01A", "gw1", "d", "/a", 2),
		aCopy(t, "01A", "gw1", "d", "/a", 3), aCopy(t, "01A", "gw1", "d", "/a", 600), aCopy(t, "01A", "gw2", "", "/a", 0)
	bad.State, found.Imported = backups.Missing, true
	enterCopies(t, j, "01A", old, young, bad, found, ahead, other)
	got := need.Value(j.LastSets(t.Context(), noon.Add(time.Hour)))(t)
	for i := range got {
		got[i].Captured = got[i].Captured.UTC().Truncate(time.Second)
	}
	at := noon.UTC().Truncate(time.Second)
	if d := cmp.Diff([]LastSet{{"nightly", "export", "gw1", "d", at.Add(time.Minute)}, {"nightly", "export", "gw2", "", at}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
