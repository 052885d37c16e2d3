package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

func waiting(id string) Approval {
	return Approval{ID: id, Action: "start", Scheduled: nightly, Only: "device=gw", Plans: []string{"nightly"}, Source: "abc", Asked: Asked{At: noon, By: "anna", Reason: "why", Change: "CHG1"},
		Who: "sub anna", Key: "key-" + id, Digest: "d", Until: noon.Add(30 * time.Minute), State: Waiting}
}

func TestARequestIsDecidedOnceAndWithinItsTime(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	other := need.Value(Open(j.Path()))(t)
	defer func() { need.Done(t, other.Close()) }()
	a := waiting("1")
	need.Done(t, j.EnterApproval(t.Context(), a))
	need.Done(t, j.EnterApproval(t.Context(), waiting("2")))
	if d := cmp.Diff(&a, need.Value(other.ApprovalByKey(t.Context(), "sub anna", "key-1"))(t)); d != "" {
		t.Error(d)
	}
	late := Decision{ID: "1", State: Approved, Asked: Asked{At: a.Until, By: "otto"}}
	if err := j.Decide(t.Context(), late); !errors.Is(err, ErrNotFound) {
		t.Errorf("decided at the end of its time: %v", err)
	}
	start := Start{Scheduled: nightly, Run: "R1", Asked: Asked{At: noon, By: "anna and otto"}, Claim: &Decision{ID: "1", State: Approved, Run: "R1", Asked: Asked{At: noon, By: "otto", Reason: "seen"}}}
	need.Done(t, j.EnterStart(t.Context(), start))
	start.Run = "R2"
	if err := other.EnterStart(t.Context(), start); !errors.Is(err, ErrNotFound) {
		t.Errorf("one request is started twice: %v", err)
	}
	if st := need.Value(j.Start(t.Context(), "R2"))(t); st != nil {
		t.Errorf("the second start was entered: %+v", st)
	}
	need.Done(t, j.NoteApproval(t.Context(), "1", "it failed"))
	a.State, a.Run, a.Message, a.Decided = Approved, "R1", "it failed", Asked{At: noon, By: "otto", Reason: "seen"}
	if d := cmp.Diff([]Approval{waiting("2"), a}, need.Value(other.Approvals(t.Context(), noon, 10))(t)); d != "" {
		t.Error(d)
	}
}

// TestTheRequestsThatWaitComeFirst: nobody hides them behind many others.
func TestTheRequestsThatWaitComeFirst(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, id := range []string{"1", "2", "3", "4"} {
		a := waiting(id)
		a.At, a.Until = noon.Add(time.Duration(i)*time.Minute), noon.Add(time.Hour)
		if id == "4" {
			a.Until = noon.Add(10 * time.Minute) // expires
		}
		need.Done(t, j.EnterApproval(t.Context(), a))
	}
	need.Done(t, j.Decide(t.Context(), Decision{ID: "3", State: Withdrawn, Asked: Asked{At: noon.Add(4 * time.Minute), By: "anna"}}))
	var ids []string
	for _, a := range need.Value(j.Approvals(t.Context(), noon.Add(20*time.Minute), 3))(t) {
		ids = append(ids, a.ID)
	}
	if d := cmp.Diff([]string{"2", "1", "4"}, ids); d != "" {
		t.Error(d)
	}
}

// TestAClockThatIsYearsAheadForgetsNoKey: the newest requests stay, whatever the time is.
func TestAClockThatIsYearsAheadForgetsNoKey(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	start := func(n int, at time.Time) {
		need.Done(t, j.EnterStart(t.Context(), Start{Scheduled: nightly, Run: fmt.Sprint("R", n), Asked: Asked{At: at, By: "anna"}, Key: fmt.Sprint("key", n)}))
	}
	start(1, noon)
	start(2, noon.AddDate(9, 0, 0))
	start(3, noon.AddDate(9, 0, 1))
	if st := need.Value(j.StartByKey(t.Context(), "anna", "key1"))(t); st == nil {
		t.Error("the key of a request of today is forgotten")
	}
}
