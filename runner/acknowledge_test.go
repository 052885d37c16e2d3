package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// No device has a plan's post-script pending, so its run is acknowledged instead.
func TestWhatIsOwedToNoDeviceIsAcknowledgedByItsRun(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := func(owed ...pending.Obligation) string {
		id := need.Value(journal.NewRunID(time.Now()))(t)
		need.Done(t, r.kept.Load().journal.CreateRun(t.Context(), journal.Run{ID: id, Plan: "nightly", Started: time.Now()}))
		need.Done(t, r.kept.Load().journal.Append(t.Context(), id, journal.Batch{Owe: owed}))
		need.Done(t, r.kept.Load().journal.FinishRun(t.Context(), id, journal.End{Time: time.Now()}))
		return id
	}
	script := pending.Obligation{Key: pending.Key{ID: "plan_post"}, Kind: pending.PostScript, Script: "exec.tell", Since: time.Now()}
	device := pending.Obligation{Key: pending.Key{Task: "d/gw-1", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw-1", Since: time.Now()}
	both, other := run(script, device), run(device)

	if _, err := r.Acknowledge(t.Context(), AcknowledgeRequest{Target: other}); CodeOf(err) != ExitUsage || !strings.Contains(err.Error(), "gw-1") {
		t.Errorf("a run that owes to a device only: %v", err)
	}
	if _, err := r.Acknowledge(t.Context(), AcknowledgeRequest{Target: "gw-2"}); CodeOf(err) != ExitUsage || !strings.HasSuffix(err.Error(), ": "+both+", gw-1") {
		t.Errorf("what nothing is owed to: %v", err)
	}
	done, err := r.Acknowledge(t.Context(), AcknowledgeRequest{Target: both})
	if d := cmp.Diff(report.Acknowledged{Run: both, Obligations: 1}, done); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	left := r.Owed(t.Context())
	if left.Unknown != nil {
		t.Fatal(left.Unknown)
	}
	owed := left.Owed
	for _, o := range owed {
		if o.Device != "gw-1" {
			t.Errorf("still owed: %+v", o)
		}
	}
	if len(owed) != 2 {
		t.Errorf("%d things are owed, want those to the device: %+v", len(owed), owed)
	}
}
