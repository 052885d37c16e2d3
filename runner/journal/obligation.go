package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dprun/dprun/runner/pending"
)

// Obligation is the row of an obligation, open or settled. Rows serve history and
// counting; only the pending file says whether something must be undone.
type Obligation struct {
	pending.Obligation

	Attempts  int
	LastError string
	NextTry   time.Time
	PaidAt    time.Time // zero: it is still open
}

const (
	insertObligation = `INSERT INTO obligations (run, task, id, kind, device, identity, domain, token, script, endpoint, since, plan, due_back, debt)
		VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)`
	// An obligation that returns after it was settled counts from then. An open one
	// keeps its first time.
	upsertObligation = insertObligation + ` ON CONFLICT (run, task, id) DO UPDATE SET kind = ?4, device = ?5, identity = ?6, domain = ?7, token = ?8, script = ?9, endpoint = ?10,
		plan = ?12, due_back = ?13, debt = ?14, since = iif(paid_at = 0, since, ?11), paid_at = 0`
	payObligation     = "UPDATE obligations SET paid_at = max(?, 1) WHERE run = ? AND task = ? AND id = ? AND paid_at = 0"
	obligationColumns = "run, task, id, kind, device, identity, domain, token, script, endpoint, since, attempts, last_error, next_try, paid_at, plan, due_back, debt"
	selectOwed        = "SELECT " + obligationColumns + " FROM obligations WHERE paid_at = 0 ORDER BY since, run, task, id"
	selectOwing       = "SELECT " + obligationColumns + " FROM obligations WHERE run = ? ORDER BY since, task, id"
)

// writeObligations enters first the new obligations, then the settled ones.
func writeObligations(t *transaction, run string, now time.Time, owe []pending.Obligation, pay []pending.Key) error {
	for _, o := range owe {
		if err := writeObligation(t, upsertObligation, run, o); err != nil {
			return err
		}
	}
	for _, id := range pay {
		if _, err := t.exec(payObligation, stamp(now), run, id.Task, id.ID); err != nil {
			return err
		}
	}
	return nil
}

func writeObligation(t *transaction, query, run string, o pending.Obligation) error {
	if o.ID == "" || o.Kind == "" {
		return fmt.Errorf("obligation %q of task %q has no ID or kind", o.ID, o.Task)
	}
	debt, err := json.Marshal(o.Debt)
	if err != nil {
		return fmt.Errorf("encode obligation %s: %w", o.Key, err)
	}
	_, err = t.exec(query, run, o.Task, o.ID, string(o.Kind), o.Device, o.Identity, o.Domain, o.Token, o.Script,
		string(o.Endpoint), stamp(o.Since), o.Plan, stamp(o.DueBack), string(debt))
	return err
}

// Remember enters obligations that the journal does not know. It leaves known
// ones unchanged, because they may have been settled meanwhile.
func (j *Journal) Remember(ctx context.Context, owed ...pending.Obligation) error {
	return j.write(ctx, "enter what must be undone", func(t *transaction) error {
		for _, o := range owed {
			if err := writeObligation(t, insertObligation+" ON CONFLICT DO NOTHING", o.Run, o); err != nil {
				return err
			}
		}
		return nil
	})
}

// Owed lists the open obligations of all runs, the oldest first.
func (j *Journal) Owed(ctx context.Context) ([]Obligation, error) {
	return list(ctx, j, "list what must be undone", scanObligation, selectOwed)
}

// Obligations lists the open and the settled obligations of a run.
func (j *Journal) Obligations(ctx context.Context, run string) ([]Obligation, error) {
	return list(ctx, j, "list what must be undone for run "+run, scanObligation, selectOwing, run)
}

func scanObligation(s scanner) (o Obligation, err error) {
	var endpoint, debt []byte
	err = s.Scan(&o.Run, &o.Task, &o.ID, &o.Kind, &o.Device, &o.Identity, &o.Domain, &o.Token, &o.Script, &endpoint,
		moment{&o.Since}, &o.Attempts, &o.LastError, moment{&o.NextTry}, moment{&o.PaidAt}, &o.Plan, moment{&o.DueBack}, &debt)
	if o.Endpoint = orNil(endpoint); err == nil {
		err = json.Unmarshal(debt, &o.Debt)
	}
	return o, err
}

// NoteAttempt enters a failed attempt to settle an obligation, and when the same
// process tries again. A zero time means never, and keeps the time that another
// process has noted.
func (j *Journal) NoteAttempt(ctx context.Context, id pending.Key, message string, next time.Time) error {
	return j.write(ctx, "note an attempt at "+id.String(), func(t *transaction) error {
		res, err := t.exec(`UPDATE obligations SET attempts = attempts + 1, last_error = ?, next_try = MAX(next_try, ?)
			WHERE run = ? AND task = ? AND id = ? AND paid_at = 0`, message, stamp(next), id.Run, id.Task, id.ID)
		return touched(res, err, "an open obligation "+id.String())
	})
}

// Pay enters that obligations of any runs were settled at a time. An obligation
// that was settled before keeps its time.
func (j *Journal) Pay(ctx context.Context, at time.Time, ids ...pending.Key) error {
	return j.write(ctx, "enter what was undone", func(t *transaction) error {
		for _, id := range ids {
			if err := writeObligations(t, id.Run, at, nil, []pending.Key{id}); err != nil {
				return err
			}
		}
		return nil
	})
}
