package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/runner/state"
)

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{Use: "runs", Short: "Look at earlier runs"}
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsLogsCommand(), a.runsPruneCommand())
	return c
}

// records is the journal and the staging area, for commands that look back.
type records struct {
	journal *journal.Journal
	staging *staging.Staging
}

func (r *records) Close() error { return errors.Join(r.staging.Close(), r.journal.Close()) }

// lookBack makes a command that reads the state directory. unopened says what
// it means for the command that the journal cannot be opened; nil: nothing.
func (a *app) lookBack(do func(ctx context.Context, v view.View, r *records, args []string) error, unopened func(*state.State) string) func(*cobra.Command, []string) error {
	return a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
		dir, err := a.state()
		if err != nil {
			return &usageError{err: err}
		}
		s, err := state.Open(dir)
		if err != nil {
			return &runner.Error{ExitCode: runner.ExitUsage, Err: err}
		}
		r := &records{}
		if r.journal, err = journal.Open(s.Journal()); err != nil {
			if unopened != nil {
				err = fmt.Errorf("%w. %s", err, unopened(s))
			}
			return &runner.Error{ExitCode: runner.ExitBug, Err: err}
		}
		if r.staging, err = staging.Open(s.Staging()); err != nil {
			return &runner.Error{ExitCode: runner.ExitBug, Err: errors.Join(err, r.journal.Close())}
		}
		defer closing(r, &err)
		return do(ctx, v, r, args)
	})
}

func (a *app) runsListCommand() *cobra.Command {
	var limit int
	var plan string
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Args:  arguments(0, 0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, r *records, _ []string) error {
			if err := notNegative("limit", limit); err != nil {
				return err
			}
			runs, err := r.journal.Runs(ctx, journal.Filter{Plan: plan}, limit)
			if err != nil {
				return err
			}
			rows := make([]view.RunRow, 0, len(runs))
			for _, run := range runs {
				row, _, err := r.row(ctx, run)
				if err != nil {
					return err
				}
				rows = append(rows, row)
			}
			v.Runs(rows)
			return nil
		}, nil),
	}
	c.Flags().IntVar(&limit, "limit", 20, "how many; 0: all")
	c.Flags().StringVar(&plan, "plan", "", "only runs of this plan")
	return c
}

// row sums a run up.
func (r *records) row(ctx context.Context, run journal.Run) (view.RunRow, []journal.Task, error) {
	row := view.RunRow{Run: run.ID, Plan: run.Plan, Narrowed: run.Partial, Code: run.Code, Final: run.State == journal.Finished, Started: run.Started, Ended: run.Ended}
	if row.Final {
		row.ExitCode = &run.ExitCode
	}
	if row.Code == "" {
		h, err := r.journal.History(ctx, run.ID, "")
		if err != nil {
			return row, nil, err
		}
		if len(h) > 0 {
			row.Code = h[len(h)-1].Code
		}
	}
	tasks, err := r.journal.Tasks(ctx, run.ID)
	if err != nil {
		return row, nil, err
	}
	row.Tasks = len(tasks)
	for _, t := range tasks {
		if t.Final && t.Code == string(lifecycle.Success) {
			row.Succeeded++
		}
	}
	return row, tasks, nil
}

func (a *app) runsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run with every task's history",
		Long:  "Shows a run with every task's history. RUN is a run's name, a beginning of it, or latest.",
		Args:  arguments(1, 1),

		ValidArgsFunction: a.runNames(false),
		RunE: a.lookBack(func(ctx context.Context, v view.View, r *records, args []string) error {
			run, err := r.find(ctx, args[0])
			if err != nil {
				return err
			}
			d, err := r.detail(ctx, run)
			if err != nil {
				return err
			}
			v.RunDetail(d)
			return nil
		}, nil),
	}
}

// find finds a run by name, beginning of a name, or latest.
func (r *records) find(ctx context.Context, ref string) (journal.Run, error) {
	run, err := r.journal.Run(ctx, ref)
	if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrAmbiguous) {
		return run, &usageError{err: err}
	}
	return run, err
}

// detail reads everything there is to show about a run.
func (r *records) detail(ctx context.Context, run journal.Run) (view.RunDetail, error) {
	row, tasks, err := r.row(ctx, run)
	if err != nil {
		return view.RunDetail{}, err
	}
	d := view.RunDetail{RunRow: row}
	if d.Only, err = runner.SelectionOf(run); err != nil {
		return d, err
	}
	statuses, err := r.journal.Statuses(ctx, run.ID)
	if err != nil {
		return d, err
	}
	histories := map[string][]event.Status{}
	for _, s := range statuses {
		histories[s.Task] = append(histories[s.Task], s)
	}
	files := map[string][]string{}
	for e, err := range r.journal.Events(ctx, run.ID) {
		if err != nil {
			return d, err
		}
		if e.Result != nil && e.Result.Store != nil {
			files[e.Task] = append(files[e.Task], e.Result.Store.Location)
		}
	}
	d.History = histories[""]
	for _, t := range tasks {
		d.Details = append(d.Details, view.TaskDetail{Run: run.ID, Task: t.ID, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: t.Code, Final: t.Final,
			Files: files[t.ID], History: histories[t.ID]})
	}
	staged, err := r.staging.List()
	if err != nil {
		return d, err
	}
	for _, e := range staged {
		if e.Run == run.ID {
			d.Staged = append(d.Staged, shown(e))
		}
	}
	return d, nil
}

func shown(e staging.Entry) view.Staged {
	return view.Staged{Run: e.Run, Task: e.Task, Path: e.Path, Files: e.Files, Bytes: e.Bytes}
}

// noTask says that a run has no such task, and which one may be meant.
func noTask(run, task string, all []string) error {
	err := fmt.Errorf("run %s has no task %q", run, task)
	if s := diag.Suggest(task, all); s != "" {
		return &usageError{err: fmt.Errorf("%w; did you mean %q?", err, s)}
	}
	return &usageError{err: fmt.Errorf("%w; `dprun runs show %s` lists its tasks", err, run)}
}

func (a *app) runsLogsCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "logs RUN [TASK]",
		Short: "Show what scripts and plugins printed during a run",
		Long:  "Shows the last lines that scripts and plugins printed, of one task or of the run and all its tasks.",
		Args:  arguments(1, 2),

		ValidArgsFunction: a.runNames(true),
		RunE: a.lookBack(func(ctx context.Context, v view.View, r *records, args []string) error {
			if err := notNegative("limit", limit); err != nil {
				return err
			}
			run, err := r.find(ctx, args[0])
			if err != nil {
				return err
			}
			tasks, err := r.journal.Tasks(ctx, run.ID)
			if err != nil {
				return err
			}
			of := []string{""}
			for _, t := range tasks {
				of = append(of, t.ID)
			}
			if len(args) > 1 {
				if !slices.Contains(of[1:], args[1]) {
					return noTask(run.ID, args[1], of[1:])
				}
				of = args[1:]
			}
			var all []event.Log
			for _, task := range of {
				logs, err := r.journal.Logs(ctx, run.ID, task, limit)
				if err != nil {
					return err
				}
				all = append(all, logs...)
			}
			v.Logs(all)
			return nil
		}, nil),
	}
	c.Flags().IntVar(&limit, "limit", 0, "how many lines of each task; 0: all that is kept")
	return c
}
