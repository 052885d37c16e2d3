package journal

import (
	"context"
	"fmt"
	"time"
)

// PruneRequest says what Prune may remove.
type PruneRequest struct {
	Before time.Time // only runs that ended before it
	DryRun bool      // report, and remove nothing
}

// Why is the reason for which an old run stays.
type Why string

// The reasons to keep an old run.
const (
	Owes     Why = "owes"      // something must still be undone
	LastGood Why = "last_good" // it holds the last good copy of something
)

// Kept is an old run that stays.
type Kept struct {
	Run string
	Why Why
}

// PruneReport says what Prune removed and what it kept.
type PruneReport struct {
	// Runs are the removed runs, the oldest first: the caller may remove their
	// staged files and locks as well.
	Runs []string
	// Kept are runs that are old enough and stay.
	Kept []Kept
}

// The run with the last good copy of something stays: later runs compare with it,
// and it tells where the copy is.
const selectOld = `SELECT id, EXISTS (SELECT 1 FROM obligations o WHERE o.run = runs.id AND o.paid_at = 0), n IN (SELECT run FROM sizes)
	FROM runs WHERE state = 'finished' AND ended < ? ORDER BY started, id`

// Prune removes finished runs that ended before a time, with everything about
// them. A run stays if something of it must still be undone, or if it holds the
// last good copy of a plan's activity on a device or domain. Facts that later
// runs need (sizes, domains, devices) stay. Prune also forgets copies that were
// deleted before that time. After an error the report says what is gone already.
func (j *Journal) Prune(ctx context.Context, q PruneRequest) (PruneReport, error) {
	var report PruneReport
	type old struct {
		id         string
		owes, good bool
	}
	runs, err := list(ctx, j, "find old runs", func(s scanner) (o old, err error) { return o, s.Scan(&o.id, &o.owes, &o.good) }, selectOld, stamp(q.Before))
	if err != nil {
		return report, err
	}
	if !q.DryRun {
		// All entries of a finished run must be gone before its row: a later run gets
		// its number.
		if err := j.tidy(ctx); err != nil {
			return report, err
		}
	}
	for _, r := range runs {
		gone := false
		switch {
		case r.owes:
		case r.good:
			report.Kept = append(report.Kept, Kept{r.id, LastGood})
			continue
		case q.DryRun:
			gone = true
		default:
			// One run in a transaction, so that others can write in between.
			if gone, err = j.remove(ctx, r.id); err != nil {
				return report, err
			}
		}
		if gone {
			report.Runs = append(report.Runs, r.id)
		} else {
			report.Kept = append(report.Kept, Kept{r.id, Owes})
		}
	}
	if q.DryRun {
		return report, nil
	}
	forgotten, err := j.forgetDeleted(ctx, q.Before)
	if err != nil || !forgotten && len(report.Runs) == 0 {
		return report, err
	}
	return report, j.shrink(ctx)
}

// copiesAtOnce is the number of copies that one transaction forgets, so that
// others can write in between.
const copiesAtOnce = 5000

const forgetCopies = "DELETE FROM copies WHERE k IN (SELECT k FROM copies WHERE state = 'deleted' AND checked < ? LIMIT ?)"

// forgetDeleted removes the rows of copies that were deleted before a time, and
// reports whether there were any.
func (j *Journal) forgetDeleted(ctx context.Context, before time.Time) (some bool, err error) {
	for more := true; more; {
		err := j.write(ctx, "forget copies that were deleted", func(t *transaction) error {
			res, err := t.exec(forgetCopies, stamp(before), copiesAtOnce)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			more, some = n == copiesAtOnce, some || n > 0
			return err
		})
		if err != nil {
			return some, err
		}
	}
	return some, nil
}

// remove deletes a run, unless something of it must still be undone, and reports
// whether it did.
func (j *Journal) remove(ctx context.Context, run string) (gone bool, err error) {
	err = j.write(ctx, "remove run "+run, func(t *transaction) error {
		var n int64
		var owes bool
		if err := t.row("SELECT n, EXISTS (SELECT 1 FROM obligations WHERE run = id AND paid_at = 0) FROM runs WHERE id = ?", run).Scan(&n, &owes); err != nil || owes {
			return err
		}
		first, last := rangeOf(n)
		for _, table := range []string{"tasks", "bodies"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE k BETWEEN ? AND ?", first, last); err != nil {
				return err
			}
		}
		for _, table := range []string{"obligations", "scripts", "logs", "rooms", "restores"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE run = ?", run); err != nil {
				return err
			}
		}
		_, err := t.exec("DELETE FROM runs WHERE n = ?", n)
		gone = err == nil
		return err
	})
	return gone && err == nil, err
}

// pagesAtOnce is the number of pages that one transaction frees, so that others
// can write in between.
const pagesAtOnce = 2048

// shrink returns free room to the file system.
func (j *Journal) shrink(ctx context.Context) error {
	for before := -1; ; {
		var left int
		err := j.write(ctx, "shrink it", func(t *transaction) error {
			if err := t.drain(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pagesAtOnce)); err != nil {
				return err
			}
			return t.row("PRAGMA freelist_count").Scan(&left)
		})
		if err != nil || left == 0 || left == before { // a journal made without auto_vacuum keeps its pages
			return err
		}
		before = left
	}
}

// drain runs a statement that works row by row.
func (t *transaction) drain(query string) error {
	rows, err := t.query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() { // each step frees a page
	}
	return rows.Err()
}
