package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// openRun caches a writer's knowledge of an unfinished run, so that the writer
// need not read its own entries. If another process has entered something
// meanwhile, the writer notices it and reads the run again.
type openRun struct {
	n            int64 // number of the run; see rangeOf for its rows and entries
	plan, origin string
	last         int64 // the last entry
	row          int64 // the last row of an ended task
	known        int   // the number of tasks that have a history
	own          history
	tasks        map[string]*history // the tasks that have not ended
	fed          bool                // a server's followers get its news
	shared       []byte              // the latest history, which other tasks may have as well
}

// perRun is the number of entries, and of tasks, that a run has numbers for. So
// the entries of a run are together in their table, and one range reads or
// removes them.
const perRun = 1 << 32

// rangeOf returns the first and the last number of a run's rows.
func rangeOf(run int64) (first, last int64) { return run * perRun, (run+1)*perRun - 1 }

// openRun returns an unfinished run; nil if there is none with this ID.
func (j *Journal) openRun(t *transaction, run string) (*openRun, error) {
	o := j.open[run]
	if o != nil {
		last, err := o.lastEntry(t)
		if err != nil || last == o.last {
			return o, err
		}
	}
	delete(j.open, run)
	o = &openRun{tasks: map[string]*history{}}
	err := t.row("SELECT n, plan, origin FROM runs WHERE id = ? AND state = 'running'", run).Scan(&o.n, &o.plan, &o.origin)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := foldRun(t.ctx, t.conn, run)
	if err != nil {
		return nil, err
	}
	if o.last, err = o.lastEntry(t); err != nil {
		return nil, err
	}
	first, last := rangeOf(o.n)
	if err := t.row("SELECT coalesce(max(k), ?1) FROM tasks WHERE k BETWEEN ?1 AND ?2", first, last).Scan(&o.row); err != nil {
		return nil, err
	}
	if err := f.into(o); err != nil {
		return nil, err
	}
	if err := t.row("SELECT EXISTS (SELECT 1 FROM server)").Scan(&o.fed); err != nil {
		return nil, err
	}
	j.open[run] = o
	return o, nil
}

func (o *openRun) lastEntry(t *transaction) (n int64, err error) {
	first, last := rangeOf(o.n)
	return n, t.row(lastEntry, first, last).Scan(&n)
}

// learnFiles notes the places of new copies, and encodes them for an entry.
func (o *openRun) learnFiles(events []event.Event) string {
	var found []stored
	for _, e := range events {
		if e.Result == nil || e.Result.Store == nil {
			continue
		}
		if h := o.tasks[e.Task]; h != nil {
			h.files = append(h.files, e.Result.Store.Location)
			found = append(found, stored{e.Task, e.Result.Store.Location})
		}
	}
	if len(found) == 0 {
		return ""
	}
	b, _ := json.Marshal(found) // it holds only strings
	return string(b)
}

// follow adds statuses to their histories. It returns their encoding for an
// entry, and the statuses that end a task.
func (o *openRun) follow(all []event.Status) (encoded []byte, ended []event.Status, err error) {
	for i, s := range all {
		h := &o.own
		if s.Task != "" {
			if h = o.tasks[s.Task]; h == nil {
				h = &history{}
				o.tasks[s.Task] = h
				o.known++
			}
		}
		if s.Seq != h.len+1 {
			return nil, nil, fmt.Errorf("status %d (%s) of task %q: it does not follow the one before, which is number %d", s.Seq, s.Code, s.Task, h.len)
		}
		step, err := h.add(s)
		if err != nil {
			return nil, nil, err
		}
		if i > 0 && all[i-1].Task == s.Task {
			encoded = append(encoded[:len(encoded)-2], ',')
		} else {
			head, err := json.Marshal(entered{Task: s.Task, Activity: first(s, s.Activity), Device: first(s, s.Device), Domain: first(s, s.Domain)})
			if err != nil {
				return nil, nil, err
			}
			encoded = append(append(append(encoded, ','), head[:len(head)-len("null}")]...), '[')
		}
		encoded = append(append(encoded, step...), ']', '}')
		if i == len(all)-1 || all[i+1].Task != s.Task {
			o.share(h)
		}
		if s.Final && s.Task != "" {
			ended = append(ended, s)
		}
	}
	if len(encoded) > 0 {
		encoded[0] = '['
		encoded = append(encoded, ']')
	}
	return encoded, ended, nil
}

// first returns text for the first status of a history, and nothing for the
// others.
func first(s event.Status, text string) string {
	if s.Seq > 1 {
		return ""
	}
	return text
}

// share lets tasks with the same history use one copy of it. Many tasks wait with
// the same one.
func (o *openRun) share(h *history) {
	if slices.Equal(h.body, o.shared) {
		h.body = o.shared
	} else {
		o.shared = slices.Clip(h.body)
		h.body = o.shared
	}
}

// folded is the whole record of a run: tasks that have ended come from rows, the
// others from entries.
type folded struct {
	n     int64
	own   []event.Status
	tasks map[string]*TaskRecord
	order []string
}

// querier reads within one snapshot.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const (
	selectRecords = `SELECT t.id, t.activity, t.device, t.domain, t.code, t.final, b.history, b.files FROM tasks t JOIN bodies b ON b.k = t.k
		WHERE t.k BETWEEN ? AND ? ORDER BY t.k`
	selectEntries = "SELECT statuses, files FROM entries WHERE k BETWEEN ? AND ? AND statuses || files <> '' ORDER BY k"
)

// foldRun reads a run with all its tasks. An unknown run gives an empty record.
func foldRun(ctx context.Context, q querier, run string) (*folded, error) {
	f := &folded{tasks: map[string]*TaskRecord{}}
	var plan string
	var state State
	var own []byte
	err := q.QueryRowContext(ctx, "SELECT n, plan, state, history FROM runs WHERE id = ?", run).Scan(&f.n, &plan, &state, &own)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	of := event.Status{Run: run, Plan: plan}
	var steps []step
	if err := decode(own, &steps); err != nil {
		return nil, fmt.Errorf("the run's own history: %w", err)
	}
	f.own = after(nil, steps, of)
	if err := f.rows(ctx, q, of); err != nil {
		return nil, err
	}
	if state == Running {
		err = f.entries(ctx, q, of)
	}
	return f, err
}

// rows reads the tasks that have a row.
func (f *folded) rows(ctx context.Context, q querier, of event.Status) error {
	first, last := rangeOf(f.n)
	rows, err := q.QueryContext(ctx, selectRecords, first, last)
	return each(rows, err, func(s scanner) (*TaskRecord, error) { return scanRecord(s, of) }, func(r *TaskRecord) bool {
		f.add(r)
		return true
	})
}

// scanRecord reads a task and its body.
func scanRecord(row scanner, of event.Status) (*TaskRecord, error) {
	r := &TaskRecord{Task: Task{Run: of.Run}}
	var history, files []byte
	if err := row.Scan(&r.ID, &r.Activity, &r.Device, &r.Domain, &r.Code, &r.Final, &history, &files); err != nil {
		return nil, err
	}
	var steps []step
	if err := errors.Join(decode(history, &steps), decode(files, &r.Files)); err != nil {
		return nil, fmt.Errorf("the history of task %s: %w", r.ID, err)
	}
	r.History = after(nil, steps, r.status(of))
	return r, nil
}

// entries adds the statuses of tasks without a final row from the run's entries.
func (f *folded) entries(ctx context.Context, q querier, of event.Status) error {
	first, last := rangeOf(f.n)
	rows, err := q.QueryContext(ctx, selectEntries, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	ended := maps.Clone(f.tasks)
	for rows.Next() {
		var body, files []byte
		if err := rows.Scan(&body, &files); err != nil {
			return err
		}
		var found []entered
		var copies []stored
		if err := errors.Join(decode(body, &found), decode(files, &copies)); err != nil {
			return fmt.Errorf("an entry: %w", err)
		}
		for _, e := range found {
			if ended[e.Task] == nil {
				f.follow(e, of)
			}
		}
		for _, c := range copies {
			if r := f.tasks[c.Task]; r != nil && ended[c.Task] == nil {
				r.Files = append(r.Files, c.File)
			}
		}
	}
	return rows.Err()
}

func (f *folded) follow(e entered, of event.Status) {
	if e.Task == "" {
		f.own = append(f.own, after(f.own, e.Steps, of)...)
		return
	}
	r := f.tasks[e.Task]
	if r == nil {
		r = &TaskRecord{Task: Task{Run: of.Run, ID: e.Task, Activity: e.Activity, Device: e.Device, Domain: e.Domain}}
		f.add(r)
	}
	r.History = append(r.History, after(r.History, e.Steps, r.status(of))...)
	last := r.History[len(r.History)-1]
	r.Code, r.Final = last.Code, last.Final
}

// after turns steps into the statuses that follow before. of holds the fields
// that they share.
func after(before []event.Status, steps []step, of event.Status) []event.Status {
	var at int64
	if n := len(before); n > 0 {
		at = stamp(before[n-1].Time)
	}
	out := make([]event.Status, 0, len(steps))
	for i, p := range steps {
		at += p.After
		of.V, of.Seq, of.Code, of.Final, of.Message, of.Causes, of.Warnings, of.Time = event.Version, len(before)+i+1, p.Code, p.Final, p.Message, p.Causes, p.Warnings, time.Time{}
		if at != 0 {
			of.Time = time.Unix(0, at).UTC()
		}
		out = append(out, of)
	}
	return out
}

func (f *folded) add(r *TaskRecord) {
	f.tasks[r.ID] = r
	f.order = append(f.order, r.ID)
}

// into fills in the histories that have not ended.
func (f *folded) into(o *openRun) error {
	o.known = len(f.tasks)
	for _, s := range f.own {
		if _, err := o.own.add(s); err != nil {
			return err
		}
	}
	for id, r := range f.tasks {
		if r.Final {
			continue
		}
		h := &history{files: r.Files}
		for _, s := range r.History {
			if _, err := h.add(s); err != nil {
				return err
			}
		}
		o.share(h)
		o.tasks[id] = h
	}
	return nil
}
