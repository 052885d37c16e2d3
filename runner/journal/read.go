package journal

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/dprun/dprun/runner/event"
)

// Events yields the events of an unfinished run in their order. A finished run
// has none. An error ends the sequence. A caller may break the loop; while the
// loop runs, SQLite cannot shorten its write-ahead log.
func (j *Journal) Events(ctx context.Context, run string) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		doing := "read the events of run " + run
		fail := func(err error) { yield(event.Event{}, explain(doing, j.path, err)) }
		var n int64
		err := j.reader.QueryRowContext(ctx, "SELECT n FROM runs WHERE id = ? AND state = 'running'", run).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return
		}
		if err != nil {
			fail(err)
			return
		}
		first, last := rangeOf(n)
		seq := 0
		scan := func(s scanner) (found []event.Event, err error) {
			var body []byte
			if err = s.Scan(&body); err != nil {
				return nil, err
			}
			if err = json.Unmarshal(body, &found); err != nil {
				err = fmt.Errorf("the entry after event %d: %w", seq, err)
			}
			return found, err
		}
		stream(ctx, j, doing, scan, func(found []event.Event, err error) bool {
			if err != nil {
				return yield(event.Event{}, err)
			}
			for _, e := range found {
				if seq++; e.V > event.Version {
					fail(fmt.Errorf("event %d: version %d: %w", seq, e.V, ErrNewer))
					return false
				}
				if !yield(e, nil) {
					return false
				}
			}
			return true
		}, "SELECT events FROM entries WHERE k BETWEEN ? AND ? AND events <> '' ORDER BY k", first, last)
	}
}

// Task is a task of a run, and the code that it has reached.
type Task struct {
	Run, ID                  string
	Activity, Device, Domain string
	Code                     string // of its last status
	Final                    bool
}

// TaskRecord is a task with its history and its files.
type TaskRecord struct {
	Task
	History []event.Status
	Files   []string // the places of its copies
}

// status fills in the fields that all statuses of the task share.
func (t Task) status(of event.Status) event.Status {
	of.Task, of.Activity, of.Device, of.Domain = t.ID, t.Activity, t.Device, t.Domain
	return of
}

// Record returns the record of a run: its own history, and its tasks by activity,
// device and domain.
func (j *Journal) Record(ctx context.Context, run string) (own []event.Status, tasks []*TaskRecord, err error) {
	f, err := j.fold(ctx, run)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range f.order {
		tasks = append(tasks, f.tasks[id])
	}
	slices.SortStableFunc(tasks, func(a, b *TaskRecord) int {
		return cmp.Or(cmp.Compare(a.Activity, b.Activity), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID))
	})
	return f.own, tasks, nil
}

// fold reads a run in one snapshot. So a task that ends meanwhile is either in
// the entries or in the rows.
func (j *Journal) fold(ctx context.Context, run string) (*folded, error) {
	doing := "read run " + run
	tx, err := j.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, explain(doing, j.path, err)
	}
	defer tx.Rollback()
	f, err := foldRun(ctx, tx, run)
	if err != nil {
		return nil, explain(doing, j.path, err)
	}
	return f, nil
}

// Records yields the tasks of a run with their records, by activity, device and
// domain. It reads those of a finished run one by one. An error ends the
// sequence; a caller may break the loop.
func (j *Journal) Records(ctx context.Context, run string) iter.Seq2[*TaskRecord, error] {
	return func(yield func(*TaskRecord, error) bool) {
		n, finished, err := j.number(ctx, run)
		if err != nil {
			yield(nil, err)
			return
		}
		if !finished {
			_, tasks, err := j.Record(ctx, run)
			if err != nil {
				yield(nil, err)
			}
			for _, t := range tasks {
				if !yield(t, nil) {
					return
				}
			}
			return
		}
		doing := "read the tasks of run " + run
		var plan string
		if err := j.reader.QueryRowContext(ctx, "SELECT plan FROM runs WHERE n = ?", n).Scan(&plan); err != nil {
			yield(nil, explain(doing, j.path, err))
			return
		}
		first, last := rangeOf(n)
		scan := func(s scanner) (*TaskRecord, error) { return scanRecord(s, event.Status{Run: run, Plan: plan}) }
		stream(ctx, j, doing, scan, yield, selectDetails, first, last)
	}
}

// selectDetails sorts the rows without their bodies, and looks the bodies up one
// by one. LIMIT -1 limits nothing; it keeps SQLite from joining the bodies first.
const selectDetails = `SELECT t.id, t.activity, t.device, t.domain, t.code, t.final, b.history, b.files
	FROM (SELECT k, id, activity, device, domain, code, final FROM tasks WHERE k BETWEEN ? AND ? ORDER BY activity, device, domain, id LIMIT -1) t
	CROSS JOIN bodies b ON b.k = t.k`

// History returns a task's statuses in their order; with an empty task, the run's
// own.
func (j *Journal) History(ctx context.Context, run, task string) ([]event.Status, error) {
	n, finished, err := j.number(ctx, run)
	if err != nil {
		return nil, err
	}
	if finished {
		query := selectHistory
		if task == "" {
			query = selectOwn
		}
		first, last := rangeOf(n)
		found, err := only(list(ctx, j, "read the history of task "+task, func(s scanner) (history []event.Status, err error) {
			of := Task{Run: run, ID: task}
			var plan string
			var body []byte
			if err := s.Scan(&plan, &of.Activity, &of.Device, &of.Domain, &body); err != nil {
				return nil, err
			}
			var steps []step
			err = decode(body, &steps)
			return after(nil, steps, of.status(event.Status{Run: run, Plan: plan})), err
		}, query, n, first, last, task))
		if found == nil {
			return nil, err
		}
		return *found, nil
	}
	f, err := j.fold(ctx, run)
	switch {
	case err != nil:
		return nil, err
	case task == "":
		return f.own, nil
	case f.tasks[task] == nil:
		return nil, nil
	}
	return f.tasks[task].History, nil
}

const (
	selectOwn     = "SELECT plan, '', '', '', history FROM runs WHERE n = ?1"
	selectHistory = `SELECT plan, activity, device, domain, b.history FROM runs r CROSS JOIN tasks t ON t.k BETWEEN ?2 AND ?3 AND t.id = ?4
		CROSS JOIN bodies b ON b.k = t.k WHERE r.n = ?1`
)

// Statuses returns all statuses of a run, ordered by time and then by task.
func (j *Journal) Statuses(ctx context.Context, run string) ([]event.Status, error) {
	f, err := j.fold(ctx, run)
	if err != nil {
		return nil, err
	}
	all := f.own
	for _, id := range f.order {
		all = append(all, f.tasks[id].History...)
	}
	slices.SortStableFunc(all, func(a, b event.Status) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Seq, b.Seq))
	})
	return all, nil
}

// Tasks returns the tasks of a run, ordered by activity, device and domain.
func (j *Journal) Tasks(ctx context.Context, run string) ([]Task, error) {
	of, finished, err := j.number(ctx, run)
	if err != nil {
		return nil, err
	}
	if !finished {
		_, found, err := j.Record(ctx, run)
		var tasks []Task
		for _, t := range found {
			tasks = append(tasks, t.Task)
		}
		return tasks, err
	}
	first, last := rangeOf(of)
	return list(ctx, j, "read the tasks of run "+run, func(s scanner) (t Task, err error) {
		t.Run = run
		return t, s.Scan(&t.ID, &t.Activity, &t.Device, &t.Domain, &t.Code, &t.Final)
	}, selectTasks, first, last)
}

const (
	selectTasks = "SELECT id, activity, device, domain, code, final FROM tasks WHERE k BETWEEN ? AND ? ORDER BY activity, device, domain, id"
	countGood   = "SELECT count(*) FROM tasks WHERE k BETWEEN ? AND ? AND good"
)

// number returns the number of a run, and whether the run is finished; 0: there
// is no such run.
func (j *Journal) number(ctx context.Context, run string) (n int64, finished bool, err error) {
	_, err = list(ctx, j, "look for run "+run, func(s scanner) (any, error) { return nil, s.Scan(&n, &finished) }, "SELECT n, state = 'finished' FROM runs WHERE id = ?", run)
	return n, finished, err
}

// Succeeded counts the tasks of a run that have brought a good copy so far.
func (j *Journal) Succeeded(ctx context.Context, run string) (int, error) {
	n, _, err := j.number(ctx, run)
	if err != nil {
		return 0, err
	}
	first, last := rangeOf(n)
	found, err := list(ctx, j, "count the tasks of run "+run, func(s scanner) (n int, err error) { return n, s.Scan(&n) },
		countGood, first, last)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}
