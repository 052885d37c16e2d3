package runner

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/restore"
)

// supersede ends earlier restores of the domain that were not proven: what it is
// now is.
func (w *restoring) supersede(ctx context.Context) {
	all, err := w.outstanding(ctx)
	if err != nil {
		w.Log.Warn("earlier restores were not looked for", "error", err)
		return
	}
	for _, o := range all {
		sameBox := o.Device == w.q.Device && o.Identity == w.facts.Identity // another plan may call another one so
		if o.Kind != pending.Restore || o.Run == w.spec.ID || !sameBox || o.Domain != w.q.Domain || o.Live {
			continue
		}
		err := w.settler.Done(ctx, o.Obligation.Obligation)
		if err == nil {
			err = w.journal.EndRestore(context.WithoutCancel(ctx), o.Run, "superseded", "the restore of run "+w.spec.ID+" is proven", w.Clock.Now())
		}
		if err != nil {
			w.Log.Warn("that an earlier restore has ended could not be written down", "run", o.Run, "error", err)
		}
	}
}

// forgetRestores removes what restores have left that ended before they had
// promised anything, and enters that: nothing was sent. Archives are secrets.
func (r *operation) forgetRestores(ctx context.Context) {
	entries, err := os.ReadDir(r.state.Restores())
	if err != nil || len(entries) == 0 {
		return
	}
	for _, e := range entries {
		run := e.Name()
		if held, _, err := r.locks.Held(lock.RunKey(run)); held || err != nil {
			continue
		}
		// Whoever was at it is gone: what it has promised by now is all that it ever will.
		owed, damaged, err := r.pending.List()
		if err != nil || len(damaged) > 0 {
			return // one of these may be what the directory is needed for
		}
		if slices.ContainsFunc(owed, func(o pending.Obligation) bool { return o.Run == run }) {
			continue
		}
		if sent, err := r.mayHaveSent(ctx, run); sent || err != nil {
			if err != nil {
				r.Log.Warn("how a restore ended could not be read or written down", "run", run, "error", err)
			}
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.state.Restores(), run)); err != nil {
			r.Log.Warn("what a restore has left could not be removed", "run", run, "error", err)
		}
	}
}

// mayHaveSent reports whether a restore whose process is gone has made its promise,
// although there is no pending file: somebody has taken it away. Of every other one it
// enters that nothing was sent, and gives its right back.
func (r *operation) mayHaveSent(ctx context.Context, run string) (bool, error) {
	if r.journal == nil {
		return false, nil
	}
	known, err := r.journal.Restore(ctx, run)
	if err != nil {
		return false, err
	}
	if known != nil && known.End == "" {
		var steps []restore.Step
		if len(known.Steps) > 0 && json.Unmarshal(known.Steps, &steps) != nil || slices.ContainsFunc(steps, func(s restore.Step) bool { return s.Phase == restore.Promise && s.Kind == restore.Good }) {
			return true, nil
		}
		if err := r.journal.EndRestore(ctx, run, string(restore.Denied), "dprun ended before anything was sent", r.Clock.Now()); err != nil {
			return false, err
		}
	}
	owed, err := r.journal.Obligations(ctx, run)
	for _, o := range owed {
		if o.Kind == pending.Restore && err == nil {
			err = r.journal.Pay(ctx, r.Clock.Now(), o.Key)
		}
	}
	return false, err
}
