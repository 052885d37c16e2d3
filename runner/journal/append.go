package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
)

// Batch holds the changes of one transaction.
type Batch struct {
	// Time is when the obligations in Pay were settled; zero: now.
	Time time.Time
	// Events are kept until the run is finished. Events of a finished or unknown run
	// are dropped, because nobody replays it.
	Events   []event.Event
	Statuses []event.Status       // each follows the last status of its task
	Owe      []pending.Obligation // must be undone from now on; Run is the batch's
	Pay      []pending.Key        // has been undone; Run is the batch's
	Scripts  []Script             // that have started, or turned out not to have begun
	Good     []Good               // for the tasks that end in this batch
	Devices  []Device
	Rooms    []Room    // destinations that the run has looked at; only the first row of each counts
	Trip     []Breaker // devices that did not come back
}

const (
	insertEntry  = "INSERT INTO entries (k, events, statuses, files) VALUES (?,?,?,?)"
	lastEntry    = "SELECT coalesce(max(k), ?1) FROM entries WHERE k BETWEEN ?1 AND ?2"
	insertTask   = "INSERT INTO tasks (k, id, activity, device, domain, code, final, good, bytes, took) VALUES (?,?,?,?,?,?,?,?,?,?)"
	insertBody   = "INSERT INTO bodies (k, history, files) VALUES (?,?,?)"
	countTasks   = "UPDATE runs SET tasks = tasks + ? WHERE n = ?"
	enterRunCode = "UPDATE runs SET code = ? WHERE n = ?"
)

// hotStatements are prepared once, because every run repeats them often.
var hotStatements = []string{lastEntry, insertEntry, insertTask, insertBody, countTasks, enterRunCode, upsertObligation, payObligation, insertLog, enterRoot, enterFacts, insertCopy, insertNews,
	begin, commit, rollback}

// Append writes a batch of a run in one transaction. When it returns an error,
// which is an *[Error], it has written nothing.
func (j *Journal) Append(ctx context.Context, run string, b Batch) error {
	if b.Time.IsZero() {
		b.Time = time.Now()
	}
	return j.write(ctx, "append to run "+run, func(t *transaction) error {
		t.failed = func() { delete(j.open, run) } // read the run from the file again
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
		return writeFacts(t, run, b)
	})
}

// statusesAtOnce is the number of statuses that one entry may hold. A run that
// expands its plan over a fleet gives all tasks their first statuses in one
// batch.
const statusesAtOnce = 1000

// enter writes the events and statuses of a batch: one entry for all of them, and
// one row for each task that has ended.
func (o *openRun) enter(t *transaction, b Batch) error {
	for len(b.Statuses) > statusesAtOnce {
		some := Batch{Events: b.Events, Statuses: b.Statuses[:statusesAtOnce], Good: b.Good}
		if err := o.enter(t, some); err != nil {
			return err
		}
		b.Events, b.Statuses = nil, b.Statuses[statusesAtOnce:]
	}
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
	if o.fed && len(b.Statuses) > 0 {
		if err := t.feed(b.Statuses[0].Run, NewsStatus, len(b.Statuses), b.Statuses); err != nil {
			return err
		}
	}
	for _, s := range ended {
		var good *Good
		if i := slices.IndexFunc(b.Good, func(g Good) bool { return g.Task == s.Task }); i >= 0 {
			good = &b.Good[i]
		}
		if err := o.close(t, s, good); err != nil {
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

// close writes the row and the body of a task that gets no more entries.
func (o *openRun) close(t *transaction, s event.Status, good *Good) error {
	h := o.tasks[s.Task]
	files, err := encodeFiles(h.files)
	if err != nil {
		return err
	}
	var copied Good
	if good != nil {
		copied = *good
	}
	o.row++
	if _, err := t.exec(insertTask, o.row, s.Task, s.Activity, s.Device, s.Domain, s.Code, s.Final, good != nil, copied.Bytes, int64(copied.Took)); err != nil {
		return err
	}
	if _, err := t.exec(insertBody, o.row, "["+string(h.body)+"]", files); err != nil {
		return err
	}
	delete(o.tasks, s.Task)
	return nil
}

func writeFacts(t *transaction, run string, b Batch) error {
	for _, s := range b.Scripts {
		if err := s.write(t, run); err != nil {
			return err
		}
	}
	for _, e := range b.Events {
		if e.Result != nil && e.Result.Copy != nil {
			if err := writeCopy(t, *e.Result.Copy); err != nil {
				return err
			}
		}
	}
	for _, d := range b.Devices {
		if err := d.write(t); err != nil {
			return err
		}
	}
	for _, r := range b.Rooms {
		if err := r.write(t, run); err != nil {
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
