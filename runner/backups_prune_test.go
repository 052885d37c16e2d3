package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// vault is a destination and a journal in memory. It dies after a number of
// steps. The last step has its effect or not; its caller gets no answer, and no
// later step has an effect.
type vault struct {
	files  map[string]string
	copies map[string]backups.Copy
	runs   map[string]string // by run: the file of its plan

	left   int  // steps before the death
	effect bool // the last step has its effect
	dead   bool
	refuse func(op, path string) error // nil: nothing is refused
	after  bool                        // a refused operation still has its effect
}

var errKilled = failure.New(failure.Cancelled, "", "killed")

// step does one operation.
func (v *vault) step(op, path string, do func()) error {
	if v.dead {
		return errKilled
	}
	v.left--
	if v.dead = v.left == 0; v.dead {
		if v.effect {
			do()
		}
		return errKilled
	}
	if v.refuse != nil {
		if err := v.refuse(op, path); err != nil {
			if v.after {
				do()
			}
			return err
		}
	}
	do()
	return nil
}

func (v *vault) Root(context.Context, string) (root string, err error) {
	return "memory:/vault", v.step("root", "", func() {})
}

func (v *vault) List(context.Context, string, string) (out []sdk.Object, err error) {
	err = v.step("list", "", func() {
		for name, body := range v.files {
			out = append(out, sdk.Object{Path: name, Size: int64(len(body))})
		}
	})
	return out, err
}

func (v *vault) Fetch(_ context.Context, _ string, q sdk.FetchRequest, _ int64) (r *sdk.FetchReport, err error) {
	body, there := v.files[q.Path]
	if err := v.step("fetch", q.Path, func() {}); err != nil {
		return nil, err
	}
	if !there {
		return nil, failure.New(failure.NotFound, failure.NoSuchFile, "fetch %s: it is not there", q.Path)
	}
	if err := os.WriteFile(q.File, []byte(body), 0o600); err != nil {
		return nil, err
	}
	return &sdk.FetchReport{Size: int64(len(body)), SHA256: hashed(body)}, nil
}

func (v *vault) Delete(_ context.Context, _, path string) error {
	return v.step("delete", path, func() { delete(v.files, path) })
}

func (v *vault) Copies(_ context.Context, f journal.CopyFilter) iter.Seq2[backups.Copy, error] {
	return func(yield func(backups.Copy, error) bool) {
		if err := v.step("copies", "", func() {}); err != nil {
			yield(backups.Copy{}, err)
			return
		}
		for _, id := range slices.Sorted(maps.Keys(v.copies)) {
			c := v.copies[id]
			if (f.Set == "" || f.Set == c.Set) && (f.State == "" || f.State == c.State) && !yield(c, nil) {
				return
			}
		}
	}
}

func (v *vault) MarkCopies(_ context.Context, marks ...journal.CopyMark) error {
	return v.step("mark", "", func() {
		for _, m := range marks {
			c := v.copies[m.Set]
			c.State = m.State
			v.copies[m.Set] = c
		}
	})
}

func (v *vault) Origins(context.Context, string) (files []string, runs map[string]string, err error) {
	return slices.Sorted(maps.Values(v.runs)), v.runs, nil
}

func hashed(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

const stateID = "MINE"

// filled is a vault with one set for each of the given days; set0 is the oldest.
func filled(days int) *vault {
	v := &vault{files: map[string]string{}, copies: map[string]backups.Copy{}}
	for n := range days {
		c := backups.Copy{Set: fmt.Sprintf("set%d", n), Root: "memory:/vault", Plan: "nightly", Device: "gw", Domain: "d", Activity: "exports", StateID: stateID, State: backups.Whole,
			Captured: time.Date(2026, 11, 1+n, 2, 30, 0, 0, time.UTC)}
		c.Path = "gw/" + c.Set + backups.Suffix
		for _, file := range []string{c.Set + "-persisted.zip", "more/" + c.Set + "-running.zip"} {
			body := strings.Repeat(file, n+1)
			v.files["gw/"+file] = body
			c.Files = append(c.Files, backups.File{File: file, Size: int64(len(body))})
		}
		v.files[c.Path] = "manifest of " + c.Set
		c.SHA256 = hashed(v.files[c.Path])
		v.copies[c.Set] = c
	}
	return v
}

// reborn is the vault as a new process finds it.
func (v *vault) reborn() *vault { return &vault{files: v.files, copies: v.copies} }

func (v *vault) states() map[string]backups.State {
	out := map[string]backups.State{}
	for id, c := range v.copies {
		out[id] = c.State
	}
	return out
}

func pruningOf(t *testing.T, v *vault) *pruning {
	t.Helper()
	locks := need.Value(lock.Open(t.TempDir()))(t)
	t.Cleanup(func() { _ = locks.Close() })
	p := &plan.Plan{Name: "nightly", Activities: []*plan.Activity{{Name: "exports", Devices: []*plan.Device{{Name: "gw"}}}}}
	return &pruning{shelf: v, ledger: v, lock: (&Runner{locks: locks}).lockSet, now: func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }, work: t.TempDir(), own: stateID, plan: p, origin: "/plans/nightly.hcl", destination: "file.vault"}
}

// pruneBy prunes by a rule.
func pruneBy(t *testing.T, w *pruning, rule *plan.Retention, dry bool) report.PrunedBackups {
	w.rule = rule
	beginPrune(t.Context(), []*pruning{w})
	return w.prune(t.Context(), dry)
}

var keepTwo = &plan.Retention{Address: "two", KeepLast: 2, Timezone: "UTC"}

// outcomes returns lines with the set, its outcome and the reasons.
func outcomes(p report.PrunedBackups) (lines []string) {
	for _, s := range p.Sets {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s (%s) %s", s.Set, s.Outcome, strings.Join(s.Why, ", "), s.Error)))
	}
	return lines
}

func TestAPruneDeletesWhatNoRuleKeeps(t *testing.T) {
	t.Parallel()
	v := filled(4)
	dry := pruneBy(t, pruningOf(t, v), keepTwo, true)
	if diff := cmp.Diff(filled(4).states(), v.states()); diff != "" || len(v.files) != 12 {
		t.Errorf("a dry run changes something: %s", diff)
	}
	got := pruneBy(t, pruningOf(t, v), keepTwo, false)
	want := []string{"set3 stays (last)", "set2 stays (last)", "set1 deleted (no rule keeps it)", "set0 deleted (no rule keeps it)"}
	if diff := cmp.Diff(want, outcomes(got)); diff != "" || got.Error != "" {
		t.Errorf("%s %s", got.Error, diff)
	}
	if diff := cmp.Diff(strings.ReplaceAll(strings.Join(want, "\n"), "deleted", "goes"), strings.Join(outcomes(dry), "\n")); diff != "" {
		t.Errorf("the dry run: %s", diff)
	}
	if diff := cmp.Diff(map[string]backups.State{"set0": "deleted", "set1": "deleted", "set2": "whole", "set3": "whole"}, v.states()); diff != "" || len(v.files) != 6 {
		t.Errorf("%v %s", slices.Sorted(maps.Keys(v.files)), diff)
	}
	if again := pruneBy(t, pruningOf(t, v), keepTwo, false); len(again.Sets) != 2 || exitPruned(again) != 0 {
		t.Errorf("again: %v", outcomes(again))
	}
}

func TestWhatARestoreThatIsNotProvenNeedsIsNotPruned(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: "r", ID: owedRestore}, Kind: pending.Restore, Device: "gw", Domain: "orders", Since: time.Now(),
		Endpoint: json.RawMessage(`{"way_back_set":"set0"}`)}))
	v := filled(4)
	w := pruningOf(t, v)
	w.restoring = need.Value(r.setsOfRestores())(t)
	got := outcomes(pruneBy(t, w, keepTwo, false))
	if diff := cmp.Diff([]string{"set3 stays (last)", "set2 stays (last)", "set1 deleted (no rule keeps it)", "set0 stays (a restore that is not proven may need it: dprun owed)"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAPruneThatIsKilledLeavesWholeSetsOrNone dies at every step, before and
// after its effect, and then prunes again.
func TestAPruneThatIsKilledLeavesWholeSetsOrNone(t *testing.T) {
	t.Parallel()
	for _, effect := range []bool{false, true} {
		for step := 1; ; step++ {
			v := filled(4)
			whole := maps.Clone(v.files)
			v.left, v.effect = step, effect
			pruneBy(t, pruningOf(t, v), keepTwo, false)
			for id, c := range v.copies {
				_, there := v.files[c.Path]
				for _, name := range filePaths(c) {
					if there && v.files[name] != whole[name] {
						t.Fatalf("killed at step %d (%v): %s has a manifest, and not %s", step, effect, id, name)
					}
				}
				if !there && c.State == backups.Whole {
					t.Fatalf("killed at step %d (%v): %s counts as whole and has no manifest", step, effect, id)
				}
				if c.Captured.Day() > 2 && (!there || c.State != backups.Whole) {
					t.Fatalf("killed at step %d (%v): %s, which is kept, is %s", step, effect, id, c.State)
				}
			}
			died := v.dead
			v = v.reborn()
			next := pruneBy(t, pruningOf(t, v), keepTwo, false)
			if exitPruned(next) != 0 || len(v.files) != 6 || v.copies["set0"].State != backups.Deleted || v.copies["set1"].State != backups.Deleted {
				t.Fatalf("killed at step %d (%v): the next prune leaves %v: %q", step, effect, v.states(), outcomes(next))
			}
			if !died {
				if step < 15 {
					t.Errorf("there were only %d steps", step)
				}
				break
			}
		}
	}
}

// A prune that died early has deleted nothing: if the rule has changed since, the
// set stays.
func TestADeletionThatDeletedNothingIsDecidedAnew(t *testing.T) {
	t.Parallel()
	v := filled(4)
	c := v.copies["set0"]
	c.State = backups.Deleting
	v.copies["set0"] = c
	got := pruneBy(t, pruningOf(t, v), &plan.Retention{KeepLast: 4, Timezone: "UTC"}, false)
	if diff := cmp.Diff(filled(4).states(), v.states()); diff != "" || len(v.files) != 12 {
		t.Errorf("%q %s", outcomes(got), diff)
	}
	// A set whose manifest is deleted is deleted completely, whatever the rule says.
	c = v.copies["set1"]
	c.State = backups.Deleting
	v.copies["set1"] = c
	delete(v.files, c.Path)
	got = pruneBy(t, pruningOf(t, v), nil, false)
	if v.copies["set1"].State != backups.Deleted || len(v.files) != 9 || v.copies["set0"].State != backups.Whole {
		t.Errorf("%q", outcomes(got))
	}
	if got := pruneBy(t, pruningOf(t, v), nil, false); got.Root != "" || len(got.Sets) != 0 {
		t.Errorf("without a retention and without a begun delete the destination is asked: %+v", got)
	}
}

func TestADestinationThatRefusesKeepsTheSetWhole(t *testing.T) {
	t.Parallel()
	v := filled(4)
	v.refuse = func(op, path string) error {
		if op == "delete" && strings.Contains(path, "set1") {
			return failure.New(failure.Denied, failure.NotPermitted, "delete %s: locked until 2027", path)
		}
		return nil
	}
	got := pruneBy(t, pruningOf(t, v), keepTwo, false)
	if s := got.Sets[2]; s.Set != "set1" || s.Outcome != report.Left || !strings.Contains(s.Error, "locked until 2027") || !strings.Contains(s.Error, "stays whole") {
		t.Errorf("%+v", s)
	}
	if v.copies["set1"].State != backups.Whole || v.copies["set0"].State != backups.Deleted || len(v.files) != 9 || exitPruned(got) != ExitPartly {
		t.Errorf("%v, exit code %d", v.states(), exitPruned(got))
	}
}

// A delete without an answer may have had its effect, so the set is not called
// whole.
func TestADeleteWithoutAnAnswerIsLookedAtNextTime(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{false, true} {
		v := filled(4)
		v.after = done
		v.refuse = func(op, path string) error {
			if op == "delete" && strings.Contains(path, "set1.dprun") {
				return failure.New(failure.Timeout, "", "no answer")
			}
			return nil
		}
		got := pruneBy(t, pruningOf(t, v), keepTwo, false)
		if v.copies["set1"].State != backups.Deleting || got.Sets[2].Outcome != report.Unfinished || got.Sets[3].Outcome != report.Left || exitPruned(got) != ExitPartly {
			t.Errorf("%v: %q", v.states(), outcomes(got))
		}
		v = v.reborn()
		if next := pruneBy(t, pruningOf(t, v), keepTwo, false); v.copies["set1"].State != backups.Deleted || len(v.files) != 6 {
			t.Errorf("the next one: %q", outcomes(next))
		}
	}
}

func TestASetThatSomebodyReadsIsLeftForNextTime(t *testing.T) {
	t.Parallel()
	v := filled(4)
	w := pruningOf(t, v)
	release := need.Value(w.lock("set0", lock.Shared))(t)
	got := pruneBy(t, w, keepTwo, false)
	if got.Sets[3].Outcome != report.InUse || v.copies["set0"].State != backups.Whole || v.copies["set1"].State != backups.Deleted || len(v.files) != 9 || exitPruned(got) != 0 {
		t.Errorf("%q", outcomes(got))
	}
	release()
	if pruneBy(t, w, keepTwo, false); v.copies["set0"].State != backups.Deleted {
		t.Errorf("it stays when nobody reads it any more")
	}
}

// A prune deletes only what is as it was stored, and counts only what is there.
func TestOnlyWhatStandsAsItWasStoredCountsAndGoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(v *vault)
		want   []string
	}{
		"the newest set lost a file": {func(v *vault) { delete(v.files, "gw/set3-persisted.zip") },
			[]string{"set3 stays (missing at the destination: gw/set3-persisted.zip)", "set2 stays (last)", "set1 stays (last)", "set0 deleted (no rule keeps it)"}},
		"the newest set was cut": {func(v *vault) { v.files["gw/set3-persisted.zip"] = "x" },
			[]string{"set3 stays (gw/set3-persisted.zip has 1 bytes at the destination, not 72)", "set2 stays (last)", "set1 stays (last)", "set0 deleted (no rule keeps it)"}},
		"the newest set lost its manifest": {func(v *vault) { delete(v.files, "gw/set3.dprun.json") },
			[]string{"set3 stays (its manifest is missing at the destination)", "set2 stays (last)", "set1 stays (last)", "set0 deleted (no rule keeps it)"}},
		"another manifest stands there": {func(v *vault) { v.files["gw/set0.dprun.json"] = "another" },
			[]string{"set3 stays (last)", "set2 stays (last)", "set1 deleted (no rule keeps it)",
				"set0 left (no rule keeps it) its manifest is not the one that was stored; look at it with `dprun backups check`, and remove it by hand"}},
		"it is another state directory's": {func(v *vault) { c := v.copies["set0"]; c.StateID = "OTHER"; v.copies["set0"] = c },
			[]string{"set3 stays (last)", "set2 stays (last)", "set1 deleted (no rule keeps it)", "set0 stays (written by another state directory)"}},
		"its device left the plan": {func(v *vault) { c := v.copies["set0"]; c.Device = "old"; v.copies["set0"] = c },
			[]string{"set3 stays (last)", "set2 stays (last)", "set1 deleted (no rule keeps it)", "set0 stays (its device or activity is not in the plan)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := filled(4)
			c.change(v)
			if diff := cmp.Diff(c.want, outcomes(pruneBy(t, pruningOf(t, v), keepTwo, false))); diff != "" {
				t.Error(diff)
			}
			for _, c := range v.copies {
				if c.State == backups.Deleting {
					t.Errorf("%s is being deleted for ever", path.Base(c.Path))
				}
			}
		})
	}
}

// Somebody has put a manifest there that lists the files of another set, and it
// was imported.
func TestNoFileGoesThatAnotherSetHas(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{"nightly", "weekly"} {
		v := filled(4)
		lie, theirs := v.copies["set0"], v.copies["set3"]
		theirs.Plan = plan
		lie.Imported, lie.Files = true, theirs.Files
		v.copies["set0"], v.copies["set3"] = lie, theirs
		got := pruneBy(t, pruningOf(t, v), keepTwo, false)
		for _, name := range append(filePaths(theirs), theirs.Path, lie.Path) {
			if _, there := v.files[name]; !there {
				t.Errorf("%s is gone: %q", name, outcomes(got))
			}
		}
		if s := got.Sets[len(got.Sets)-1]; s.Set != "set0" || s.Outcome != report.Stays || !strings.Contains(s.Why[0], "set3 lists gw/set3-persisted.zip too") {
			t.Errorf("%q", outcomes(got))
		}
	}
	// After the lying manifest is removed, its own set decides about the files.
	w := filled(4)
	liar := w.copies["set3"]
	liar.Imported, liar.StateID, liar.Files = true, "OTHER", w.copies["set0"].Files
	w.copies["set3"] = liar
	if got := pruneBy(t, pruningOf(t, w), keepTwo, false); w.copies["set0"].State != backups.Whole || !strings.Contains(strings.Join(outcomes(got), "\n"), "set0 stays (set set3 lists") {
		t.Errorf("%q", outcomes(got))
	}
	delete(w.files, liar.Path)
	if got := pruneBy(t, pruningOf(t, w), keepTwo, false); w.copies["set0"].State != backups.Deleted {
		t.Errorf("%q", outcomes(got))
	}
	// Nor does a file of a set whose deletion was begun.
	v := filled(4)
	lie := v.copies["set0"]
	lie.State, lie.Files = backups.Deleting, v.copies["set3"].Files
	v.copies["set0"] = lie
	delete(v.files, lie.Path)
	if got := pruneBy(t, pruningOf(t, v), keepTwo, false); v.files["gw/set3-persisted.zip"] == "" || v.copies["set3"].State != backups.Whole {
		t.Errorf("%q", outcomes(got))
	}
}

// An empty mount point is not mistaken for a destination whose sets are all gone.
func TestAnEmptyDestinationIsNotPruned(t *testing.T) {
	t.Parallel()
	v := filled(4)
	c := v.copies["set0"]
	c.State = backups.Deleting
	v.copies["set0"] = c
	before := v.states()
	v.files = map[string]string{}
	got := pruneBy(t, pruningOf(t, v), keepTwo, false)
	if diff := cmp.Diff(before, v.states()); diff != "" || !strings.Contains(got.Error, "find out whether it is mounted") || exitPruned(got) != 1 {
		t.Errorf("%q %s", got.Error, diff)
	}
}

// A destination that claims to delete and does not is not believed.
func TestWhatIsStillThereIsNotDeleted(t *testing.T) {
	t.Parallel()
	v := filled(3)
	w := pruningOf(t, v)
	w.shelf = keeping{v}
	got := pruneBy(t, w, keepTwo, false)
	if s := got.Sets[2]; s.Outcome != report.Unfinished || !strings.Contains(s.Error, "still there") || v.copies["set0"].State != backups.Deleting || exitPruned(got) != ExitPartly {
		t.Errorf("%q", outcomes(got))
	}
}

// keeping deletes nothing.
type keeping struct{ *vault }

func (keeping) Delete(context.Context, string, string) error { return nil }

// An unreadable manifest is reported, and does not stop other deletions.
func TestAManifestThatCannotBeReadStopsItsOwnSetOnly(t *testing.T) {
	t.Parallel()
	v := filled(4)
	c := v.copies["set1"]
	c.State = backups.Deleting
	v.copies["set1"] = c
	v.refuse = func(op, path string) error {
		if op == "fetch" && strings.Contains(path, "set1") {
			return failure.New(failure.Denied, failure.NotPermitted, "read %s: the user may not", path)
		}
		return nil
	}
	got := pruneBy(t, pruningOf(t, v), keepTwo, false)
	if s := got.Sets[2]; s.Set != "set1" || s.Outcome != report.Left || !strings.Contains(s.Error, "the user may not") || v.copies["set1"].State != backups.Deleting {
		t.Errorf("%+v", s)
	}
	if got.Error != "" || v.copies["set0"].State != backups.Deleted || exitPruned(got) != ExitPartly {
		t.Errorf("%s %q", got.Error, outcomes(got))
	}
}

// Two destinations at one place have two rules: a set stays if either of them
// keeps it.
func TestWhatAnyRuleOfAPlaceKeepsStays(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]*plan.Retention{
		"set1 stays (destination sftp.too is the same place, and its retention three keeps it: last)": {Address: "three", KeepLast: 3, Timezone: "UTC"},
		"set1 stays (destination sftp.too is the same place, and has no retention)":                   nil,
	} {
		v := filled(4)
		one, two := pruningOf(t, v), pruningOf(t, v)
		one.rule, two.rule, two.destination = keepTwo, rule, "sftp.too"
		all := []*pruning{one, two}
		beginPrune(t.Context(), all)
		for _, w := range all {
			w.others = samePlace(w, all)
			if got := outcomes(w.prune(t.Context(), false)); w == one && !slices.Contains(got, want) {
				t.Errorf("%q", got)
			}
		}
		if v.copies["set1"].State != backups.Whole || v.copies["set2"].State != backups.Whole || (v.copies["set0"].State == backups.Whole) != (rule == nil) {
			t.Errorf("%v", v.states())
		}
	}
}

// Two files may have plans with the same name and gateways with the same names.
func TestThePlanOfAnotherFileIsPrunedByItself(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "nightly.hcl")
	need.Done(t, os.WriteFile(other, nil, 0o600))
	prune := func(theirs string) []string {
		v := filled(4)
		v.runs = map[string]string{"r3": theirs, "r1": "/plans/nightly.hcl", "r0": "/plans/nightly.hcl"}
		for n := range 4 {
			c := v.copies[fmt.Sprintf("set%d", n)]
			c.Run = fmt.Sprintf("r%d", n)
			v.copies[c.Set] = c
		}
		return outcomes(pruneBy(t, pruningOf(t, v), &plan.Retention{Address: "one", KeepLast: 1, Timezone: "UTC"}, false))
	}
	want := []string{"set3 stays (stored by the plan of this name in " + other + ")",
		"set2 stays (the plan of this name in " + other + " may have stored it; rename one of the two plans)", "set1 stays (last)", "set0 deleted (no rule keeps it)"}
	if diff := cmp.Diff(want, prune(other)); diff != "" {
		t.Error(diff)
	}
	// If a plan's file was moved, its sets belong to the plan that is left.
	if diff := cmp.Diff([]string{"set3 stays (last)", "set2 deleted (no rule keeps it)", "set1 deleted (no rule keeps it)", "set0 deleted (no rule keeps it)"}, prune(other+".old")); diff != "" {
		t.Error(diff)
	}
}

// A preview announces no deletion that a prune refuses.
func TestAForecastCountsNoFileThatAnotherSetHas(t *testing.T) {
	t.Parallel()
	v := filled(4)
	theirs := v.copies["set0"]
	theirs.Set, theirs.Path, theirs.Plan = "theirs", "gw/theirs"+backups.Suffix, "weekly"
	v.copies["theirs"] = theirs
	w := pruningOf(t, v)
	w.rule, w.root = keepTwo, "memory:/vault"
	if got := need.Value(w.foresee(t.Context()))(t); got.Sets != 1 || !got.Oldest.Equal(v.copies["set1"].Captured) || got.Bytes != v.copies["set1"].Bytes {
		t.Errorf("%+v", got)
	}
}

// An account that may only read cannot store a test file. Then the former name of
// the destination counts, if it is certain.
func TestADestinationThatTakesNothingHasTheNameItHad(t *testing.T) {
	t.Parallel()
	one, two := map[string]int{"/a": 3}, map[string]int{"/a": 3, "/b": 1}
	denied := failure.New(failure.Denied, failure.NotPermitted, "it may not write")
	for what, c := range map[string]struct {
		err   error
		roots map[string]int
		want  string
	}{
		"it may read":        {denied, one, "/a"},
		"it had two":         {denied, two, ""},
		"it had none":        {denied, nil, ""},
		"it does not answer": {failure.New(failure.Unavailable, "", "no answer"), one, ""},
		"its disk is full":   {failure.New(failure.NoSpace, "", "it is full"), one, "/a"},
		"it is not there":    {failure.New(failure.NotFound, failure.NoDirectory, "no directory"), one, ""},
	} {
		if got := rootWithout(c.err, c.roots); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}
