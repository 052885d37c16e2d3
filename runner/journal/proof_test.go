package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestProofsAreKeptTheNewestFirst(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	of := backups.Subject{Device: "gw1", Domain: "orders", Activity: "domains"}
	first := backups.Proof{Set: "01A", SHA256: "ab", Subject: of, At: noon, Run: "01R", On: "lab", Drill: true, Verdict: backups.Proven, Excused: 3}
	second := backups.Proof{Set: "01B", SHA256: "cd", Subject: of, At: noon.Add(time.Hour), Run: "01S", On: "lab", Drill: true, Verdict: backups.Failed, Why: "an object is missing"}
	third := backups.Proof{Set: "01A", SHA256: "ab", Subject: of, At: noon.Add(time.Hour), Run: "01T", On: "gw1", Verdict: backups.Proven}
	for _, p := range []backups.Proof{first, second, third} {
		need.Done(t, j.Prove(t.Context(), p))
	}
	for set, want := range map[string][]backups.Proof{"": {third, second, first}, "01A": {third, first}, "01C": nil} {
		if diff := cmp.Diff(want, need.Value(j.Proofs(t.Context(), set))(t)); diff != "" {
			t.Errorf("%q: %s", set, diff)
		}
	}
}
