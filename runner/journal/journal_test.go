package journal

import (
	"github.com/dprun/dprun/testfixtures/need"

	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/sdk/failure"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

func openTest(t testing.TB) *Journal {
	t.Helper()
	j := need.Value(Open(filepath.Join(t.TempDir(), "journal.db")))(t)
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func createRun(t testing.TB, j *Journal, r Run) {
	t.Helper()
	if r.Plan == "" {
		r.Plan = "nightly"
	}
	need.Done(t, j.CreateRun(t.Context(), r))
}

func appendTo(t testing.TB, j *Journal, run string, b Batch) {
	t.Helper()
	need.Done(t, j.Append(t.Context(), run, b))
}

// task returns a status of a task that is named by activity, device and domain.
func task(seq int, code string, final bool, activity, device, domain string) event.Status {
	return event.Status{Task: activity + "/" + device + "/" + domain, Seq: seq, Activity: activity, Device: device, Domain: domain,
		Code: code, Final: final, Time: noon.Add(time.Duration(seq) * time.Second)}
}

func TestARunIsKeptWhole(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	want := Run{ID: "01A", Plan: "nightly", Only: "activity x", Spec: json.RawMessage(`{"id":"01A"}`),
		MachineVersion: 3, Started: noon, Host: "box", PID: 42, Partial: true}
	createRun(t, j, want)
	got, err := j.Run(t.Context(), "01A")
	need.Done(t, err)
	want.State = Running
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	unfinished, err := j.UnfinishedRuns(t.Context())
	need.Done(t, err)
	if d := cmp.Diff([]Run{want}, unfinished); d != "" {
		t.Error(d)
	}
	need.Done(t, j.Adopt(t.Context(), "01A", "other", 43))
	need.Done(t, j.FinishRun(t.Context(), "01A", End{Time: noon.Add(time.Hour), ExitCode: 3, Code: "PLAN_DONE"}))
	want.State, want.Ended, want.ExitCode, want.Code, want.Host, want.PID = Finished, noon.Add(time.Hour), 3, "PLAN_DONE", "other", 43
	want.Spec = nil // nobody replays it any more
	got, err = j.Run(t.Context(), "latest")
	need.Done(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := j.CreateRun(t.Context(), want); err == nil {
		t.Error("a run was entered twice")
	}
	for name, err := range map[string]error{
		"Adopt of a finished run":       j.Adopt(t.Context(), "01A", "x", 1),
		"FinishRun of a run not there ": j.FinishRun(t.Context(), "nope", End{}),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s = %v, want ErrNotFound", name, err)
		}
	}
}

func TestARunIsFoundByWhatTellsItApart(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, id := range []string{"01AAA", "01AAB", "01B", "01BX"} {
		createRun(t, j, Run{ID: id, Started: noon.Add(time.Duration(-i) * time.Hour)}) // the first is the newest
	}
	for ref, want := range map[string]any{
		"01AAA": "01AAA", "01aab": "01AAB", "01B": "01B", "01BX": "01BX", "latest": "01AAA",
		"01A": ErrAmbiguous, "01": ErrAmbiguous, "02": ErrNotFound, "": ErrNotFound, "%": ErrNotFound, "01AA_": ErrNotFound,
	} {
		got, err := j.Run(t.Context(), ref)
		if kind, isErr := want.(error); isErr {
			if !errors.Is(err, kind) {
				t.Errorf("Run(%q) = %q, %v; want %v", ref, got.ID, err, kind)
			}
		} else if err != nil || got.ID != want {
			t.Errorf("Run(%q) = %q, %v; want %v", ref, got.ID, err, want)
		}
	}
}

func TestRunsAreListedNewestFirstAndFiltered(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	for i, plan := range []string{"a", "b", "a", "a"} {
		createRun(t, j, Run{ID: fmt.Sprint(i), Plan: plan, Started: noon.Add(time.Duration(i) * time.Hour), Spec: json.RawMessage("[]")})
	}
	for _, tc := range []struct {
		filter Filter
		limit  int
		want   string
	}{
		{Filter{}, 0, "3 2 1 0"},
		{Filter{}, 2, "3 2"},
		{Filter{Plan: "a"}, 0, "3 2 0"},
		{Filter{Plan: "a", After: "2"}, 0, "0"},
		{Filter{After: "3"}, 2, "2 1"},
		{Filter{Plan: "c"}, 0, ""},
	} {
		runs, err := j.Runs(t.Context(), tc.filter, tc.limit)
		need.Done(t, err)
		var ids []string
		for _, r := range runs {
			ids = append(ids, r.ID)
			if r.Spec != nil {
				t.Error("a list carries specs")
			}
		}
		if got := strings.Join(ids, " "); got != tc.want {
			t.Errorf("Runs(%+v, %d) = %q, want %q", tc.filter, tc.limit, got, tc.want)
		}
	}
}

func TestWhatWasAppendedIsReadInOrder(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R", Started: noon})
	createRun(t, j, Run{ID: "other", Started: noon})
	var want []event.Event
	for i := range 5 {
		b := Batch{Events: []event.Event{
			{V: event.Version, Time: noon.Add(time.Duration(i)), Kind: event.Started, Task: "t", Action: fmt.Sprintf("quiesce/%d", i)},
			{V: event.Version, Time: noon, Kind: event.Finished, Task: "t", Action: "x", Failure: &failure.Error{Kind: failure.Timeout, Message: "late"}},
		}}
		appendTo(t, j, "R", b)
		want = append(want, b.Events...)
		appendTo(t, j, "other", Batch{Events: b.Events[:1]})
	}
	var got []event.Event
	for e, err := range j.Events(t.Context(), "R") {
		need.Done(t, err)
		got = append(got, e)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(failure.Error{})); d != "" {
		t.Error(d)
	}
	for range j.Events(t.Context(), "R") {
		break // gives the connection back
	}
}

func TestStatusesKeepTheTaskUpToDate(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R", Started: noon})
	first, second, last := task(1, "READY", false, "x", "fra", "orders"), task(2, "EXPORT", false, "x", "fra", "orders"), task(3, "SUCCESS", true, "x", "fra", "orders")
	last.Message, last.Warnings = "done", []string{"missing entries"}
	run := event.Status{Seq: 1, Code: "PLAN_STARTED", Time: noon}
	appendTo(t, j, "R", Batch{Statuses: []event.Status{run, first}})
	appendTo(t, j, "R", Batch{Statuses: []event.Status{second, last}})

	tasks, err := j.Tasks(t.Context(), "R")
	need.Done(t, err)
	if d := cmp.Diff([]Task{
		{Run: "R", ID: first.Task, Activity: "x", Device: "fra", Domain: "orders", Code: "SUCCESS", Final: true},
	}, tasks); d != "" {
		t.Error(d)
	}
	for _, s := range []*event.Status{&run, &first, &second, &last} {
		s.V, s.Run, s.Plan = event.Version, "R", "nightly"
	}
	history, err := j.History(t.Context(), "R", first.Task)
	need.Done(t, err)
	if d := cmp.Diff([]event.Status{first, second, last}, history); d != "" {
		t.Error(d)
	}
	all, err := j.Statuses(t.Context(), "R")
	need.Done(t, err)
	if d := cmp.Diff([]event.Status{run, first, second, last}, all); d != "" {
		t.Error(d)
	}
	if r, err := j.Run(t.Context(), "R"); err != nil || r.Code != "PLAN_STARTED" {
		t.Errorf("the run's code is %q, %v", r.Code, err)
	}
}

func TestABatchIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R", Started: noon})
	s := task(1, "READY", false, "x", "fra", "orders")
	appendTo(t, j, "R", Batch{Statuses: []event.Status{s}})
	err := j.Append(t.Context(), "R", Batch{
		Events:   []event.Event{{Kind: event.Started, Time: noon}},
		Statuses: []event.Status{task(1, "A", false, "x", "fra", "other"), s}, // the second one exists already
		Owe:      []pending.Obligation{{Key: pending.Key{ID: "unquiesce"}, Kind: pending.Unquiesce}},
	})
	if err == nil {
		t.Fatal("a status was entered twice")
	}
	for e := range j.Events(t.Context(), "R") {
		t.Errorf("event %v is there", e)
	}
	tasks, err := j.Tasks(t.Context(), "R")
	need.Done(t, err)
	owed, err := j.Owed(t.Context())
	need.Done(t, err)
	if len(tasks) != 1 || len(owed) != 0 {
		t.Errorf("tasks %v, owed %v: part of the batch is there", tasks, owed)
	}
}

func TestACancelledContextWritesNothing(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.CreateRun(ctx, Run{ID: "R"}); !errors.Is(err, context.Canceled) {
		t.Errorf("CreateRun = %v", err)
	}
	j.turn <- struct{}{} // another goroutine writes
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := j.CreateRun(ctx, Run{ID: "R"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CreateRun while another writes = %v", err)
	}
	<-j.turn
	if _, err := j.Run(t.Context(), "R"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Run = %v", err)
	}
}

func TestATransactionThatHasBegunIsNotCut(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	need.Done(t, j.write(ctx, "test", func(t *transaction) error {
		cancel()
		time.Sleep(5 * time.Millisecond) // leaves time for a rollback in the background
		return Breaker{Device: "x"}.write(t)
	}))
	if got, err := j.Breakers(t.Context(), ""); err != nil || len(got) != 1 {
		t.Errorf("breakers = %v, %v", got, err)
	}
}

func TestTheJournalIsPrivateAndDurable(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R"})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(j.Path() + suffix)
		need.Done(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "auto_vacuum": "2", "user_version": fmt.Sprint(len(migrations))} {
		var got string
		need.Done(t, j.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := j.reader.Exec("DELETE FROM runs"); err == nil {
		t.Error("a reading connection can write")
	}
}

func TestReadersAndWritersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R", Started: noon})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 25 {
				s := task(i+1, "X", false, "x", fmt.Sprint(w), "d")
				if err := j.Append(t.Context(), "R", Batch{Events: []event.Event{{Kind: event.Started, Task: s.Task}}, Statuses: []event.Status{s}}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 25 {
				// In one snapshot the number of events never falls, and the numbers have no
				// holes.
				n := 0
				for _, err := range j.Events(t.Context(), "R") {
					if err != nil {
						t.Error(err)
					}
					n++
				}
				if tasks, err := j.Tasks(t.Context(), "R"); err != nil || n > 0 && len(tasks) == 0 {
					t.Errorf("%d events and %d tasks, %v", n, len(tasks), err)
				}
			}
		})
	}
	all.Wait()
	var count, last int
	need.Done(t, j.reader.QueryRow("SELECT count(*), max(k) % 4294967296 FROM entries").Scan(&count, &last))
	if count != 100 || last != 100 {
		t.Errorf("%d entries, the last is %d; want 100", count, last)
	}
}

func TestOddPathsAreOpened(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a dir? #1%20&_pragma=x")
	if _, err := Open(filepath.Join(dir, "journal.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open in a directory that is not there = %v", err)
	}
	need.Done(t, os.Mkdir(dir, 0o700))
	for range 2 {
		j, err := Open(filepath.Join(dir, "journal.db"))
		need.Done(t, err)
		need.Done(t, j.Close())
	}
	entries, err := os.ReadDir(dir)
	need.Done(t, err)
	if len(entries) != 2 || entries[0].Name() != "journal.db" || entries[1].Name() != "journal.db.made" {
		t.Errorf("the directory holds %v after Close", entries)
	}
}

// A journal that was made and is gone is told apart from one that was never made.
// The same holds for one whose pages were in a -wal file that is gone.
func TestALostJournalIsNotBegunAnewSilently(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"without its pages": func(path string) error {
			j, err := Open(path + ".other")
			if err != nil {
				return err
			}
			if _, err := j.writer.ExecContext(t.Context(), "PRAGMA user_version = 0"); err != nil {
				return err
			}
			return errors.Join(j.Close(), os.Rename(path+".other", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "journal.db")
			j, err := Open(path)
			need.Done(t, err)
			need.Done(t, j.Close())
			need.Done(t, lose(path))
			if _, err := Open(path); !errors.Is(err, ErrLost) {
				t.Fatalf("Open = %v", err)
			}
			j, _, err = Restart(path, noon)
			need.Done(t, err)
			if kept, newest := newsEnds(t, j); kept < 1_000_000_000 || newest != kept+1 { // followers come with the numbers of the lost one
				t.Errorf("the news of the new journal begin after %d, and are at %d", kept, newest)
			}
			need.Done(t, j.Close())
			j, err = Open(path)
			need.Done(t, err)
			need.Done(t, j.Close())
		})
	}
}

func newsEnds(t *testing.T, j *Journal) (kept, newest int64) {
	t.Helper()
	kept, newest, err := j.NewsEnds(t.Context())
	need.Done(t, err)
	return kept, newest
}

func TestRunNamesSortByTime(t *testing.T) {
	t.Parallel()
	a, err := NewRunID(noon)
	need.Done(t, err)
	b, err := NewRunID(noon.Add(time.Second))
	need.Done(t, err)
	if a >= b || len(a) != 26 {
		t.Errorf("%s and %s", a, b)
	}
}
