package journal

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// old is a journal that version 3 wrote.
type old struct {
	t    *testing.T
	path string
	db   *sql.DB
	seq  map[string]int
}

func makeOld(t *testing.T) *old {
	t.Helper()
	o := &old{t: t, path: filepath.Join(t.TempDir(), "journal.db"), seq: map[string]int{}}
	o.db = need.Value(sql.Open("sqlite", o.path))(t)
	for _, m := range migrations[:3] {
		o.exec(m)
	}
	o.exec("PRAGMA user_version = 3")
	return o
}

func (o *old) exec(query string, args ...any) {
	o.t.Helper()
	need.Value(o.db.Exec(query, args...))(o.t)
}

func (o *old) run(id, state string, started time.Time) {
	o.exec(`INSERT INTO runs (id, plan, origin, vars, spec, machine_version, started, ended, exit_code, code, state, host, pid, resumes, partial)
		VALUES (?, 'nightly', '/plan.hcl', '', '{"spec":{"only":"activity x"}}', 7, ?, ?, 0, 'SUCCESS', ?, 'box', 42, '', 1)`, id, stamp(started), stamp(started.Add(time.Minute)), state)
}

func (o *old) event(run string, e event.Event) {
	o.seq[run]++
	o.exec("INSERT INTO events VALUES (?,?,?,?,?)", run, o.seq[run], e.Task, stamp(e.Time), string(need.Value(json.Marshal(e))(o.t)))
}

func (o *old) status(run string, s event.Status) event.Status {
	s.V, s.Run, s.Plan = event.Version, run, "nightly"
	o.exec("INSERT INTO statuses VALUES (?,?,?,?,?,?,?)", run, s.Task, s.Seq, s.Code, s.Final, stamp(s.Time), string(need.Value(json.Marshal(s))(o.t)))
	if s.Task != "" {
		o.exec(`INSERT INTO tasks (run, id, activity, device, domain, code, final, updated) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)
			ON CONFLICT DO UPDATE SET code = ?6, final = ?7, updated = ?8`, run, s.Task, s.Activity, s.Device, s.Domain, s.Code, s.Final, stamp(s.Time))
	}
	return s
}

// The runs are shown as before, and unfinished ones can be finished.
func TestAnOlderJournalIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	o := makeOld(t)
	copied := func(task string) event.Event {
		return event.Event{V: 1, Kind: event.Finished, Task: task, Time: noon, Action: "store/here/1", Result: &event.Result{Store: &sdk.StoreReport{Location: "/backup/of " + task}}}
	}
	want := map[string][]event.Status{}
	enter := func(run string, s event.Status) {
		s = o.status(run, s)
		want[run+s.Task] = append(want[run+s.Task], s)
	}
	for i, run := range []string{"01A", "01B", "01C"} { // the last one died
		state := "finished"
		if run == "01C" {
			state = "running"
		}
		o.run(run, state, noon.Add(time.Duration(i)*time.Hour))
		enter(run, event.Status{Seq: 1, Code: "PLAN_STARTED", Time: noon, Warnings: []string{"no room"}})
		a, b := task(1, "READY", false, "x", "fra", "orders"), task(1, "READY", false, "x", "fra", "billing")
		a.Message = `"quoted", ü`
		enter(run, a)
		enter(run, b)
		o.event(run, event.Event{V: 1, Kind: event.RunStarted, Time: noon})
		o.event(run, copied(a.Task))
		last := task(2, "SUCCESS", true, "x", "fra", "orders")
		last.Causes, last.Warnings = []event.Cause{{Code: "C", Message: "m"}}, []string{"w"}
		enter(run, last)
		o.event(run, event.Event{V: 1, Kind: event.Started, Task: b.Task, Action: "script/post"})
		o.event(run, event.Event{V: 1, Kind: event.Started, Task: a.Task, Action: "script/post"})
		o.event(run, event.Event{V: 1, Kind: event.Finished, Task: a.Task, Action: "script/post", Failure: failure.New(failure.Precondition, failure.NotExecutable, "no")})
		o.event(run, copied(b.Task))
		if run == "01A" {
			enter(run, task(2, "SUCCESS", true, "x", "fra", "billing"))
		}
	}
	o.exec("INSERT INTO sizes (origin, device, activity, domain, bytes, at, took) VALUES ('/plan.hcl', 'fra', 'x', 'orders', 10, 5, 7), ('/other.hcl', 'fra', 'x', 'orders', 11, 5, 7)")
	need.Done(t, o.db.Close())

	j := need.Value(Open(o.path))(t)
	defer func() { need.Done(t, j.Close()) }()
	need.Done(t, j.Check(t.Context()))
	runs := need.Value(j.Runs(t.Context(), Filter{}, 0))(t)
	if len(runs) != 3 {
		t.Fatalf("runs: %+v", runs)
	}
	if d := cmp.Diff(Run{ID: "01A", Plan: "nightly", Origin: "/plan.hcl", Only: "activity x", MachineVersion: 7, Started: noon, Host: "box", PID: 42, Partial: true,
		State: Finished, Ended: noon.Add(time.Minute), Code: "SUCCESS", Tasks: 2, Succeeded: 2}, runs[2]); d != "" {
		t.Error(d)
	}
	for _, run := range runs {
		own, tasks, err := j.Record(t.Context(), run.ID)
		need.Done(t, err)
		if d := cmp.Diff(want[run.ID], own); d != "" {
			t.Errorf("run %s: %s", run.ID, d)
		}
		if len(tasks) != 2 {
			t.Fatalf("run %s has tasks %v", run.ID, tasks)
		}
		for _, r := range tasks {
			if d := cmp.Diff(want[run.ID+r.ID], r.History); d != "" {
				t.Errorf("run %s, task %s: %s", run.ID, r.ID, d)
			}
			if d := cmp.Diff([]string{"/backup/of " + r.ID}, r.Files); d != "" {
				t.Errorf("run %s, task %s: %s", run.ID, r.ID, d)
			}
			begun := need.Value(j.Begun(t.Context(), pending.Key{Run: run.ID, Task: r.ID}, "script/post"))(t)
			if begun != (r.Domain == "billing") {
				t.Errorf("the script of %s has begun: %v", r.ID, begun)
			}
		}
	}
	// The unfinished run continues where it stopped.
	n := 0
	for _, err := range j.Events(t.Context(), "01C") {
		need.Done(t, err)
		n++
	}
	if n != 6 {
		t.Errorf("%d events of the unfinished run", n)
	}
	appendTo(t, j, "01C", Batch{Events: []event.Event{{Kind: event.Interrupted}}, Statuses: []event.Status{task(2, "LOST", true, "x", "fra", "billing")}})
	need.Done(t, j.FinishRun(t.Context(), "01C", End{Time: noon}))
	if r := need.Value(j.Run(t.Context(), "01C"))(t); r.Tasks != 2 || r.State != Finished {
		t.Errorf("%+v", r)
	}
	// The last good copies are those of the newest runs with good copies.
	report := need.Value(j.Prune(t.Context(), PruneRequest{Before: noon.Add(time.Hour * 99)}))(t)
	if d := cmp.Diff(PruneReport{Runs: []string{"01B"}, Kept: []Kept{{"01A", LastGood}, {"01C", LastGood}}}, report); d != "" {
		t.Error(d)
	}
	for origin, bytes := range map[string]int64{"/plan.hcl": 10, "/other.hcl": 11} {
		sizes := need.Value(j.LastSizes(t.Context(), origin, "fra", "x"))(t)
		found := false
		for _, s := range sizes {
			found = found || s.Domain == "orders" && s.Bytes == bytes && s.Took == 7
		}
		if !found {
			t.Errorf("%s: %+v", origin, sizes)
		}
	}
}

// It keeps no events, and their room is given back.
func TestAFinishedRunKeepsWhatIsShownOfIt(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R", Started: noon, Spec: json.RawMessage(`{}`)})
	const tasks = 300
	var first, last []event.Status
	var events []event.Event
	for i := range tasks {
		domain := fmt.Sprintf("d%03d", i)
		first = append(first, task(1, "READY", false, "x", "fra", domain))
		s := task(2, "SUCCESS", true, "x", "fra", domain)
		last = append(last, s)
		events = append(events, event.Event{Kind: event.Finished, Task: s.Task, Time: noon, Result: &event.Result{Store: &sdk.StoreReport{Location: "/at/" + domain}}})
	}
	last[0].Code, last[0].Final = "STORING", false // it never ends
	appendTo(t, j, "R", Batch{Statuses: append([]event.Status{{Seq: 1, Code: "PLAN_STARTED", Time: noon}}, first...)})
	appendTo(t, j, "R", Batch{Events: events, Statuses: last, Good: goodOf(last)})
	own, before, err := j.Record(t.Context(), "R")
	need.Done(t, err)
	pages := func() (n int) {
		need.Done(t, j.reader.QueryRow("PRAGMA page_count").Scan(&n))
		return n
	}
	full := pages()
	need.Done(t, j.FinishRun(t.Context(), "R", End{Time: noon}))
	ownAfter, after, err := j.Record(t.Context(), "R")
	need.Done(t, err)
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(own, ownAfter); d != "" {
		t.Error(d)
	}
	var streamed []*TaskRecord
	for r, err := range j.Records(t.Context(), "R") {
		need.Done(t, err)
		streamed = append(streamed, r)
	}
	if d := cmp.Diff(before, streamed); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before[7].History, need.Value(j.History(t.Context(), "R", before[7].ID))(t)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(own, need.Value(j.History(t.Context(), "R", ""))(t)); d != "" {
		t.Error(d)
	}
	if len(after) != tasks || len(after[1].Files) != 1 || len(own) != 1 {
		t.Errorf("%d tasks, the second: %+v; own %v", len(after), after[1], own)
	}
	for e := range j.Events(t.Context(), "R") {
		t.Fatalf("event %+v is kept", e)
	}
	if now := pages(); now >= full {
		t.Errorf("%d pages before, %d after", full, now)
	}
	if r := need.Value(j.Run(t.Context(), "R"))(t); r.Tasks != tasks || r.Succeeded != tasks-1 || r.Spec != nil {
		t.Errorf("%+v", r)
	}
	for table, want := range map[string]int{"entries": 0, "specs": 0, "tasks": tasks, "bodies": tasks} {
		var n int
		need.Done(t, j.reader.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		if n != want {
			t.Errorf("%s holds %d rows, want %d", table, n, want)
		}
	}
}

// A process does not lose what another one has written since to its own histories
// in memory.
func TestAnotherProcessGoesOnWithARun(t *testing.T) {
	t.Parallel()
	a := openTest(t)
	createRun(t, a, Run{ID: "R", Started: noon})
	b := need.Value(Open(a.Path()))(t)
	defer func() { need.Done(t, b.Close()) }()
	for i, j := range []*Journal{a, b, a, a, b} {
		appendTo(t, j, "R", Batch{Statuses: []event.Status{task(i+1, fmt.Sprint("S", i), i == 4, "x", "fra", "orders")}})
	}
	history := need.Value(a.History(t.Context(), "R", "x/fra/orders"))(t)
	if len(history) != 5 || history[4].Code != "S4" || !history[4].Final {
		t.Errorf("%+v", history)
	}
}
