package lifecycle

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

func artifacts(names ...string) (out []event.Artifact) {
	for _, n := range names {
		out = append(out, event.Artifact{Name: n, File: n, Staged: "s/" + n, Size: 1_000_000})
	}
	return out
}

// store walks a task with one destination through its stores, and gives what it
// said of them, and from which reports its manifest was to be written.
func store(t *testing.T, variants []string, captured map[string][]event.Artifact, report func(variant string) sdk.StoreReport) (task *Task, said string, reports []sdk.StoreReport) {
	t.Helper()
	task = NewTask(TaskSpec{ID: "t", Device: "d", Destinations: []Destination{{Name: "file.a"}}, Activity: Activity{Name: "a", Scope: schema.ScopeDevice, Quiesce: QuiesceNone}})
	task.Queue(epoch)
	task.Ready(epoch)
	task.Dispatch(epoch)
	finish := func(action string, r event.Result) {
		for _, s := range task.Apply(event.Event{Kind: event.Finished, Time: epoch, Task: "t", Action: action, Result: &r}) {
			if s.Code == string(status.StoreDone) {
				said = s.Message
			}
		}
	}
	finish("prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "s", Sets: map[string]string{"file.a": "d"}}})
	finish("probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}})
	finish("check_destination/file.a/1", event.Result{})
	finish("lock/device", event.Result{})
	finish("check/1", event.Result{Check: &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Space: sdk.Space{FreeTemporary: -1}, Variants: variants}})
	for _, v := range variants {
		finish(fmt.Sprintf("capture/%s/1", v), event.Result{Capture: &event.Captured{Variant: v, Artifacts: captured[v]}})
	}
	task.letStore("file.a", epoch)
	for _, v := range variants {
		r := report(v)
		finish(fmt.Sprintf("store/file.a/%s/1", v), event.Result{Store: &r})
	}
	reports = task.Stored("file.a")
	finish("manifest/file.a/1", event.Result{Store: &sdk.StoreReport{Location: "/b/d/x.dprun.json", Durable: true, ModeKept: true}})
	return task, said, reports
}

func TestWhatADestinationSaysOfItsCopiesStandsBesideTheResultOnce(t *testing.T) {
	t.Parallel()
	variants := []string{sdk.VariantPersisted, sdk.VariantRunning}
	report := sdk.StoreReport{Location: "/b/d/x.zip", Warnings: []string{"it has mode 0644, not 0600"}}
	task, _, reports := store(t, variants, map[string][]event.Artifact{sdk.VariantPersisted: artifacts("p.zip"), sdk.VariantRunning: artifacts("n.zip")},
		func(string) sdk.StoreReport { return report })
	want := []string{"destination file.a could not be asked to make the copy durable", "destination file.a: it has mode 0644, not 0600"}
	if f := task.Final(); f == nil || f.Code != string(status.Success) {
		t.Errorf("it ended with %+v", f)
	} else if d := cmp.Diff(want, f.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]sdk.StoreReport{report, report}, reports); d != "" {
		t.Errorf("what the manifest is written from (-want +got):\n%s", d)
	}
}

func TestWhatWasStoredIsNamedWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variants []string
		captured map[string][]event.Artifact
		at       map[string]string // what the destination said of each variant
		message  string
		files    []string
	}{
		"one file": {
			[]string{sdk.VariantPersisted}, map[string][]event.Artifact{sdk.VariantPersisted: artifacts("x-persisted.zip")},
			map[string]string{sdk.VariantPersisted: "/b/d/x-persisted.zip"},
			"destination file.a: /b/d/x-persisted.zip", []string{"/b/d/x-persisted.zip"},
		},
		"one file each of two variants": {
			[]string{sdk.VariantPersisted, sdk.VariantRunning},
			map[string][]event.Artifact{sdk.VariantPersisted: artifacts("p.zip"), sdk.VariantRunning: artifacts("n.zip")},
			map[string]string{sdk.VariantPersisted: "/b/d/p.zip", sdk.VariantRunning: "/b/d/n.zip"},
			"destination file.a: /b/d/p.zip, /b/d/n.zip", []string{"/b/d/p.zip", "/b/d/n.zip"},
		},
		"a set of files": {
			[]string{sdk.VariantSecureBackup}, map[string][]event.Artifact{sdk.VariantSecureBackup: artifacts("backupmanifest.xml", "config.tgz", "store.tgz")},
			map[string]string{sdk.VariantSecureBackup: "sftp://h/b/d/"},
			"destination file.a: sftp://h/b/d/ (3 files, 3.0 MB)", []string{"sftp://h/b/d/backupmanifest.xml", "sftp://h/b/d/config.tgz", "sftp://h/b/d/store.tgz"},
		},
		"a set whose place has no name": {
			[]string{sdk.VariantSecureBackup}, map[string][]event.Artifact{sdk.VariantSecureBackup: artifacts("a", "b")},
			map[string]string{sdk.VariantSecureBackup: "object 7"},
			"destination file.a: object 7 (2 files, 2.0 MB)", []string{"object 7"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task, said, _ := store(t, c.variants, c.captured, func(variant string) sdk.StoreReport {
				return sdk.StoreReport{Location: c.at[variant], Durable: true, ModeKept: true}
			})
			if said != c.message {
				t.Errorf("%s says %q, want %q", status.StoreDone, said, c.message)
			}
			if d := cmp.Diff(c.files, task.Locations()); d != "" {
				t.Errorf("locations (-want +got):\n%s", d)
			}
		})
	}
}
