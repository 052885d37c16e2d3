package lifecycle

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Lowering min_free is advised where min_free decides, and nowhere else.
func TestTheAdviceFitsWhyThereIsNoRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		min    MinFree
		advice string
	}{
		"percent":         {MinFree{Percent: 50}, "; free some space or lower min_free"},
		"bytes":           {MinFree{Bytes: 5000}, "; free some space or lower min_free"},
		"the last backup": {MinFree{Percent: 1}, "; free some space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := NewTask(TaskSpec{ID: "t", Device: "d", LastSize: 2000, Destinations: []Destination{{Name: "file.a", MinFree: c.min}}, Activity: Activity{Name: "a", Scope: schema.ScopeDevice, Quiesce: QuiesceNone}})
			task.Queue(epoch)
			task.Ready(epoch)
			task.Dispatch(epoch)
			finish := func(action string, r event.Result) {
				task.Apply(event.Event{Kind: event.Finished, Time: epoch, Task: "t", Action: action, Result: &r})
			}
			finish("prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "s"}})
			finish("probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}})
			finish("check_destination/file.a/1", event.Result{Destination: &sdk.DestinationReport{Free: 1000, Total: 10_000}})
			f := task.Final()
			if f == nil || f.Code != string(status.PreChecksDestinationOutOfSpace) || !strings.HasSuffix(f.Message, c.advice) {
				t.Errorf("ended in %+v, want the advice %q", f, c.advice)
			}
		})
	}
}
