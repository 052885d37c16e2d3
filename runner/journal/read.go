package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// Events reads the events of a run in their order. An error ends it. Breaking
// the loop is fine; a loop that is slow keeps the journal's log from being
// tidied up.
func (j *Journal) Events(ctx context.Context, run string) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		doing := "read the events of run " + run
		rows, err := j.reader.QueryContext(ctx, "SELECT seq, json FROM events WHERE run = ? ORDER BY seq", run)
		if err != nil {
			yield(event.Event{}, explain(doing, j.path, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var seq int64
			var body []byte
			if err := rows.Scan(&seq, &body); err != nil {
				yield(event.Event{}, explain(doing, j.path, err))
				return
			}
			e, err := event.Decode(body)
			if err == nil && e.V > event.Version {
				err = fmt.Errorf("version %d: %w", e.V, ErrNewer)
			}
			if err != nil {
				yield(event.Event{}, explain(doing, j.path, fmt.Errorf("event %d: %w", seq, err)))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(event.Event{}, explain(doing, j.path, err))
		}
	}
}

// History is a task's statuses in their order, or with an empty task the run's own.
func (j *Journal) History(ctx context.Context, run, task string) ([]event.Status, error) {
	return list(ctx, j, "read the history of task "+task, scanStatus, "SELECT json FROM statuses WHERE run = ? AND task = ? ORDER BY seq", run, task)
}

// Statuses are all statuses of a run, by time and then by task.
func (j *Journal) Statuses(ctx context.Context, run string) ([]event.Status, error) {
	return list(ctx, j, "read the statuses of run "+run, scanStatus, "SELECT json FROM statuses WHERE run = ? ORDER BY time, task, seq", run)
}

func scanStatus(s scanner) (event.Status, error) {
	var body []byte
	if err := s.Scan(&body); err != nil {
		return event.Status{}, err
	}
	var st event.Status
	if err := json.Unmarshal(body, &st); err != nil {
		return event.Status{}, fmt.Errorf("decode a status: %w", err)
	}
	return st, nil
}

// Task is where a task of a run stands.
type Task struct {
	Run, ID                  string
	Activity, Device, Domain string
	Code                     string // empty: no status yet
	Final                    bool
	Message                  string
	// Started is the time of the first status, Updated of the last, Ended of the final one.
	Started, Updated, Ended time.Time
}

// Tasks are the tasks of a run, by activity, device and domain.
func (j *Journal) Tasks(ctx context.Context, run string) ([]Task, error) {
	return list(ctx, j, "read the tasks of run "+run, func(s scanner) (t Task, err error) {
		return t, s.Scan(&t.Run, &t.ID, &t.Activity, &t.Device, &t.Domain, &t.Code, &t.Final, &t.Message,
			moment{&t.Started}, moment{&t.Updated}, moment{&t.Ended})
	}, `SELECT run, id, activity, device, domain, code, final, message, started, updated, ended
		FROM tasks WHERE run = ? ORDER BY activity, device, domain, id`, run)
}
