package scenario

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
)

// readJournal adds the runs of one state directory, the oldest first.
func (p *player) readJournal(dir string, o *Outcome) {
	ctx := context.Background()
	j, err := journal.Open(filepath.Join(dir, "journal.db"))
	p.must(err)
	defer func() { p.check(j.Close()) }()
	runs, err := j.Runs(ctx, journal.Filter{}, 0)
	p.must(err)
	for _, run := range slices.Backward(runs) {
		r := Run{ID: run.ID, Plan: run.Plan, Histories: map[string][]event.Status{}}
		tasks, err := j.Tasks(ctx, r.ID)
		p.must(err)
		r.Histories[""], err = j.History(ctx, r.ID, "")
		p.must(err)
		for _, task := range tasks {
			r.Histories[task.ID], err = j.History(ctx, r.ID, task.ID)
			p.must(err)
		}
		o.Runs = append(o.Runs, r)
	}
}

// addTold adds what was published and is in no journal: one that could not be
// written, or that is gone with its file system.
func (p *player) addTold(o *Outcome) {
	for _, s := range p.told {
		i := slices.IndexFunc(o.Runs, func(r Run) bool { return r.ID == s.Run })
		if i < 0 {
			i = len(o.Runs)
			o.Runs = append(o.Runs, Run{ID: s.Run, Plan: s.Plan, Histories: map[string][]event.Status{}})
		}
		if h := o.Runs[i].Histories[s.Task]; s.Seq == len(h)+1 {
			o.Runs[i].Histories[s.Task] = append(h, s)
		}
	}
}

// age makes the unfinished runs of a journal ones of a release whose events
// this one does not replay. The driver is the journal's.
func (p *player) age(c command) (err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.stateDir(c), "journal.db"))
	if err != nil {
		return fmt.Errorf("make the runs older: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r, err := db.ExecContext(context.Background(), "UPDATE runs SET machine_version = machine_version - 1 WHERE state <> 'finished'")
	if err != nil {
		return fmt.Errorf("make the runs older: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("make the runs older: %d are unfinished (%v)", n, err)
	}
	return nil
}
