package view

import (
	"fmt"
	"testing"

	"github.com/dprun/dprun/runner/event"
)

// TestTheScreenRemembersTasksUnderWayOnly: a run may have 100,000, and the
// output of those that failed is shown once more in the end.
func TestTheScreenRemembersTasksUnderWayOnly(t *testing.T) {
	t.Parallel()
	k := newTracker(event.RunInfo{})
	for i := range 10 {
		id := fmt.Sprint(i)
		for seq, code := range []string{"WAITING_FOR_PRE_VALIDATION", "READY_FOR_EXECUTION", "EXECUTION_STARTED", "SUCCESS", "EXECUTION_FAILED_LONG_RUNNING"} {
			if seq == 4 && i > 0 || seq == 3 && i < 2 || seq == 2 && i > 7 { // one fails, one is under way, two wait
				continue
			}
			if i > 7 && seq > 1 {
				break
			}
			k.log(event.Log{Task: id, Text: "line"})
			k.status(event.Status{Task: id, Seq: seq + 1, Code: code, Final: seq > 2})
		}
	}
	kept := 0
	for _, x := range k.tasks {
		if x != nil {
			kept++
		}
	}
	if len(k.tasks) != 10 || k.done != 7 || kept != 1 || len(k.active) != 1 {
		t.Errorf("%d tasks, %d done, %d remembered, %d under way", len(k.tasks), k.done, kept, len(k.active))
	}
	if k.logs["0"] == nil || k.logs["1"] == nil || k.logs["9"] == nil || k.logs["5"] != nil {
		t.Errorf("output is remembered of %d tasks", len(k.logs))
	}
}
