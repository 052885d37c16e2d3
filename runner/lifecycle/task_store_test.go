package lifecycle

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

func artifacts(names ...string) (out []event.Artifact) {
	for _, n := range names {
		out = append(out, event.Artifact{Name: n, File: n, Staged: "s/" + n, Size: 1_000_000})
	}
	return out
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
			task := NewTask(TaskSpec{ID: "t", Device: "d", Destinations: []Destination{{Name: "file.a"}}, Activity: Activity{Name: "a", Scope: schema.ScopeDevice, Quiesce: QuiesceNone}})
			task.Queue(epoch)
			task.Ready(epoch)
			task.Dispatch(epoch)
			said := ""
			finish := func(action string, r event.Result) {
				for _, s := range task.Apply(event.Event{Kind: event.Finished, Time: epoch, Task: "t", Action: action, Result: &r}) {
					if s.Code == string(StoreDone) {
						said = s.Message
					}
				}
			}
			finish("prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "s", Sets: map[string]string{"file.a": "d"}}})
			finish("probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}})
			finish("check_destination/file.a/1", event.Result{})
			finish("lock/device", event.Result{})
			finish("check/1", event.Result{Check: &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Space: sdk.Space{FreeTemporary: -1}, Variants: c.variants}})
			for _, v := range c.variants {
				finish(fmt.Sprintf("capture/%s/1", v), event.Result{Capture: &event.Captured{Variant: v, Artifacts: c.captured[v]}})
			}
			for _, v := range c.variants {
				finish(fmt.Sprintf("store/file.a/%s/1", v), event.Result{Store: &sdk.StoreReport{Location: c.at[v], Durable: true}})
			}
			finish("manifest/file.a/1", event.Result{Store: &sdk.StoreReport{Location: "/b/d/x.dprun.json", Durable: true}})
			if said != c.message {
				t.Errorf("%s says %q, want %q", StoreDone, said, c.message)
			}
			if d := cmp.Diff(c.files, task.Locations()); d != "" {
				t.Errorf("locations (-want +got):\n%s", d)
			}
		})
	}
}
