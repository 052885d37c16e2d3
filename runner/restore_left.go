package runner

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/drill"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/restore"
)

// supersede ends earlier restores of the domain that were not proven, because the
// present state of the domain is proven.
func (w *restoring) supersede(ctx context.Context) {
	all, err := w.outstanding(ctx)
	if err != nil {
		w.Log.Warn("earlier restores were not looked for", "error", err)
		return
	}
	for _, o := range all {
		sameBox := o.Device == w.q.Device && o.Identity == w.facts.Identity // another plan may use this name for another box
		if o.Kind != pending.Restore || o.Run == w.spec.ID || !sameBox || o.Domain != w.q.Domain || o.Live {
			continue
		}
		err := w.settler.Done(ctx, o.Obligation.Obligation)
		if err == nil {
			err = w.journal.EndRestore(context.WithoutCancel(ctx), o.Run, "superseded", "the restore of run "+w.spec.ID+" is proven", w.Clock.Now())
		}
		if err != nil {
			w.Log.Warn("the end of an earlier restore could not be written down", "run", o.Run, "error", err)
		}
	}
}

// forgetRestores removes what restores left that ended before they wrote a
// pending file, and enters that they sent nothing. The archives must go because
// they hold secrets.
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
		// The process is gone, so it can write no pending file any more.
		owed, damaged, err := r.pending.List()
		if err != nil || len(damaged) > 0 {
			return // one of these files may need the directory
		}
		if slices.ContainsFunc(owed, func(o pending.Obligation) bool { return o.Run == run }) {
			continue
		}
		if sent, err := r.mayHaveSent(ctx, run); sent || err != nil {
			if err != nil {
				r.Log.Warn("the end of a restore could not be read or written down", "run", run, "error", err)
			}
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.state.Restores(), run)); err != nil {
			r.Log.Warn("what a restore has left could not be removed", "run", run, "error", err)
		}
	}
}

// mayHaveSent reports whether a restore whose process is gone had written its
// pending file, although that file is missing now: a person has removed it. For
// every other restore it enters that nothing was sent, and returns the permit.
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

// note enters the present state of the restore in the journal.
func (w *restoring) note(ctx context.Context, end restore.End) {
	if !w.begun {
		return
	}
	steps, err := json.Marshal(w.machine.Steps())
	if err == nil {
		w.row.Steps, w.row.End = steps, string(end)
		err = w.journal.SetRestore(context.WithoutCancel(ctx), w.row)
	}
	if err != nil {
		w.Log.Error("the state of the restore could not be written down", "run", w.spec.ID, "error", err)
	}
}

// ended enters the end of the restore, and settles its obligation if nothing is
// pending.
func (w *restoring) ended(ctx context.Context) (*report.Restore, error) {
	end, why := w.machine.End()
	w.row.Ended, w.row.Why = w.Clock.Now(), w.redact.Redact(why)
	if !w.begun {
		return nil, w.refused
	}
	w.note(ctx, end)
	if w.owed != nil && !end.Pending() {
		if err := w.settler.Done(ctx, *w.owed); err != nil {
			return nil, &Error{ExitBug, err}
		}
	}
	if end == restore.Restored || end == restore.Faulty {
		w.supersede(ctx)
	}
	if end == restore.Restored && w.row.Set != "" && w.q.Policy == "" { // with a policy the result is not the set alone
		if err := w.prove(context.WithoutCancel(ctx)); err != nil {
			w.Log.Warn("it could not be written down that the restore has proven the set", "set", w.row.Set, "error", err)
		}
	}
	out := restoreOf(w.row)
	w.free()
	if end == restore.Denied && w.refused != nil {
		return out, w.refused
	}
	return out, nil
}

// prove enters that the set can be imported.
func (w *restoring) prove(ctx context.Context) error {
	file := drill.Archive(w.copy) // the archive that was fetched
	if file == nil {
		return journal.ErrNotFound
	}
	return w.journal.Prove(ctx, backups.Proof{Set: w.copy.Set, SHA256: file.Opened().SHA256, Subject: backups.Set{w.copy}.Subject(), At: w.Clock.Now(), Run: w.spec.ID, On: w.q.Device, Verdict: backups.Proven})
}

// restoreOf turns the journal's record of a restore into a report.
func restoreOf(r journal.Restore) *report.Restore {
	out := &report.Restore{Run: r.Run, Device: r.Device, Domain: r.Domain, Set: r.Set, Archive: r.Shown, WayBack: r.WayBack, By: r.By, Reason: r.Reason, Emergency: r.Emergency,
		Began: r.Began, Ended: r.Ended, End: r.End, Why: r.Why, Pending: restore.End(r.End).Pending()}
	var steps []restore.Step
	if err := json.Unmarshal(r.Steps, &steps); err != nil && len(r.Steps) > 0 {
		out.Why = strings.TrimPrefix(out.Why+"; its phases cannot be read", "; ")
	}
	for _, s := range steps {
		out.Steps = append(out.Steps, report.RestoreStep{Phase: string(s.Phase), Time: s.Time, Answer: string(s.Kind), Why: s.Why})
	}
	return out
}

// setsOfRestores returns the sets that pending restores may need: the way back,
// and the set to restore again. It returns an error if a pending file cannot be
// read.
func (r *Runner) setsOfRestores() (map[string]bool, error) {
	owed, damaged, err := r.pending.List()
	if err == nil && len(damaged) > 0 {
		err = damaged[0]
	}
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, o := range owed {
		if o.Kind != pending.Restore {
			continue
		}
		of, err := record.RestoreOf(o)
		if err != nil {
			return nil, err
		}
		out[of.WayBackSet], out[of.Set] = true, true
	}
	return out, nil
}
