package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
)

// forgottenRun is a run that has left its lock and that the journal does not know.
type forgottenRun struct {
	run    string
	lock   string
	staged string // its directory in the staging area; empty: none
}

func (f forgottenRun) String() string {
	s := fmt.Sprintf("the journal does not know run %s, which has left %s", f.run, f.lock)
	if f.staged != "" {
		s += " and " + f.staged
	}
	return s + ": the journal or its -wal file was lost, damaged or replaced since. What the run had quiesced is listed as owed, or was brought back, " +
		"as far as its pending files tell; look at the run's gateways (show domains). When all are in service: dprun recover --ack " + quoted(f.run) + ", which removes what it has left"
}

// forgotten lists the runs of which there are traces and that the journal does
// not know. The locks of runs that have ended,
// and of those that died before they began, are removed on the way.
func (r *operation) forgotten(ctx context.Context) ([]forgottenRun, error) {
	if r.journal == nil {
		return nil, nil // it is said that the journal cannot be read
	}
	runs, err := r.locks.Runs()
	if err != nil {
		return nil, err
	}
	var out []forgottenRun
	for _, id := range runs {
		known, err := r.journal.Run(ctx, id)
		switch {
		case err == nil && known.State == journal.Finished:
			_ = r.locks.Remove(lock.RunKey(id))   // somebody may be at what it still owes
			_ = r.locks.Remove(lock.GuardKey(id)) // left by a guard that was killed
			continue
		case err == nil:
			continue
		case !errors.Is(err, journal.ErrNotFound):
			return nil, fmt.Errorf("ask the journal for run %s: %w", id, err)
		}
		if _, live := r.settler.Holder(ctx, id); live {
			continue // just beginning
		}
		owed, err := r.journal.Obligations(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("ask the journal what run %s owes: %w", id, err)
		}
		if aside, done := noRun(owed); aside { // a drill is no run of the journal, and a restore not from its beginning
			if done {
				_ = r.locks.Remove(lock.RunKey(id))
			}
			continue
		}
		if r.locks.Left(lock.RunKey(id)).Beginning { // it died before it came into the journal, and has contacted no device
			_ = r.locks.Remove(lock.RunKey(id))
			continue
		}
		f := forgottenRun{run: id, lock: r.locks.Path(lock.RunKey(id))}
		if dir := filepath.Join(r.state.Staging(), id); isDir(dir) {
			f.staged = dir
		}
		out = append(out, f)
	}
	return out, nil
}

// noRun reports whether what a run has owed is a drill's or a restore's, and whether all of it is done.
func noRun(owed []journal.Obligation) (aside, done bool) {
	aside, done = len(owed) > 0, true
	for _, o := range owed {
		aside, done = aside && (o.Kind == pending.DropDomain || o.Kind == pending.Restore), done && !o.PaidAt.IsZero()
	}
	return aside, done
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
