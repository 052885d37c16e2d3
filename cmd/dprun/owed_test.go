package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
)

// A plan's post-script is owed to no device, so that a run is named for it.
func TestWhatIsOwedToNoDeviceIsAcknowledgedByItsRun(t *testing.T) {
	t.Parallel()
	v := view.NewHuman(view.Options{Stdout: io.Discard, Stderr: io.Discard})
	r, err := runner.Open(t.Context(), runner.Options{StateDir: filepath.Join(t.TempDir(), "state"), Version: "0.1.0-test", Sink: v})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	run := func(owed ...journal.Obligation) string {
		id, err := journal.NewRunID(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Journal().CreateRun(t.Context(), journal.Run{ID: id, Plan: "nightly", Started: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Journal().Append(t.Context(), id, journal.Batch{Owe: owed}); err != nil {
			t.Fatal(err)
		}
		if err := r.Journal().FinishRun(t.Context(), id, journal.End{Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	script := journal.Obligation{Key: pending.Key{ID: "plan_post"}, Kind: pending.PostScript, Script: "exec.tell", Since: time.Now()}
	device := journal.Obligation{Key: pending.Key{Task: "d/gw-1", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw-1", Since: time.Now()}
	both, other := run(script, device), run(device)

	if _, err := acknowledge(t.Context(), r, other); exitCode(err) != runner.ExitUsage || !strings.Contains(err.Error(), "gw-1") {
		t.Errorf("a run that owes to a device only: %v", err)
	}
	if _, err := acknowledge(t.Context(), r, "gw-2"); exitCode(err) != runner.ExitUsage || !strings.HasSuffix(err.Error(), "something is to: "+both+", gw-1") {
		t.Errorf("what nothing is owed to: %v", err)
	}
	done, err := acknowledge(t.Context(), r, both)
	if d := cmp.Diff(view.Acknowledged{Run: both, Obligations: 1}, done); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	owed, err := r.Owed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range owed {
		if o.Device != "gw-1" {
			t.Errorf("still owed: %+v", o)
		}
	}
	if len(owed) != 2 {
		t.Errorf("%d things are owed, want those to the device: %+v", len(owed), owed)
	}
}
