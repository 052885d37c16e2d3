package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
)

// Batch is what is written in one transaction.
type Batch struct {
	// Time is when what is paid is paid; zero: now.
	Time     time.Time
	Events   []event.Event
	Statuses []event.Status
	Owe      []pending.Obligation // owed from now on; Run is the batch's
	Pay      []pending.Key        // no longer owed; Run is the batch's
	Sizes    []Size
	Devices  []Device
	Trip     []Breaker // devices that did not come back
}

const (
	lastEvent   = "SELECT coalesce(max(seq), 0) FROM events WHERE run = ?"
	insertEvent = "INSERT INTO events (run, seq, task, time, json) VALUES (?,?,?,?,?)"
	insertState = "INSERT INTO statuses (run, task, seq, code, final, time, json) VALUES (?,?,?,?,?,?,?)"
	upsertTask  = `INSERT INTO tasks (run, id, activity, device, domain, code, final, message, started, updated, ended)
		VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?9,iif(?7,?9,0))
		ON CONFLICT (run, id) DO UPDATE SET activity = ?3, device = ?4, domain = ?5, code = ?6, final = ?7, message = ?8, updated = ?9,
		started = iif(started = 0, ?9, started), ended = iif(?7, ?9, 0)`
)

// hotStatements are prepared once.
var hotStatements = []string{lastEvent, insertEvent, insertState, upsertTask, upsertObligation, payObligation}

// Append writes a batch of a run in one transaction and returns the number of
// its first event (from 1 within the run). With an error, an *[Error], nothing
// was written.
func (j *Journal) Append(ctx context.Context, run string, b Batch) (first int64, err error) {
	if b.Time.IsZero() {
		b.Time = time.Now()
	}
	err = j.write(ctx, "append to run "+run, func(t *transaction) error {
		if first, err = appendEvents(t, run, b.Events); err != nil {
			return err
		}
		if err := appendStatuses(t, run, b.Statuses); err != nil {
			return err
		}
		if err := writeObligations(t, run, b.Time, b.Owe, b.Pay); err != nil {
			return err
		}
		return writeFacts(t, run, b)
	})
	return first, err
}

func appendEvents(t *transaction, run string, events []event.Event) (first int64, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	var last int64
	if err := t.row(lastEvent, run).Scan(&last); err != nil {
		return 0, err
	}
	for i, e := range events {
		e.V = event.Version
		body, err := json.Marshal(e)
		if err != nil {
			return 0, fmt.Errorf("encode event %s of %s: %w", e.Kind, e.Action, err)
		}
		if _, err := t.exec(insertEvent, run, last+1+int64(i), e.Task, stamp(e.Time), string(body)); err != nil {
			return 0, err
		}
	}
	return last + 1, nil
}

func appendStatuses(t *transaction, run string, statuses []event.Status) error {
	for _, s := range statuses {
		s.V, s.Run = event.Version, run
		body, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode status %s of task %s: %w", s.Code, s.Task, err)
		}
		if _, err := t.exec(insertState, run, s.Task, s.Seq, s.Code, s.Final, stamp(s.Time), string(body)); err != nil {
			return fmt.Errorf("status %d (%s) of task %q: %w", s.Seq, s.Code, s.Task, err)
		}
		if s.Task == "" {
			_, err = t.exec("UPDATE runs SET code = ? WHERE id = ?", s.Code, run)
		} else {
			_, err = t.exec(upsertTask, run, s.Task, s.Activity, s.Device, s.Domain, s.Code, s.Final, s.Message, stamp(s.Time))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeFacts(t *transaction, run string, b Batch) error {
	for _, s := range b.Sizes {
		if err := s.write(t, run); err != nil {
			return err
		}
	}
	for _, d := range b.Devices {
		if err := d.write(t); err != nil {
			return err
		}
	}
	for _, p := range b.Trip {
		p.Run = run
		if err := p.write(t); err != nil {
			return err
		}
	}
	return nil
}
