package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/staging"
)

// RunsRequest selects runs.
type RunsRequest struct {
	Plan  string // only runs of this plan; empty: all plans
	After string // cursor: only runs after this one in the list; empty: from the newest on
	Limit int    // the most runs; 0: all
}

// runsPage is the number of runs that one read of the journal returns.
const runsPage = 100

// Runs lists runs, the newest first. The ID of the last run is the cursor for the
// next page.
func (h *History) Runs(ctx context.Context, q RunsRequest) iter.Seq2[report.Run, error] {
	return func(yield func(report.Run, error) bool) {
		k := h.kept.Load()
		if k.lost != nil {
			yield(report.Run{}, k.lost)
			return
		}
		for given := 0; q.Limit == 0 || given < q.Limit; {
			most := runsPage
			if q.Limit > 0 {
				most = min(most, q.Limit-given)
			}
			page, err := k.journal.Runs(ctx, journal.Filter{Plan: q.Plan, After: q.After}, most)
			if err != nil {
				yield(report.Run{}, err)
				return
			}
			for _, run := range page {
				row, err := row(ctx, k.journal, run)
				if !yield(row, err) || err != nil {
					return
				}
				q.After = run.ID
			}
			if given += len(page); len(page) < most {
				return
			}
		}
	}
}

// row summarizes a run.
func row(ctx context.Context, j *journal.Journal, run journal.Run) (row report.Run, err error) {
	row = report.Run{ID: run.ID, Plan: run.Plan, Narrowed: run.Partial, Code: run.Code, Final: run.State == journal.Finished, Started: run.Started, Ended: run.Ended,
		Tasks: run.Tasks, Succeeded: run.Succeeded}
	if row.Final {
		row.ExitCode = &run.ExitCode
		return row, nil
	}
	row.Succeeded, err = j.Succeeded(ctx, run.ID)
	return row, err
}

// find returns a run by its ID, by a prefix of the ID, or "latest".
func (h *History) find(ctx context.Context, ref string) (*journal.Journal, journal.Run, error) {
	k := h.kept.Load()
	if k.lost != nil {
		return nil, journal.Run{}, k.lost
	}
	run, err := k.journal.Run(ctx, ref)
	if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrAmbiguous) {
		if st, _ := k.journal.Start(ctx, strings.ToUpper(ref)); st != nil {
			err = fmt.Errorf("run %s was asked for by %s and has not begun: %s", st.Run, st.By, cmp.Or(st.Message, "it is about to"))
		}
		err = &Error{ExitUsage, err}
	}
	return k.journal, run, err
}

// Run returns everything about one run that dprun shows. ref is its ID, a prefix
// of the ID, or "latest".
func (h *History) Run(ctx context.Context, ref string) (report.RunDetail, error) {
	var d report.RunDetail
	j, run, err := h.find(ctx, ref)
	if err != nil {
		return d, err
	}
	if d.Run, err = row(ctx, j, run); err != nil {
		return d, err
	}
	d.Only = run.Only
	if err := whoAsked(ctx, j, run.ID, &d); err != nil {
		return d, err
	}
	if d.History, err = j.History(ctx, run.ID, ""); err != nil {
		return d, err
	}
	d.Details = func(yield func(report.Task, error) bool) {
		for t, err := range j.Records(ctx, run.ID) {
			if err != nil {
				yield(report.Task{}, err)
				return
			}
			if !yield(report.Task{Run: run.ID, Task: t.ID, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: t.Code, Final: t.Final,
				Files: t.Files, History: t.History}, nil) {
				return
			}
		}
	}
	if d.Stops, err = stops(ctx, j, run.ID); err != nil {
		return d, err
	}
	seen, err := j.RoomsOf(ctx, run.ID)
	if err != nil {
		return d, err
	}
	for _, r := range seen {
		d.Rooms = append(d.Rooms, room(r))
	}
	restored, err := j.Restore(ctx, run.ID)
	if err != nil {
		return d, err
	}
	if restored != nil {
		d.Restore = restoreOf(*restored)
	}
	kept, err := h.staging.List()
	if err != nil {
		return d, err
	}
	for _, e := range kept {
		if e.Run == run.ID && e.Files > 0 { // empty directories wait for the next task
			d.Staged = append(d.Staged, stagedOf(e))
		}
	}
	return d, nil
}

// whoAsked adds who asked a server to start or cancel the run.
func whoAsked(ctx context.Context, j *journal.Journal, run string, d *report.RunDetail) error {
	st, err := j.Start(ctx, run)
	if err == nil && st != nil {
		of := startedOf(*st)
		d.Asked = &of
	}
	cancel, more := j.Cancel(ctx, run)
	if more == nil && cancel != nil {
		of := report.Cancelled(*cancel)
		d.Cancelled = &of
	}
	return errors.Join(err, more)
}

func stagedOf(e staging.Entry) report.Staged {
	return report.Staged{Run: e.Run, Task: e.Task, Path: e.Path, Files: e.Files, Bytes: e.Bytes}
}

// LogsRequest asks for the output of scripts and plugins during a run.
type LogsRequest struct {
	Run   string // its ID, a prefix of the ID, or latest
	Task  string // empty: the run itself and all its tasks
	Limit int    // the number of last lines for each of them; 0: all that are kept
}

// Logs yields first the lines of the run itself, then those of its tasks.
func (h *History) Logs(ctx context.Context, q LogsRequest) iter.Seq2[event.Log, error] {
	return func(yield func(event.Log, error) bool) {
		j, run, of, err := h.printers(ctx, q)
		if err != nil {
			yield(event.Log{}, err)
			return
		}
		for _, task := range of {
			lines, err := j.Logs(ctx, run, task, q.Limit)
			if err != nil {
				yield(event.Log{}, err)
				return
			}
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// printers returns the sources of the requested lines: the run itself as "", and
// tasks.
func (h *History) printers(ctx context.Context, q LogsRequest) (j *journal.Journal, run string, of []string, err error) {
	j, found, err := h.find(ctx, q.Run)
	if err != nil {
		return nil, "", nil, err
	}
	tasks, err := j.Tasks(ctx, found.ID)
	if err != nil {
		return nil, "", nil, err
	}
	of = []string{""}
	for _, t := range tasks {
		of = append(of, t.ID)
	}
	if q.Task == "" {
		return j, found.ID, of, nil
	}
	if !slices.Contains(of[1:], q.Task) {
		return nil, "", nil, noTask(found.ID, q.Task, of[1:])
	}
	return j, found.ID, []string{q.Task}, nil
}

// noTask says that a run has no such task, and suggests a similar one.
func noTask(run, task string, all []string) error {
	if s := diag.Suggest(task, all); s != "" {
		return errorf(ExitUsage, "run %s has no task %q; did you mean %q?", run, task, s)
	}
	return errorf(ExitUsage, "run %s has no task %q; `dprun runs show %s` lists its tasks", run, task, run)
}

const (
	roomsSince = 60 * 24 * time.Hour  // the age of the oldest rows of a forecast
	roomsSpan  = 3 * 24 * time.Hour   // a shorter span allows no forecast
	fillsMost  = 400 * 24 * time.Hour // later than that, it is not worth a message
)

// rooms returns the last known space of each destination of a plan, and when the
// destination will be full.
func rooms(ctx context.Context, j *journal.Journal, plan string, destinations []string, now time.Time) (out []report.Room, err error) {
	for _, d := range destinations {
		rows, err := j.Rooms(ctx, plan, d, now.Add(-roomsSince))
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			r := room(rows[0])
			r.FillsIn = fillsIn(rows)
			out = append(out, r)
		}
	}
	return out, nil
}

func room(r journal.Room) report.Room {
	return report.Room{Destination: r.Destination, Root: r.Root, Free: r.Free, Total: r.Total, At: r.At}
}

// fillsIn returns how long after the newest row the destination will be full, by
// linear regression. Rows of another place or size do not count. 0: it does not
// fill up, or there are too few rows.
func fillsIn(rows []journal.Room) time.Duration {
	newest := rows[0]
	var n, x, y, xx, xy float64
	var span time.Duration
	for _, r := range rows {
		if r.Root != newest.Root || r.Total != newest.Total || r.Free < 0 {
			break
		}
		span = newest.At.Sub(r.At)
		t, free := -span.Hours(), float64(r.Free)
		n, x, y, xx, xy = n+1, x+t, y+free, xx+t*t, xy+t*free
	}
	if n < 3 || span < roomsSpan {
		return 0
	}
	lost := -(n*xy - x*y) / (n*xx - x*x) // bytes per hour
	if hours := float64(newest.Free) / lost; lost > 0 && hours < fillsMost.Hours() {
		return max(time.Duration(hours*float64(time.Hour)).Round(time.Hour), time.Hour)
	}
	return 0
}
