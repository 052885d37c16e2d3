package runner

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/testfixtures/need"
)

// A gateway that was removed from a file is not a peer any more, even if another
// plan of the file declared it and was not run since, or is gone. Otherwise the
// gateway would never count as in service, and the whole group would get no
// backups.
func TestADeviceThatWasRemovedFromAFileIsNoPeerAnyMore(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	op, j := r.begin(Operation{}), r.kept.Load().journal
	dir := t.TempDir()
	file, other := filepath.Join(dir, "plan.hcl"), filepath.Join(dir, "other.hcl")
	for _, f := range []string{file, other} {
		need.Done(t, os.WriteFile(f, nil, 0o600))
	}
	declare := func(name, origin string, devices ...string) {
		var members []journal.Member
		for _, d := range devices {
			members = append(members, journal.Member{Group: "fra", Device: d, Endpoint: []byte(`{"type":"datapower"}`)})
		}
		need.Done(t, j.SetMembers(t.Context(), name, origin, members))
	}
	declare("weekly", file, "fra-1", "removed", "moved")
	declare("gone", file, "removed")
	declare("else", other, "fra-9")
	declare("at work", file, "removed")
	held := need.Value(r.locks.TryAcquire(lock.PlanKey("at work", file), lock.Exclusive, lock.Info{}))(t)
	defer func() { _ = held.Release() }()
	nightly := &plan.Plan{Name: "nightly", Range: plan.Range{Filename: "plan.hcl"}}
	loaded := &Loaded{Config: &plan.Config{Dir: dir, Plans: []*plan.Plan{nightly}, Devices: []*plan.Device{
		{Name: "fra-1", Group: "fra"}, {Name: "fra-2", Group: "fra"}, {Name: "moved", Group: "ams"}}}}
	spec := lifecycle.RunSpec{Devices: map[string]lifecycle.Device{"fra-1": {Group: "fra"}}}
	want := []string{"fra-2", "fra-9"}
	for name, do := range map[string]func() error{
		"a look": func() error { _, err := op.peers(t.Context(), loaded, &spec); return err },
		"a run":  func() error { _, err := op.group(t.Context(), loaded, nightly, &spec); return err },
	} {
		spec.Devices["fra-1"] = lifecycle.Device{Group: "fra"}
		need.Done(t, do())
		if got := slices.Sorted(slices.Values(spec.Devices["fra-1"].Peers)); !slices.Equal(got, want) {
			t.Errorf("%s: peers %v, want %v", name, got, want)
		}
	}
	var left []string // also of other files
	for _, m := range need.Value(j.Members(t.Context()))(t) {
		left = append(left, m.Plan+"/"+m.Device)
	}
	if want := []string{"weekly/fra-1", "else/fra-9", "at work/removed"}; !slices.Equal(left, want) {
		t.Errorf("declared: %v, want %v", left, want)
	}
}
