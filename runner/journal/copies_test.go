package journal

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/testfixtures/need"
)

// aCopy returns a copy that a task of a device captured some minutes after noon.
func aCopy(t testing.TB, run, device, domain, root string, minutes int) backups.Copy {
	t.Helper()
	at := noon.Truncate(time.Millisecond).Add(time.Duration(minutes) * time.Minute)
	c := backups.Copy{Root: root, Destination: "file.here", Plan: "nightly", SHA256: strings.Repeat("ab", 32), Run: run, Task: "export/" + device + "/" + domain, Device: device,
		Identity: "0000 " + device, Domain: domain, Activity: "export", Type: "domain_export", Stamp: at.Format("2006-01-02-15-04-05-") + "123", Captured: at, Bytes: 42,
		Files: []backups.File{{File: "d.zip", Variant: "persisted", Size: 42, SHA256: strings.Repeat("cd", 32)}}, Withheld: []string{"cert:///k.pem"}, Warnings: []string{"odd"},
		Facts: json.RawMessage(`{"identity":"0000 ` + device + `"}`), Verified: "read_back", Durable: true, StateID: "STATE", State: backups.Whole, Stored: at.Add(time.Minute)}
	c.Path = device + "/" + domain + "-" + c.Stamp + backups.Suffix
	c.Set = need.Value(backups.ID(c.Run, c.Task, c.Stamp))(t)
	return c
}

func enterCopies(t testing.TB, j *Journal, run string, copies ...backups.Copy) {
	t.Helper()
	var b Batch
	for _, c := range copies {
		b.Events = append(b.Events, event.Event{Kind: event.Finished, Task: c.Task, Action: "manifest/file.here/1", Time: c.Stored, Result: &event.Result{Copy: &c}})
	}
	appendTo(t, j, run, b)
}

func copiesOf(t testing.TB, j *Journal, f CopyFilter) (out []backups.Copy) {
	t.Helper()
	for c, err := range j.Copies(t.Context(), f) {
		out = append(out, need.Value(c, err)(t))
	}
	return out
}

// Copies that were not deleted stay known.
func TestACopyThatWasDeletedIsForgottenWithOldRuns(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	old, young, kept := aCopy(t, "01A", "gw1", "d", "/a", 0), aCopy(t, "01A", "gw1", "d", "/a", 1), aCopy(t, "01A", "gw1", "d", "/a", 2)
	enterCopies(t, j, "01A", old, young, kept)
	need.Done(t, j.MarkCopies(t.Context(), CopyMark{old.Set, "/a", backups.Deleted, noon}, CopyMark{young.Set, "/a", backups.Deleted, noon.Add(2 * time.Hour)},
		CopyMark{kept.Set, "/a", backups.Missing, noon}))
	ids := func() (ids []string) {
		for _, c := range copiesOf(t, j, CopyFilter{}) {
			ids = append(ids, c.Set)
		}
		return ids
	}
	need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour), DryRun: true}))(t)
	if got := ids(); len(got) != 3 {
		t.Errorf("a dry run forgets some: %v stay", got)
	}
	need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)}))(t)
	if got, want := ids(), []string{kept.Set, young.Set}; !slices.Equal(got, want) {
		t.Errorf("%v stay, want %v", got, want)
	}
}

// A copy is whole as soon as its manifest is stored, and is known for longer than
// its run.
func TestACopyIsKnownFromItsManifestOn(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	first, second := aCopy(t, "01A", "gw1", "d", "/a", 0), aCopy(t, "01A", "gw1", "e", "/a", 5)
	away := first
	away.Root, away.Destination = "/b", "file.there"
	enterCopies(t, j, "01A", first, away)
	enterCopies(t, j, "01A", second)
	need.Done(t, j.FinishRun(t.Context(), "01A", End{Time: noon}))
	if r := need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)}))(t); !slices.Equal(r.Runs, []string{"01A"}) {
		t.Fatalf("the prune removes %v", r.Runs)
	}
	if diff := cmp.Diff([]backups.Copy{second, first, away}, copiesOf(t, j, CopyFilter{})); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		f    CopyFilter
		want []backups.Copy
	}{
		{CopyFilter{Set: first.Set}, []backups.Copy{first, away}}, {CopyFilter{After: second.Set}, []backups.Copy{first, away}},
		{CopyFilter{Before: second.Captured}, []backups.Copy{first, away}}, {CopyFilter{Before: second.Captured.Add(time.Millisecond)}, []backups.Copy{second, first, away}},
		{CopyFilter{Device: "gw1", Domain: "e"}, []backups.Copy{second}}, {CopyFilter{Device: "gw2"}, nil}, {CopyFilter{Plan: "other"}, nil},
		{CopyFilter{Device: "gw1", Whole: true}, nil}, {CopyFilter{Root: "/b"}, []backups.Copy{away}}, {CopyFilter{State: backups.Missing}, nil},
	} {
		if diff := cmp.Diff(c.want, copiesOf(t, j, c.f)); diff != "" {
			t.Errorf("%+v: %s", c.f, diff)
		}
	}
}

// A transaction that fails enters neither.
func TestACopyIsNotKnownWithoutItsResult(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	c := aCopy(t, "01A", "gw1", "d", "/a", 0)
	b := Batch{Events: []event.Event{{Kind: event.Finished, Task: c.Task, Result: &event.Result{Copy: &c}}}, Scripts: []Script{{}}, Statuses: []event.Status{{Task: c.Task, Seq: 7}}}
	if err := j.Append(t.Context(), "01A", b); err == nil {
		t.Fatal("a status that does not follow is entered")
	}
	if got := copiesOf(t, j, CopyFilter{}); got != nil {
		t.Errorf("known are %v", got)
	}
	for e, err := range j.Events(t.Context(), "01A") {
		t.Errorf("journalled is %v, %v", e, err)
	}
}

// The opposite never happens, whichever of them was found first.
func TestASignedManifestTakesThePlaceOfOneThatWasPlanted(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	signed := aCopy(t, "01A", "gw1", "d", "/a", 0)
	signed.Imported, signed.Signature = true, &backups.Signature{Size: 1, SHA256: strings.Repeat("22", 32), Verdict: signing.Verdict{Trusted: true, Key: "SHA256:k", Signer: "*"}}
	planted := signed
	planted.SHA256, planted.Path, planted.Signature = strings.Repeat("00", 32), "a/b.dprun.json", nil
	for i, c := range []backups.Copy{planted, signed, planted} {
		need.Value(j.Import(t.Context(), c))(t)
		want := signed
		if i == 0 {
			want = planted
		}
		if diff := cmp.Diff([]backups.Copy{want}, copiesOf(t, j, CopyFilter{})); diff != "" {
			t.Errorf("after import %d: %s", i, diff)
		}
	}
}

// A planted manifest with the ID of a set of our own does not change what is
// known of that set. A run's own result does change what was imported.
func TestWhatIsFoundDisplacesNothing(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	own := aCopy(t, "01A", "gw1", "d", "/a", 0)
	enterCopies(t, j, "01A", own)
	planted, strange := own, aCopy(t, "01X", "gw1", "d", "/a", 60)
	planted.SHA256, planted.Bytes = strings.Repeat("00", 32), 1
	for i, want := range []int{1, 0} {
		if n := need.Value(j.Import(t.Context(), planted, strange))(t); n != want {
			t.Errorf("import %d enters %d, want %d", i, n, want)
		}
	}
	imported := strange
	imported.Imported = true
	if diff := cmp.Diff([]backups.Copy{imported, own}, copiesOf(t, j, CopyFilter{})); diff != "" {
		t.Error(diff)
	}
	enterCopies(t, j, "01A", strange)
	if diff := cmp.Diff([]backups.Copy{strange, own}, copiesOf(t, j, CopyFilter{})); diff != "" {
		t.Error(diff)
	}
	// A copy that was deleted and is there again counts as found.
	need.Done(t, j.MarkCopies(t.Context(), CopyMark{strange.Set, strange.Root, backups.Deleted, noon}))
	if n := need.Value(j.Import(t.Context(), strange))(t); n != 1 {
		t.Errorf("%d are entered", n)
	}
	if diff := cmp.Diff([]backups.Copy{imported, own}, copiesOf(t, j, CopyFilter{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsFoundOfACopyIsKept(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	c := aCopy(t, "01A", "gw1", "d", "/a", 0)
	enterCopies(t, j, "01A", c)
	later := noon.Add(time.Hour)
	if err := j.MarkCopies(t.Context(), CopyMark{c.Set, c.Root, backups.Altered, later}, CopyMark{c.Set, "/elsewhere", backups.Missing, later}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a copy that is not there is marked: %v", err)
	}
	if got := copiesOf(t, j, CopyFilter{}); got[0].State != backups.Whole {
		t.Errorf("half of the marks are entered: %v", got[0].State)
	}
	need.Done(t, j.MarkCopies(t.Context(), CopyMark{c.Set, c.Root, backups.Altered, later}))
	if got := copiesOf(t, j, CopyFilter{State: backups.Altered}); len(got) != 1 || !got[0].Checked.Equal(later) {
		t.Errorf("found are %v", got)
	}
}

func TestASetIsFoundByABeginning(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "01A", Started: noon})
	a, b := aCopy(t, "01A", "gw1", "d", "/a", 0), aCopy(t, "01A", "gw1", "e", "/a", 0)
	other := a
	other.Root = "/b"
	enterCopies(t, j, "01A", a, other, b)
	for _, ref := range []string{a.Set, strings.ToLower(a.Set), a.Set[:24]} {
		if got := need.Value(j.Set(t.Context(), ref))(t); got != a.Set {
			t.Errorf("%s is %s", ref, got)
		}
	}
	for ref, want := range map[string]error{"": ErrNotFound, "X": ErrNotFound, a.Set + "0": ErrNotFound, a.Set[:5]: ErrAmbiguous} {
		if got, err := j.Set(t.Context(), ref); !errors.Is(err, want) {
			t.Errorf("%q is %s, %v, want %v", ref, got, err, want)
		}
	}
}

// Copies of earlier runs are not known.
func TestAJournalWithoutCopiesGetsThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	db := need.Value(sql.Open("sqlite", path))(t)
	for _, m := range migrations[:4] {
		need.Value(db.Exec(m))(t)
	}
	need.Value(db.Exec("PRAGMA user_version = 4"))(t)
	need.Done(t, db.Close())
	j := need.Value(Open(path))(t)
	defer j.Close()
	if got := copiesOf(t, j, CopyFilter{}); got != nil {
		t.Errorf("known are %v", got)
	}
	createRun(t, j, Run{ID: "01A", Started: noon})
	enterCopies(t, j, "01A", aCopy(t, "01A", "gw1", "d", "/a", 0))
	if got := copiesOf(t, j, CopyFilter{}); len(got) != 1 {
		t.Errorf("known are %v", got)
	}
}

// BenchmarkCopies lists the newest of 100,000 copies.
func BenchmarkCopies(b *testing.B) {
	j := need.Value(Open(filepath.Join(b.TempDir(), "journal.db")))(b)
	defer j.Close()
	var all []backups.Copy
	for i := range 100_000 {
		all = append(all, aCopy(b, "01A", fmt.Sprintf("gw%d", i%10), fmt.Sprintf("d%d", i%200), "/a", i))
	}
	need.Value(j.Import(b.Context(), all...))(b)
	for name, f := range map[string]CopyFilter{"newest": {}, "domain": {Device: "gw1", Domain: "d1"}, "nothing": {Device: "gw1", Domain: "other"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n := 0
				for _, err := range j.Copies(b.Context(), f) {
					need.Done(b, err)
					if n++; n == 500 {
						break
					}
				}
			}
		})
	}
}
