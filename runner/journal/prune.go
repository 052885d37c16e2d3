package journal

import (
	"context"
	"time"
)

// PruneReport is what was removed.
type PruneReport struct {
	// Runs are the runs that are gone, the oldest first: their staged files
	// and locks can go as well.
	Runs []string
	// Kept are runs of that age that stay because they still owe something.
	Kept []string
}

// Prune removes finished runs that ended before a time, with everything about
// them, unless they still owe something. What later runs need (sizes, domains,
// devices) stays. After an error the report tells what is gone already.
func (j *Journal) Prune(ctx context.Context, before time.Time) (PruneReport, error) {
	var report PruneReport
	type old struct {
		id   string
		owes bool
	}
	runs, err := list(ctx, j, "find old runs", func(s scanner) (o old, err error) { return o, s.Scan(&o.id, &o.owes) },
		`SELECT id, EXISTS (SELECT 1 FROM obligations o WHERE o.run = runs.id AND o.paid_at = 0)
		FROM runs WHERE state = 'finished' AND ended < ? ORDER BY started, id`, stamp(before))
	if err != nil {
		return report, err
	}
	for _, r := range runs {
		gone := false
		if !r.owes {
			// One run in a transaction: others can write in between.
			if gone, err = j.remove(ctx, r.id); err != nil {
				return report, err
			}
		}
		if gone {
			report.Runs = append(report.Runs, r.id)
		} else {
			report.Kept = append(report.Kept, r.id)
		}
	}
	if len(report.Runs) == 0 {
		return report, nil
	}
	return report, j.shrink(ctx, before)
}

// remove deletes a run if it owes nothing, and reports whether it did.
func (j *Journal) remove(ctx context.Context, run string) (gone bool, err error) {
	err = j.write(ctx, "remove run "+run, func(t *transaction) error {
		var owes bool
		if err := t.row("SELECT EXISTS (SELECT 1 FROM obligations WHERE run = ? AND paid_at = 0)", run).Scan(&owes); err != nil || owes {
			return err
		}
		for _, table := range []string{"events", "statuses", "tasks", "obligations", "logs"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE run = ?", run); err != nil {
				return err
			}
		}
		_, err := t.exec("DELETE FROM runs WHERE id = ?", run)
		gone = err == nil
		return err
	})
	return gone && err == nil, err
}

// shrink gives room back to the file system, and forgets lockouts that ended long ago.
func (j *Journal) shrink(ctx context.Context, before time.Time) error {
	return j.write(ctx, "shrink it", func(t *transaction) error {
		if _, err := t.exec("DELETE FROM lockouts WHERE until < ?", stamp(before)); err != nil {
			return err
		}
		rows, err := t.query("PRAGMA incremental_vacuum")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // a page is freed by a step
		}
		return rows.Err()
	})
}
