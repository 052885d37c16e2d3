package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk"
)

// Recover finishes the runs whose process is gone, and tries to pay what
// ended runs still owe.
func (r *Runner) Recover(ctx context.Context) (*Result, error) {
	r.plugins.warn()
	res := &Result{}
	_, err := r.recover(ctx, res)
	return res, err
}

// recover finishes dead runs and notes in res what is still owed after that.
// tried are the unfinished runs that no other process works on.
func (r *Runner) recover(ctx context.Context, res *Result) (tried map[string]bool, err error) {
	runs, err := r.journal.UnfinishedRuns(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	tried = map[string]bool{}
	var errs []error
	for _, run := range runs { // one that cannot be finished keeps no other from it
		s, by, err := r.recoverRun(ctx, run)
		tried[run.ID] = by == nil
		if err != nil {
			errs = append(errs, err)
		}
		if s != nil {
			res.Recovered = append(res.Recovered, *s)
		}
	}
	errs = append(errs, r.payRemaining(ctx), r.noteOwed(ctx, res))
	return tried, errors.Join(errs...)
}

// recoverRun finishes one run whose process is gone. One that a live process
// owns is left alone: by says which.
func (r *Runner) recoverRun(ctx context.Context, run journal.Run) (_ *event.Summary, by *lock.Info, err error) {
	held, by, err := r.own(ctx, run.ID, ownerLeaves, working)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil, &Error{ExitBug, err}
	case err != nil: // devices do not wait for locks that cannot be had
		return nil, nil, errors.Join(&Error{ExitBug, err}, r.settleUnheld(ctx, run.ID))
	case by != nil:
		if by.Recovery {
			r.Log.Warn("the run is being recovered by another process: wait for that to end", "run", run.ID, "process", by.PID)
		}
		return nil, by, nil
	case held == nil:
		return nil, nil, r.settleLocked(ctx, run.ID)
	}
	defer func() { _ = held.Release() }()
	s, err := r.finish(ctx, run, held)
	return s, nil, err
}

// finish replays a run whose lock is held and lets the machine finish it.
func (r *Runner) finish(ctx context.Context, run journal.Run, held *lock.Lock) (*event.Summary, error) {
	again, err := r.journal.Run(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	if again.State == journal.Finished {
		return nil, nil // while we waited
	}
	owed, err := r.journal.Obligations(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	if _, rest := r.readable(owed); len(rest) > 0 { // stays unfinished until all of it can be paid
		return nil, r.settleRun(ctx, owed)
	}
	host, _ := os.Hostname()
	if err := r.journal.Adopt(ctx, run.ID, host, os.Getpid()); err != nil {
		return nil, &Error{ExitBug, err}
	}
	r.Sink.Run(event.RunInfo{Run: run.ID, Plan: run.Plan, Started: run.Started, Recovery: true})
	var rec record
	machine, err := r.replay(ctx, run, &rec)
	if err != nil {
		r.Log.Warn("the run cannot be finished as it was begun: its tasks are ended, and what it owes is done without it; `dprun owed` lists what is left", "run", run.ID, "error", err)
		return r.closeUnreplayed(ctx, run)
	}
	plugins := r.startHost(held)
	defer func() { _ = plugins.Close() }()
	x := &recorded{rec: rec, owed: owed, secrets: r.fresh()}
	s, err := r.drive(ctx, machine, plugins, x, &book{journal: r.journal, run: run.ID, machine: machine, record: rec}, event.Interrupted, run.Started)
	if machine.Cancelled() != "" {
		r.stopped = machine.Cancelled()
	}
	return s, err
}

// settleLocked pays what a run owes whose process is gone while something that
// it started hangs and keeps its lock: devices do not wait for that.
func (r *Runner) settleLocked(ctx context.Context, run string) error {
	file := r.locks.Path(lock.RunKey(run))
	r.Log.Warn("the process of a run is gone, and something that it started does not end: its devices are brought back now, and the rest is done by "+
		"`dprun recover` when that is ended; fuser names it", "run", run, "find it with", "fuser -v "+quoted(file))
	return r.settleUnheld(ctx, run)
}

// settleUnheld pays what a run owes to devices, without the run's lock.
func (r *Runner) settleUnheld(ctx context.Context, run string) error {
	owed, err := r.journal.Obligations(ctx, run)
	if err != nil {
		return &Error{ExitBug, err}
	}
	return r.settleRun(ctx, owed)
}

// settleRun pays what can be paid of what an unfinished run owes.
func (r *Runner) settleRun(ctx context.Context, owed []journal.Obligation) error {
	payable, rest := r.readable(owed)
	for o, why := range rest {
		r.noteAttempt(ctx, o, why)
	}
	return r.settle(ctx, payable, nil)
}

// fresh reads secrets anew: what was right when the run began may have changed.
func (r *Runner) fresh() *rereader {
	return &rereader{environ: r.Environ, redact: &r.redact, log: r.Log, stores: map[string]*secret.Store{}}
}

// readable tells the obligations whose secrets can be read from those that
// cannot be paid, and why. Scripts say by themselves that they cannot be run.
func (r *Runner) readable(owed []journal.Obligation) (payable []journal.Obligation, rest map[pending.Key]error) {
	rest = map[pending.Key]error{}
	for _, o := range owed {
		if o.Kind == pending.PostScript || !o.PaidAt.IsZero() {
			continue
		}
		if _, err := r.endpointOf(o); err != nil {
			rest[o.Key] = err
			continue
		}
		payable = append(payable, o)
	}
	return payable, rest
}

// paidBefore answers what would pay an obligation that was paid already, from
// its own row, while the run could not be finished.
type paidBefore struct {
	engine.Executor
	owed []journal.Obligation
}

// Do implements [engine.Executor].
func (x *paidBefore) Do(ctx context.Context, j engine.Job) (*event.Result, error) {
	for _, o := range x.owed {
		if o.PaidAt.IsZero() || o.Task != j.Action.Task || !j.Action.Owed() {
			continue
		}
		if (o.Kind == pending.Discard) == (j.Action.Kind == lifecycle.ActDiscard) && o.Token == j.Action.Token {
			return &event.Result{Quiesce: &sdk.QuiesceReport{State: sdk.StateNormal}}, nil
		}
	}
	return x.Executor.Do(ctx, j)
}

var errReplayDiffers = errors.New("the replay gives another history than was recorded")

// replay folds a run's events and compares with what was recorded.
func (r *Runner) replay(ctx context.Context, run journal.Run, rec *record) (_ *lifecycle.Run, err error) {
	defer func() {
		if p := recover(); p != nil { // what ended the process may be in the events
			err = fmt.Errorf("the replay fails: %v", p)
		}
	}()
	if err := json.Unmarshal(run.Spec, rec); err != nil {
		return nil, fmt.Errorf("read its record: %w", err)
	}
	if run.MachineVersion != lifecycle.MachineVersion {
		return nil, fmt.Errorf("another version of dprun has begun it (machine version %d, and this one's is %d)", run.MachineVersion, lifecycle.MachineVersion)
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
		Message: "the run was interrupted and cannot be finished as it was begun; what it owes is done without it (`dprun owed` lists what is left); run the plan again"}
	var out journal.Batch
	end := func(t journal.Task, code lifecycle.Code) error {
		h, err := r.journal.History(ctx, run.ID, t.ID)
		out.Statuses = append(out.Statuses, event.Status{V: event.Version, Run: run.ID, Task: t.ID, Seq: len(h) + 1, Plan: run.Plan, Activity: t.Activity,
			Device: t.Device, Domain: t.Domain, Code: string(code), Final: true, Time: now, Message: s.Message})
		return err
	}
	for _, t := range tasks {
		if t.Final {
			continue
		}
		if err := end(t, lifecycle.RecoveredObligationsPaid); err != nil {
			return nil, &Error{ExitBug, err}
		}
		s.Failed++
		s.Tasks = append(s.Tasks, event.TaskResult{Task: t.ID, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: string(lifecycle.RecoveredObligationsPaid), Message: s.Message})
	}
	if err := end(journal.Task{}, lifecycle.RunInterrupted); err != nil { // the run itself
		return nil, &Error{ExitBug, err}
	}
	if _, err := r.journal.Append(ctx, run.ID, out); err != nil {
		return nil, &Error{ExitBug, err}
	}
	for _, ended := range out.Statuses {
		r.Sink.Status(ended)
	}
	if err := r.journal.FinishRun(ctx, run.ID, journal.End{Time: now, ExitCode: 1, Code: s.Code}); err != nil {
		return nil, &Error{ExitBug, err}
	}
	r.Sink.Summary(*s)
	return s, nil
}
