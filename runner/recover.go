package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/secret"
)

// ownerLeaves is how long the plugins of a killed run may take to notice and end.
const ownerLeaves = 10 * time.Second

// Recover finishes the runs whose process is gone, and tries to pay what
// ended runs still owe.
func (r *Runner) Recover(ctx context.Context) (*Result, error) {
	res := &Result{}
	if err := r.recover(ctx, res); err != nil {
		return res, err
	}
	return res, nil
}

// recover finishes dead runs and notes in res what is still owed after that.
func (r *Runner) recover(ctx context.Context, res *Result) error {
	runs, err := r.journal.UnfinishedRuns(ctx)
	if err != nil {
		return &Error{ExitBug, err}
	}
	for _, run := range runs {
		s, err := r.recoverRun(ctx, run)
		if err != nil {
			return err
		}
		if s != nil {
			res.Recovered = append(res.Recovered, *s)
		}
	}
	if err := r.payRemaining(ctx); err != nil {
		return err
	}
	return r.noteOwed(ctx, res)
}

// recoverRun replays one run and lets the machine finish it. A run that a
// live process owns is left alone.
func (r *Runner) recoverRun(ctx context.Context, run journal.Run) (*event.Summary, error) {
	wait, cancel := context.WithTimeout(ctx, ownerLeaves)
	defer cancel()
	held, err := r.locks.Acquire(wait, lock.RunKey(run.ID), lock.Exclusive, lock.Info{Run: run.ID}, func(holder lock.Info) {
		if alive(holder.PID) {
			cancel() // it is at work, not dying
		}
	})
	if err != nil {
		return nil, nil // somebody owns it
	}
	defer func() { _ = held.Release() }()
	if again, err := r.journal.Run(ctx, run.ID); err != nil || again.State == journal.Finished {
		return nil, nil // finished while we waited
	}
	owed, err := r.journal.Obligations(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	if !r.readable(ctx, owed) {
		return nil, nil // stays unfinished: what is owed cannot be paid yet
	}
	var rec record
	if err := json.Unmarshal(run.Spec, &rec); err != nil {
		return nil, &Error{ExitBug, fmt.Errorf("read the journal's record of run %s: %w", run.ID, err)}
	}
	host, _ := os.Hostname()
	if err := r.journal.Adopt(ctx, run.ID, host, os.Getpid()); err != nil {
		return nil, &Error{ExitBug, err}
	}
	r.Sink.Run(event.RunInfo{Run: run.ID, Plan: run.Plan, Started: run.Started, Recovery: true})
	machine, err := r.replay(ctx, run, rec)
	if err != nil {
		r.Log.Warn("the run cannot be replayed; what it owes is paid from its own rows", "run", run.ID, "error", err)
		return r.closeUnreplayed(ctx, run)
	}
	plugins, err := r.startHost(held)
	if err != nil {
		return nil, &Error{ExitPlugin, err}
	}
	defer func() { _ = plugins.Close() }()
	x := &recorded{rec: rec, owed: owed, secrets: r.fresh(), redact: &r.redact}
	return r.drive(ctx, machine, plugins, x, &book{journal: r.journal, run: run.ID, machine: machine, record: rec}, event.Interrupted, run.Started)
}

// fresh reads secrets anew: what was right when the run began may have changed.
func (r *Runner) fresh() *secret.Store { return secret.New("/", r.Environ, &r.redact) }

// readable reports whether every secret that paying needs can be read; what
// cannot be read is noted beside the obligation.
func (r *Runner) readable(ctx context.Context, owed []journal.Obligation) bool {
	ok := true
	for _, o := range owed {
		if o.Kind == journal.PostScript || !o.PaidAt.IsZero() {
			continue
		}
		var s sealed
		err := json.Unmarshal(o.Endpoint, &s)
		if err == nil {
			_, err = s.open(r.fresh(), &r.redact)
		}
		if err != nil {
			ok = false
			if err := r.journal.NoteAttempt(ctx, o.ObligationID, r.redact.Redact(err.Error()), time.Time{}); err != nil {
				r.Log.Error("an attempt could not be written down", "error", err)
			}
		}
	}
	return ok
}

var errReplayDiffers = errors.New("the replay gives another history than was recorded")

// replay folds a run's events and compares with what was recorded.
func (r *Runner) replay(ctx context.Context, run journal.Run, rec record) (*lifecycle.Run, error) {
	if run.MachineVersion != lifecycle.MachineVersion {
		return nil, fmt.Errorf("it was made by machine version %d, and this is %d", run.MachineVersion, lifecycle.MachineVersion)
	}
	machine := lifecycle.NewRun(rec.Spec)
	var statuses []event.Status
	for e, err := range r.journal.Events(ctx, run.ID) {
		if err != nil {
			return nil, err
		}
		statuses = append(statuses, machine.Apply(e)...)
	}
	recorded, err := r.journal.Statuses(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	if len(recorded) != len(statuses) {
		return nil, errReplayDiffers
	}
	counts := map[string]int{}
	for i := range recorded {
		counts[recorded[i].Task+" "+recorded[i].Code]++
		counts[statuses[i].Task+" "+statuses[i].Code]--
	}
	for _, n := range counts {
		if n != 0 {
			return nil, errReplayDiffers
		}
	}
	machine.Dirty()
	return machine, nil
}

// closeUnreplayed ends the tasks of a run whose events cannot be replayed.
func (r *Runner) closeUnreplayed(ctx context.Context, run journal.Run) (*event.Summary, error) {
	tasks, err := r.journal.Tasks(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	now := r.Clock.Now()
	s := &event.Summary{Run: run.ID, Plan: run.Plan, Code: string(lifecycle.RunInterrupted), ExitCode: 1, Started: run.Started, Ended: now,
		Message: "the run was interrupted and cannot be replayed; what it owes is paid from its own rows"}
	var out journal.Batch
	for _, t := range tasks {
		if t.Final {
			continue
		}
		h, err := r.journal.History(ctx, run.ID, t.ID)
		if err != nil {
			return nil, &Error{ExitBug, err}
		}
		out.Statuses = append(out.Statuses, event.Status{V: event.Version, Run: run.ID, Task: t.ID, Seq: len(h) + 1, Plan: run.Plan, Activity: t.Activity,
			Device: t.Device, Domain: t.Domain, Code: string(lifecycle.RecoveredObligationsPaid), Final: true, Time: now, Message: s.Message})
		s.Failed++
		s.Tasks = append(s.Tasks, event.TaskResult{Task: t.ID, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: string(lifecycle.RecoveredObligationsPaid), Message: s.Message})
	}
	if _, err := r.journal.Append(ctx, run.ID, out); err != nil {
		return nil, &Error{ExitBug, err}
	}
	if err := r.journal.FinishRun(ctx, run.ID, journal.End{Time: now, ExitCode: 1, Code: s.Code}); err != nil {
		return nil, &Error{ExitBug, err}
	}
	r.Sink.Summary(*s)
	return s, nil
}
