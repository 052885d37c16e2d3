package journal

import (
	"context"

	"github.com/dprun/dprun/runner/pending"
)

// Script says of a script whether it has begun. It outlives the run's events: a
// script that is owed is run once, also after its run.
type Script struct {
	Task, Action string
	Begun        bool
}

func (s Script) write(t *transaction, run string) error {
	_, err := t.exec(`INSERT INTO scripts (run, task, action, begun) VALUES (?1,?2,?3,?4) ON CONFLICT (run, task, action) DO UPDATE SET begun = ?4`,
		run, s.Task, s.Action, s.Begun)
	return err
}

// Begun reports whether an action that runs a script was started.
func (j *Journal) Begun(ctx context.Context, id pending.Key, action string) (bool, error) {
	found, err := list(ctx, j, "look whether a script was started for "+id.String(), func(s scanner) (begun bool, err error) { return begun, s.Scan(&begun) },
		selectBegun, id.Run, id.Task, action)
	return len(found) > 0 && found[0], err
}

const selectBegun = "SELECT begun FROM scripts WHERE run = ? AND task = ? AND action = ?"
