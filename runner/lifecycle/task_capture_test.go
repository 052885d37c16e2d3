package lifecycle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// What a secure backup writes on the device is owed from the moment that it
// may be asked for, whether or not the capture lived to tell its token.
func TestASecureBackupOwesItsFilesFromBeforeItIsAskedFor(t *testing.T) {
	t.Parallel()
	task := NewTask(TaskSpec{ID: "t", Device: "d", Destinations: []Destination{{Name: "file.a"}}, Activity: Activity{Name: "a", Scope: schema.ScopeDevice, Exclusive: true, Quiesce: QuiesceNone}})
	task.Queue(epoch)
	task.Ready(epoch)
	task.Dispatch(epoch)
	finish := func(action string, r event.Result) {
		task.Apply(event.Event{Kind: event.Finished, Time: epoch, Task: "t", Action: action, Result: &r})
	}
	finish("prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "s"}})
	finish("probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}})
	finish("check_destination/file.a/1", event.Result{})
	finish("lock/device", event.Result{})
	finish("check/1", event.Result{Check: &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Space: sdk.Space{FreeTemporary: -1},
		Variants: []string{sdk.VariantSecureBackup}, Token: "temporary:///x"}})
	if os := task.Obligations(); len(os) != 0 {
		t.Fatalf("owed before the capture: %v", os)
	}
	task.Apply(event.Event{Kind: event.Started, Time: epoch, Task: "t", Action: "capture/secure_backup/1"})
	want := []Obligation{{ID: "discard/secure_backup", Kind: OweDiscard, Task: "t", Device: "d", Token: "temporary:///x"}}
	if d := cmp.Diff(want, task.Obligations()); d != "" {
		t.Fatalf("owed when the capture is asked for (-want +got):\n%s", d)
	}
	task.Apply(event.Event{Kind: event.Interrupted, Time: epoch})
	if as := ids(task.Pending()); !cmp.Equal(as, []string{"t discard/secure_backup/1"}) {
		t.Errorf("pending after an interruption: %v", as)
	}
}
