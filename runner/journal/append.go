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
	Time time.Time
	// Events are kept until the run is finished. Of one that is finished, or
	// unknown, they are not kept: nobody replays it.
	Events   []event.Event
	Statuses []event.Status       // each follows the last one of its history
	Owe      []pending.Obligation // owed from now on; Run is the batch's
	Pay      []pending.Key        // no longer owed; Run is the batch's
	Scripts  []Script             // that were started, or turned out not to have begun
	Sizes    []Size
	Devices  []Device
	Trip     []Breaker // devices that did not come back
}

const (
	insertEntry  = "INSERT INTO entries (k, events, statuses, files) VALUES (?,?,?,?)"
	lastEntry    = "SELECT coalesce(max(k), ?1) FROM entries WHERE k BETWEEN ?1 AND ?2"
	insertBody   = "INSERT INTO bodies (history, files) VALUES (?,?)"
	insertTask   = "INSERT INTO tasks (run, id, activity, device, domain, code, final, body) VALUES (?,?,?,?,?,?,?,last_insert_rowid())"
	countTasks   = "UPDATE runs SET tasks = tasks + ? WHERE n = ?"
	enterRunCode = "UPDATE runs SET code = ? WHERE n = ?"
)

// hotStatements are prepared once.
var hotStatements = []string{lastEntry, insertEntry, insertBody, insertTask, upsertSize, upsertObligation, payObligation, insertLog}

// Append writes a batch of a run in one transaction. With an error, an
// *[Error], nothing was written.
func (j *Journal) Append(ctx context.Context, run string, b Batch) error {
	if b.Time.IsZero() {
		b.Time = time.Now()
	}
	return j.write(ctx, "append to run "+run, func(t *transaction) error {
		t.failed = func() { delete(j.open, run) } // what stands in the file counts
		o, err := j.openRun(t, run)
		if err != nil {
			return err
		}
		if o != nil {
			err = o.enter(t, b)
		} else if len(b.Statuses) > 0 {
			err = fmt.Errorf("its history: %w", ErrNotFound)
		}
		if err != nil {
			return err
		}
		if err := writeObligations(t, run, b.Time, b.Owe, b.Pay); err != nil {
			return err
		}
		return writeFacts(t, run, o, b)
	})
}

// enter writes the events and statuses of a batch: one entry for all of them,
// and one row for each task that has ended.
func (o *openRun) enter(t *transaction, b Batch) error {
	if len(b.Events) == 0 && len(b.Statuses) == 0 {
		return nil
	}
	var events []byte
	if len(b.Events) > 0 {
		for i := range b.Events {
			b.Events[i].V = event.Version
		}
		var err error
		if events, err = json.Marshal(b.Events); err != nil {
			return fmt.Errorf("encode events: %w", err)
		}
	}
	files := o.learnFiles(b.Events)
	before := o.known
	statuses, ended, err := o.follow(b.Statuses)
	if err != nil {
		return err
	}
	o.last++
	if _, err := t.exec(insertEntry, o.last, string(events), string(statuses), files); err != nil {
		return err
	}
	for _, s := range ended {
		if err := o.close(t, s); err != nil {
			return err
		}
	}
	if n := o.known - before; n > 0 {
		if _, err := t.exec(countTasks, n, o.n); err != nil {
			return err
		}
	}
	for _, s := range b.Statuses {
		if s.Task == "" {
			if _, err := t.exec(enterRunCode, s.Code, o.n); err != nil {
				return err
			}
		}
	}
	return nil
}

// close writes the row of a task that needs no more entries.
func (o *openRun) close(t *transaction, s event.Status) error {
	h := o.tasks[s.Task]
	files, err := encodeFiles(h.files)
	if err != nil {
		return err
	}
	if _, err := t.exec(insertBody, "["+string(h.body)+"]", files); err != nil {
		return err
	}
	if _, err := t.exec(insertTask, o.n, s.Task, s.Activity, s.Device, s.Domain, s.Code, s.Final); err != nil {
		return fmt.Errorf("status %d (%s) of task %q: %w", s.Seq, s.Code, s.Task, err)
	}
	delete(o.tasks, s.Task)
	return nil
}

func writeFacts(t *transaction, run string, o *openRun, b Batch) error {
	for _, s := range b.Scripts {
		if err := s.write(t, run); err != nil {
			return err
		}
	}
	for _, s := range b.Sizes {
		if err := s.write(t, o); err != nil {
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
