package runner

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/permit"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/runner/status"
)

// groupFor is the time for which events wait to be committed together. A task has
// a dozen events that nothing depends on, and each commit syncs the disk.
const groupFor = 10 * time.Millisecond

// drive runs a machine with an executor and a journal, then closes the run. It
// closes the run after a panic too: then the pending files alone say what must be
// undone, and no recovery replays the run into the same fault.
func (r *operation) drive(ctx context.Context, machine *lifecycle.Run, host *pluginhost.Host, x execute.Plan, keys *signing.Keys, b *record.Writer, first event.Event, started time.Time) (_ *event.Summary, err error) {
	spec := machine.Spec()
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("internal error of dprun", "run", spec.ID, "panic", p, "stack", string(debug.Stack()))
			body, _ := json.Marshal(b.Record) // as it was entered in the journal
			_, closing := r.closeUnreplayed(context.WithoutCancel(ctx), journal.Run{ID: spec.ID, Plan: spec.Plan, Started: started, Spec: body})
			err = errors.Join(errorf(ExitBug, "internal error in run %s: %v; the run was ended there, and dprun undoes separately what it left: see `dprun owed`, then `dprun recover`", spec.ID, p), closing)
		}
	}()
	desk := &permit.Desk{Journal: r.journal, Pending: r.pending, Clock: r.Clock, Log: r.Log, Record: b.Record}
	exec := r.executor(spec.ID, spec.Plan, b.Record.Dir, x, host, desk)
	if exec.Credentials, err = r.credentials(r.journal); err != nil {
		return nil, &Error{ExitBug, err}
	}
	exec.Keys = keys
	if exec.StateID, err = r.state.ID(); err != nil {
		return nil, &Error{ExitBug, err}
	}
	sweeping := r.beginSweep(ctx, exec, machine, b.Record.Dir, first.Kind)
	var dropping sync.WaitGroup // runs beside the machine, because large files take their time to remove
	defer func() {
		dropping.Wait()
		if err := r.staging.EndRun(spec.ID); err != nil {
			r.Log.Warn("empty directories in staging could not be removed", "run", spec.ID, "error", err)
		}
	}()
	b.Succeeded = func(task string) { dropping.Go(func() { r.dropStaged(spec.ID, task) }) }
	told := r.notifier(ctx, b.Record, started, exec.Notify)
	exit := engine.New(engine.Options{Run: machine, Executor: exec, Journal: r.guarded.journal(b), Clock: r.Clock, Sink: told.sink(r.sink), Log: r.Log, Signals: r.requests,
		Group: r.Group}).Run(r.asked(ctx), first)
	sweeping.Wait()
	s := summarize(machine, exit, started, r.Clock.Now())
	s.Evidence = r.witnessRun(context.WithoutCancel(ctx), exec, host, keys, b.Record, first.Kind, s) // before the run is over, so that no finished run lacks a record
	r.sweepOwn(context.WithoutCancel(ctx), exec, spec.ID, b.Record.Dir)
	exec.Close()
	desk.Close()
	r.lines.flush()
	err = r.journal.FinishRun(context.WithoutCancel(ctx), spec.ID, journal.End{Time: s.Ended, ExitCode: exit, Code: s.Code, Neutral: neutralCodes()})
	if err != nil {
		r.Log.Error("the run's end could not be written down", "run", spec.ID, "error", err)
		s.ExitCode = graverExit(ExitBug, s.ExitCode)
	}
	if first.Kind == event.RunStarted { // the process ends with this run
		r.noteProcess(ctx, s)
	}
	r.tellEnd(told, s)
	r.lines.flush()
	r.sink.Summary(*s)
	return s, nil
}

// asked returns a context that has ended if a signal came while gateways were
// being brought back: the run that is being finished must stop as well.
func (r *operation) asked(ctx context.Context) context.Context {
	if r.stopped == "" {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errors.New(r.stopped))
	return ctx
}

// dropStaged removes the staged files of a task that no longer needs them: its
// copies are verified, and the journal says so. The files of a failed task stay.
func (r *Runner) dropStaged(run, task string) {
	if err := r.staging.Remove(run, task); err != nil {
		r.Log.Warn("staged files could not be removed", "run", run, "task", task, "error", err)
	}
}

// executor returns the executor of a run's actions.
func (r *operation) executor(run, plan, dir string, answers execute.Plan, host *pluginhost.Host, permits execute.Permits) *execute.Executor {
	var locks execute.Locks = deviceLocks{r.locks, run}
	if r.alone {
		locks = noLocks{}
	}
	return execute.New(execute.Options{Run: run, PlanName: plan, Version: r.Version, Dir: dir, Plan: answers, Plugins: host, Staging: r.staging,
		Locks: locks, Permits: permits, Clock: r.Clock, Redact: &r.redact, Log: r.Log,
		Output: func(task, stream, text string) { r.output(run, task, stream, text) }})
}

// output publishes and keeps a line of output.
func (r *operation) output(run, task, stream, text string) {
	l := event.Log{Run: run, Task: task, Time: r.Clock.Now(), Stream: stream, Text: text}
	r.sink.Log(l)
	r.lines.add(l)
}

// neutralCodes returns the codes of tasks that do not make a run less good.
func neutralCodes() []string {
	var out []string
	for _, e := range status.Catalogue() {
		if e.Neutral || e.Gone() {
			out = append(out, string(e.Code))
		}
	}
	return out
}

// summarize counts and lists the tasks of a run that has ended.
func summarize(machine *lifecycle.Run, exit int, started, ended time.Time) *event.Summary {
	spec := machine.Spec()
	s := &event.Summary{Run: spec.ID, Plan: spec.Plan, Only: spec.Only, ExitCode: exit, Started: started, Ended: ended}
	if v := machine.Verdict(); v != nil {
		s.Code, s.Message = v.Code, v.Message
	}
	for _, t := range machine.Tasks() {
		f := t.Final()
		if f == nil {
			continue
		}
		res := event.TaskResult{Task: f.Task, Activity: f.Activity, Device: f.Device, Domain: f.Domain, Code: f.Code, Message: f.Message,
			Causes: f.Causes, Warnings: f.Warnings, Files: t.Locations()}
		if at := t.Started(); !at.IsZero() {
			res.Duration = f.Time.Sub(at)
		}
		res.Bytes, res.Withheld = t.Bytes(), t.Withheld()
		s.Bytes, s.Withheld = s.Bytes+res.Bytes, s.Withheld+res.Withheld
		switch e, _ := status.Lookup(status.Code(f.Code)); e.Class {
		case status.ClassSuccess:
			s.Succeeded++
		case status.ClassSkipped:
			s.Skipped++
		case status.ClassCancelled:
			s.Cancelled++
		default:
			s.Failed++
		}
		s.Tasks = append(s.Tasks, res)
	}
	return s
}
