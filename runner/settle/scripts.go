package settle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/failure"
)

// Scripts runs the pending scripts of ended runs from their own rows: first those of
// tasks, then those of plans. The caller holds the locks of the runs.
//
// As in a run, a script is recorded as started before it starts. A script that was
// started before with an unknown outcome is not run again.
func (s *Settler) Scripts(ctx context.Context, owed []pending.Obligation) error {
	if len(owed) == 0 {
		return nil
	}
	order := []string{lifecycle.OwedAfterUnquiesce, lifecycle.OwedPostScript, lifecycle.OwedPlanPostScript}
	slices.SortStableFunc(owed, func(a, b pending.Obligation) int {
		return cmp.Compare(slices.Index(order, a.ID), slices.Index(order, b.ID))
	})
	ctx, stop := s.stoppable(ctx)
	defer stop()
	var errs []error
	for _, o := range owed {
		if err := s.runScript(ctx, o); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// stoppable ends a context at the first signal. A script may take long, and here no
// machine handles the signal.
func (s *Settler) stoppable(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	deaf := listen.To(s.Requests, func(name string) bool {
		s.Asked(name)
		cancel()
		return false
	})
	return ctx, func() {
		deaf()
		cancel()
	}
}

// runScript runs one script, or notes why it still waits. Its error is that of the
// journal.
func (s *Settler) runScript(ctx context.Context, o pending.Obligation) error {
	if ctx.Err() != nil {
		return nil // asked to stop: the script stays pending
	}
	row, err := record.ScriptOf(o)
	if err != nil {
		s.noteTrouble(ctx, o, err)
		return nil
	}
	job, why, err := s.scriptJob(ctx, o, row)
	if err != nil {
		return err
	}
	if why != nil {
		s.noteTrouble(ctx, o, why)
		return nil
	}
	begun, err := s.begunAlready(ctx, o, job.Action.String())
	if err != nil {
		s.noteTrouble(ctx, o, fmt.Errorf("it is not known whether the script was started before: %w", err))
		return nil
	}
	if begun {
		s.Log.Warn("a script was started before an interruption and its outcome is unknown: it is not run again; look whether it did its work", "run", o.Run, "script", o.Script, "for", o.Where())
		return s.Done(ctx, o)
	}
	secrets := s.Secrets()
	e, err := row.Open(secrets, string(job.Action.Outcome))
	if err == nil {
		err = s.configurable(ctx, e)
	}
	if err != nil {
		s.noteTrouble(ctx, o, fmt.Errorf("script %s was not run: %w", o.Script, err))
		return nil
	}
	return s.doScript(ctx, o, row, secrets, job)
}

// scriptJob returns the executor's job, or the reason why the script must wait.
func (s *Settler) scriptJob(ctx context.Context, o pending.Obligation, row record.Script) (job engine.Job, why, err error) {
	hook := lifecycle.HookOf(o.ID)
	job = engine.Job{Notify: func(event.Notice) {}, Progress: func(int64, int64) {}, Action: lifecycle.Action{
		ActionID: lifecycle.ActionID{Kind: lifecycle.ActScript, Target: hook}, Task: o.Task, Script: o.Script, Hook: hook, Timeout: row.Timeout, Device: o.Device, Domain: o.Domain}}
	all, err := s.Outstanding(ctx)
	if err != nil {
		return job, nil, err
	}
	for _, other := range all {
		if other.Kind == pending.Unquiesce && other.Run == o.Run && (o.Task == "" || other.Task == o.Task) {
			return job, fmt.Errorf("script %s waits until %s is back in service", o.Script, other.Where()), nil
		}
	}
	if s.Journal == nil {
		if !again(o) {
			return job, fmt.Errorf("script %s waits until the journal can be written: it must not be run twice", o.Script), nil
		}
		ofTask(&job, o, row)
		return job, nil, nil
	}
	statuses, err := s.Journal.History(ctx, o.Run, o.Task)
	if err != nil {
		return job, nil, err
	}
	if n := len(statuses); n > 0 && !again(o) {
		job.Action.Outcome, job.Action.OutcomeMessage = status.Code(statuses[n-1].Code), statuses[n-1].Message
	}
	if o.Task != "" {
		ofTask(&job, o, row)
		return job, nil, nil
	}
	run, err := s.Journal.Run(ctx, o.Run)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return job, nil, err
	}
	job.Types, job.Action.Outcome = row.Types, status.Code(run.Code)
	if statuses, err = s.Journal.Statuses(ctx, o.Run); err != nil {
		return job, nil, err
	}
	for _, st := range statuses {
		if st.Final && st.Task != "" {
			job.Results = append(job.Results, st)
		}
	}
	return job, nil, nil
}

// ofTask adds the task of a pending script to a job.
func ofTask(job *engine.Job, o pending.Obligation, row record.Script) {
	job.Task = &lifecycle.TaskSpec{ID: o.Task, Run: o.Run, Plan: row.Plan, Device: o.Device, Domain: o.Domain,
		Activity: lifecycle.Activity{Name: row.Activity, Type: row.ActivityType}}
	job.Prepared = &event.Prepared{Stamp: row.Stamp}
}

// again reports whether a pending script is run until it succeeds. That applies to a
// script that leads traffic back. Every other script is started once.
func again(o pending.Obligation) bool { return o.ID == lifecycle.OwedAfterUnquiesce }

// begunAlready reports whether a script was started and its end is unknown.
func (s *Settler) begunAlready(ctx context.Context, o pending.Obligation, action string) (begun bool, err error) {
	if again(o) {
		return false, nil
	}
	return s.Journal.Begun(ctx, o.Key, action)
}

// notBegun reports whether a failed script did not even start.
func notBegun(f *failure.Error) bool { return f != nil && f.Reason == failure.NotExecutable }

// configurable reports whether the plugin accepts the configuration.
func (s *Settler) configurable(ctx context.Context, e execute.Endpoint) error {
	h, err := s.Plugins.Hook(ctx, e.Type, e.Config)
	if err != nil {
		return err
	}
	return h.Close()
}

// doScript runs a script once and enters its end in the journal.
func (s *Settler) doScript(ctx context.Context, o pending.Obligation, row record.Script, secrets *record.Secrets, job engine.Job) error {
	exec := s.Executor(o.Run, row.Plan, row.Dir, row.Alone(o, secrets))
	defer exec.Close()
	ev := event.Event{V: event.Version, Time: s.Clock.Now(), Kind: event.Started, Task: o.Task, Action: job.Action.String()}
	if err := s.appendScript(ctx, o, ev); err != nil {
		return err
	}
	res, err := exec.Do(ctx, job)
	ev.Time, ev.Kind, ev.Result, ev.Failure = s.Clock.Now(), event.Finished, res, failure.From(err)
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil && res.Script.ExitCode != 0:
		err = fmt.Errorf("script %s returned %d; dprun runs logs %s shows what it printed", o.Script, res.Script.ExitCode, o.Run)
	case err != nil:
		err = fmt.Errorf("script %s: %w", o.Script, err)
	}
	if err != nil && (again(o) || notBegun(ev.Failure)) {
		s.noteTrouble(ctx, o, err)
		return s.appendScript(ctx, o, ev)
	}
	if err != nil {
		s.Log.Warn("a pending script failed; it is not run again: do by hand what it was to do", "run", o.Run, "script", o.Script, "for", o.Where(), "error", err)
	}
	return errors.Join(s.appendScript(ctx, o, ev), s.Done(ctx, o))
}

// appendScript enters the start or the end of a pending script in the journal. A script
// that may be run again needs no entry.
func (s *Settler) appendScript(ctx context.Context, o pending.Obligation, ev event.Event) error {
	if s.Journal == nil {
		return nil // only scripts that may be run again reach this
	}
	if err := s.Journal.Append(ctx, o.Run, journal.Batch{Scripts: record.ScriptsOf([]event.Event{ev})}); err != nil && !again(o) {
		return err
	}
	return nil
}
