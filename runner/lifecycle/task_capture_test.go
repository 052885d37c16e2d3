package lifecycle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
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

// exported plays an export of a domain up to its end.
func exported(t *testing.T, last int64, captured event.Captured) *event.Status {
	t.Helper()
	task := NewTask(TaskSpec{ID: "t", Device: "d", Domain: "a", LastSize: last, Destinations: []Destination{{Name: "file.a"}},
		Activity: Activity{Name: "x", Scope: schema.ScopeDomain, Quiesce: QuiesceNone}})
	task.Queue(epoch)
	task.Ready(epoch)
	task.Dispatch(epoch)
	for _, step := range []struct {
		action string
		result event.Result
	}{
		{"prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "s"}}},
		{"probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}}},
		{"check_destination/file.a/1", event.Result{}},
		{"lock/device", event.Result{}},
		{"check/1", event.Result{Check: &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}}},
		{"capture/persisted/1", event.Result{Capture: &captured}},
		{"store/file.a/persisted/1", event.Result{Store: &sdk.StoreReport{Location: "/a.zip", Durable: true, ModeKept: true}}},
		{"manifest/file.a/1", event.Result{Store: &sdk.StoreReport{Location: "/a.json", Durable: true, ModeKept: true}}},
	} {
		if task.stores("file.a") && task.dests[0].waits() {
			task.letStore("file.a", epoch)
		}
		task.Apply(event.Event{Kind: event.Finished, Time: epoch, Task: "t", Action: step.action, Result: &step.result})
	}
	if task.Final() == nil {
		t.Fatalf("the task has not ended; pending: %v", task.Pending())
	}
	return task.Final()
}

func TestABackupThatIsMuchSmallerThanTheLastIsASuccessWithAWarning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last, now int64
		want      []string
	}{
		"much smaller":       {9_000_000, 2_000_000, []string{"this backup has 2.0 MB, and the last good one had 9.0 MB; see whether something is missing on the device before you rely on it"}},
		"half":               {9_000_000, 4_500_000, nil},
		"larger":             {9_000_000, 99_000_000, nil},
		"nothing to compare": {0, 1, nil},
	} {
		s := exported(t, c.last, event.Captured{Variant: sdk.VariantPersisted, Artifacts: []event.Artifact{{Name: "a", Size: c.now}}})
		if d := cmp.Diff(c.want, s.Warnings); d != "" || s.Code != string(status.Success) {
			t.Errorf("%s: %s, warnings (-want +got):\n%s", name, s.Code, d)
		}
	}
}

func TestASuccessSaysHowManyFilesTheDeviceKeptBack(t *testing.T) {
	t.Parallel()
	s := exported(t, 0, event.Captured{Variant: sdk.VariantPersisted, Artifacts: []event.Artifact{{Name: "a", Size: 1}}, Withheld: []string{"cert/a.cer", "sharedcert/b.p12"}})
	if want := "without 2 file(s) that the device does not export"; !strings.Contains(s.Message, want) {
		t.Errorf("%q does not say %q", s.Message, want)
	}
}
