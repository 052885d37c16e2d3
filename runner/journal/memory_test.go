package journal

import (
	"github.com/dprun/dprun/testfixtures/need"

	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
)

// copied returns a batch in which domains of a device end with a good copy of a
// size.
func copied(activity, device string, bytes int64, took time.Duration, domains ...string) (b Batch) {
	for _, d := range domains {
		s := task(1, "SUCCESS", true, activity, device, d)
		b.Statuses = append(b.Statuses, s)
		b.Good = append(b.Good, Good{s.Task, bytes, took})
	}
	return b
}

func TestTheLastSizeIsTheLast(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, batches := range [][]Batch{
		{copied("x", "fra", 10, time.Hour, "orders"), copied("x", "fra", 5, 0, "billing"), copied("y", "fra", 7, 0, "orders")},
		{copied("x", "fra", 20, 2*time.Hour, "orders")},
	} {
		id := fmt.Sprint("R", i)
		createRun(t, j, Run{ID: id, Started: noon})
		for _, b := range batches {
			appendTo(t, j, id, b)
		}
		need.Done(t, j.FinishRun(t.Context(), id, End{Time: noon}))
	}
	all, err := j.LastSizes(t.Context(), "", "fra", "x")
	need.Done(t, err)
	if d := cmp.Diff([]Size{{"fra", "x", "billing", 5, 0, noon}, {"fra", "x", "orders", 20, 90 * time.Minute, noon}}, all); d != "" {
		t.Error(d)
	}
}

func goodOf(statuses []event.Status) (out []Good) {
	for _, s := range statuses {
		if s.Code == "SUCCESS" && s.Final {
			out = append(out, Good{s.Task, 1, 0})
		}
	}
	return out
}

func TestLastDomainsAreThoseOfTheLastGoodRun(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	end := End{Time: noon, Neutral: []string{"SKIPPED_APIC_DOMAIN"}}
	for i, tc := range []struct {
		name, plan string
		partial    bool
		tasks      []event.Status
		want       []string // afterwards, of plan nightly, activity x, device fra
	}{
		{"nothing good", "nightly", false, []event.Status{task(1, "FAILED", true, "x", "fra", "orders")}, nil},
		{"the first good one", "nightly", false, []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders"), task(1, "SUCCESS", true, "x", "fra", "billing"),
			task(1, "SKIPPED_APIC_DOMAIN", true, "x", "fra", "apic")}, []string{"billing", "orders"}},
		{"one failed", "nightly", false, []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders"), task(1, "FAILED", true, "x", "fra", "billing")}, []string{"billing", "orders"}},
		{"one not final", "nightly", false, []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders"), task(1, "SUCCESS", false, "x", "fra", "billing")}, []string{"billing", "orders"}},
		{"only neutral", "nightly", false, []event.Status{task(1, "SKIPPED_APIC_DOMAIN", true, "x", "fra", "apic")}, []string{"billing", "orders"}},
		{"a partial one", "nightly", true, []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders")}, []string{"billing", "orders"}},
		{"of another plan", "weekly", false, []event.Status{task(1, "SUCCESS", true, "x", "fra", "w")}, []string{"billing", "orders"}},
		{"elsewhere failed", "nightly", false, []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders"), task(1, "FAILED", true, "x", "ams", "orders"),
			task(1, "FAILED", true, "y", "fra", "orders")}, []string{"orders"}},
	} {
		run := fmt.Sprintf("R%d", i)
		createRun(t, j, Run{ID: run, Plan: tc.plan, Partial: tc.partial, Started: noon})
		appendTo(t, j, run, Batch{Statuses: tc.tasks, Good: goodOf(tc.tasks)})
		need.Done(t, j.FinishRun(t.Context(), run, end))
		got, err := j.LastDomains(t.Context(), "nightly", "", "x", "fra")
		need.Done(t, err)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("after %q: %s", tc.name, d)
		}
	}
	need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)}))(t)
	if got, err := j.LastDomains(t.Context(), "nightly", "", "x", "fra"); err != nil || len(got) != 1 {
		t.Errorf("after a prune: %v, %v", got, err)
	}
}

func TestOutputIsKeptWithinBounds(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	need.Done(t, j.AppendLog(t.Context()))
	var lines []event.Log
	for i := range maxLines + 10 {
		lines = append(lines, event.Log{Run: "R", Task: "t", Time: noon, Stream: "stdout", Text: fmt.Sprint(i)})
	}
	lines = append(lines, event.Log{Run: "R", Time: noon, Stream: "stderr", Text: "of the run"})
	need.Done(t, j.AppendLog(t.Context(), lines...))
	long := strings.Repeat("ü", maxLine)
	need.Done(t, j.AppendLog(t.Context(), event.Log{Run: "R", Task: "t", Time: noon, Stream: "plugin", Text: "a" + long}))

	got, err := j.Logs(t.Context(), "R", "t", 0)
	need.Done(t, err)
	if len(got) != maxLines || got[0].Text != "11" || got[maxLines-1].Stream != "plugin" {
		t.Errorf("%d lines from %q", len(got), got[0].Text)
	}
	if last := got[maxLines-1].Text; len(last) > maxLine+8 || !strings.HasPrefix(last, "aüü") || !strings.HasSuffix(last, "ü …") {
		t.Errorf("a long line is kept as %d bytes that end in %q", len(last), last[len(last)-10:])
	}
	tail, err := j.Logs(t.Context(), "R", "t", 2)
	need.Done(t, err)
	if len(tail) != 2 || tail[0].Text != fmt.Sprint(maxLines+9) {
		t.Errorf("the last two: %v", tail[0].Text)
	}
	own, err := j.Logs(t.Context(), "R", "", 0)
	need.Done(t, err)
	if d := cmp.Diff(lines[len(lines)-1:], own); d != "" {
		t.Error(d)
	}
}

func TestPruneRemovesOldRunsThatOweNothing(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	padding := strings.Repeat("x", 1000)
	for i, id := range []string{"old", "old and owing", "new", "unfinished"} {
		createRun(t, j, Run{ID: id, Started: noon.Add(time.Duration(i))})
		s := task(1, "SUCCESS", true, "x", "fra", "orders")
		var lines []event.Log
		for range 500 {
			lines = append(lines, event.Log{Run: id, Task: "t", Text: padding})
		}
		appendTo(t, j, id, Batch{Events: []event.Event{{Kind: event.RunStarted}}, Statuses: []event.Status{s}, Owe: rows(owe("t", "unquiesce", "fra")),
			Scripts: []Script{{"t", "script/post", true}}, Good: []Good{{s.Task, 10, 0}}})
		need.Done(t, j.AppendLog(t.Context(), lines...))
		if id != "old and owing" {
			appendTo(t, j, id, Batch{Pay: []pending.Key{{Task: "t", ID: "unquiesce"}}})
		}
		ended := noon
		if id == "new" {
			ended = noon.Add(48 * time.Hour)
		}
		if id != "unfinished" {
			need.Done(t, j.FinishRun(t.Context(), id, End{Time: ended}))
		}
	}
	pages := func() (n int) {
		need.Done(t, j.reader.QueryRow("PRAGMA page_count").Scan(&n))
		return n
	}
	before := pages()
	report, err := j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)})
	need.Done(t, err)
	if d := cmp.Diff(PruneReport{Runs: []string{"old"}, Kept: []Kept{{"old and owing", Owes}}}, report); d != "" {
		t.Error(d)
	}
	for table, want := range map[string]int{"runs": 3, "tasks": 3, "bodies": 3, "obligations": 3, "scripts": 3, "logs": 1500, "specs": 1, "entries": 1} {
		var kept int
		need.Done(t, j.reader.QueryRow("SELECT count(*) FROM "+table).Scan(&kept))
		if kept != want {
			t.Errorf("%s holds %d rows, want %d", table, kept, want)
		}
	}
	if after := pages(); after >= before {
		t.Errorf("%d pages before, %d after", before, after)
	}
	if sizes, err := j.LastSizes(t.Context(), "", "fra", "x"); err != nil || len(sizes) != 1 || sizes[0].Bytes != 10 {
		t.Errorf("LastSizes = %v, %v", sizes, err)
	}
	need.Done(t, j.Check(t.Context()))
	if _, err := os.Stat(j.Path()); err != nil {
		t.Error(err)
	}
}

func TestPruneKeepsTheLastGoodCopyOfEverything(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, r := range []struct {
		id, plan string
		tasks    []event.Status
	}{
		{"a", "nightly", []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders"), task(1, "SUCCESS", true, "x", "fra", "gone")}}, // the last one of domain gone
		{"b", "nightly", []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders")}},
		{"c", "weekly", []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders")}}, // another plan has copies of its own
		{"d", "nightly", []event.Status{task(1, "SUCCESS", true, "x", "fra", "orders")}},
		{"e", "nightly", []event.Status{task(1, "FAILED", true, "x", "fra", "orders"), task(1, "SUCCESS", false, "x", "ams", "orders")}},
	} {
		createRun(t, j, Run{ID: r.id, Plan: r.plan, Started: noon.Add(time.Duration(i) * time.Minute)})
		appendTo(t, j, r.id, Batch{Statuses: r.tasks, Good: goodOf(r.tasks)})
		need.Done(t, j.FinishRun(t.Context(), r.id, End{Time: noon.Add(time.Duration(i) * time.Minute)}))
	}
	want := PruneReport{Runs: []string{"b", "e"}, Kept: []Kept{{"a", LastGood}, {"c", LastGood}, {"d", LastGood}}}
	for _, dry := range []bool{true, true, false} {
		got, err := j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour), DryRun: dry})
		need.Done(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("dry %v: %s", dry, d)
		}
	}
	left, err := j.Runs(t.Context(), Filter{}, 0)
	need.Done(t, err)
	if len(left) != 3 {
		t.Errorf("%d runs are left, want 3", len(left))
	}
}

// The file of a plan is a part of its identity: prod and test may each have a
// plan and a device of the same name.
func TestPlansOfOneNameInTwoFilesShareNoHistory(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	good := End{Time: noon}
	for i, origin := range []string{"/prod/plan.hcl", "/test/plan.hcl"} {
		run, domain := fmt.Sprintf("R%d", i), "of"+origin[:5]
		createRun(t, j, Run{ID: run, Plan: "nightly", Origin: origin, Started: noon})
		appendTo(t, j, run, copied("x", "fra", int64(i+1), 0, domain))
		need.Done(t, j.FinishRun(t.Context(), run, good))
	}
	for i, origin := range []string{"/prod/plan.hcl", "/test/plan.hcl"} {
		domains, err := j.LastDomains(t.Context(), "nightly", origin, "x", "fra")
		need.Done(t, err)
		sizes, err := j.LastSizes(t.Context(), origin, "fra", "x")
		need.Done(t, err)
		if len(domains) != 1 || domains[0] != "of"+origin[:5] || len(sizes) != 1 || sizes[0].Bytes != int64(i+1) {
			t.Errorf("%s: domains %v, sizes %v", origin, domains, sizes)
		}
	}
	// The last good copy of each is kept.
	report, err := j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)})
	need.Done(t, err)
	if len(report.Kept) != 2 {
		t.Errorf("%+v", report)
	}
}

// A run that died may be finished after a later one of its plan. The copies of
// the later one stay the last ones, and Prune keeps that run.
func TestARunThatIsFinishedLateBringsNothingNew(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, id := range []string{"died", "later"} {
		createRun(t, j, Run{ID: id, Plan: "nightly", Started: noon.Add(time.Duration(i) * time.Hour)})
	}
	appendTo(t, j, "died", copied("x", "fra", 10, time.Hour, "orders"))
	appendTo(t, j, "later", copied("x", "fra", 20, time.Hour, "orders", "billing"))
	for i, id := range []string{"later", "died"} {
		need.Done(t, j.FinishRun(t.Context(), id, End{Time: noon.Add(time.Duration(2+i) * time.Hour)}))
	}
	sizes := need.Value(j.LastSizes(t.Context(), "", "fra", "x"))(t)
	if len(sizes) != 2 || sizes[1].Bytes != 20 {
		t.Errorf("the last sizes are %+v", sizes)
	}
	if domains := need.Value(j.LastDomains(t.Context(), "nightly", "", "x", "fra"))(t); len(domains) != 2 {
		t.Errorf("the last domains are %v", domains)
	}
	report := need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.AddDate(0, 0, 1)}))(t)
	if d := cmp.Diff(PruneReport{Runs: []string{"died"}, Kept: []Kept{{"later", LastGood}}}, report); d != "" {
		t.Error(d)
	}
}

// Data that a finished run no longer needs is removed after its end. A process
// that dies at that point, or a busy journal, does not spoil the end. After the
// run was pruned, the next run that gets its number inherits nothing.
func TestAFinishedRunIsFinishedThoughItsEventsAreStillThere(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "OLD", Started: noon})
	appendTo(t, j, "OLD", Batch{Events: []event.Event{{Kind: event.RunStarted}}})
	need.Value(j.writer.ExecContext(t.Context(), "CREATE TRIGGER stays BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'busy'); END"))(t)
	need.Done(t, j.FinishRun(t.Context(), "OLD", End{Time: noon}))
	if r := need.Value(j.Run(t.Context(), "OLD"))(t); r.State != Finished {
		t.Errorf("the run is %s", r.State)
	}
	need.Value(j.writer.ExecContext(t.Context(), "DROP TRIGGER stays"))(t)
	if report := need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour)}))(t); len(report.Runs) != 1 {
		t.Errorf("%+v", report)
	}
	createRun(t, j, Run{ID: "NEW", Started: noon})
	for e, err := range j.Events(t.Context(), "NEW") {
		t.Errorf("the new run begins with %+v, %v", e, err)
	}
}
