package main

import (
	"context"
	"errors"
	"iter"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{Use: "runs", Short: "Look at earlier runs"}
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsLogsCommand(), a.runsPruneCommand())
	return c
}

// past is what a state directory tells of what was, or a server of its own.
type past interface {
	Runs(ctx context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error]
	Run(ctx context.Context, ref string) (report.RunDetail, error)
	Logs(ctx context.Context, q runner.LogsRequest) iter.Seq2[event.Log, error]
	Backups(ctx context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error]
}

// lookAnywhere makes a command that looks back here or at a server.
func (a *app) lookAnywhere(do func(ctx context.Context, v view.View, h past, args []string) error) func(*cobra.Command, []string) error {
	return a.hereOrThere(a.lookBack(func(ctx context.Context, v view.View, h *runner.History, args []string) error {
		return do(ctx, v, h, args)
	}),
		func(ctx context.Context, v view.View, c *remote.Client, args []string) error {
			return do(ctx, v, c, args)
		})
}

// lookBack makes a command that looks back. What it is asked and there is not
// is a wrong command line.
func (a *app) lookBack(do func(ctx context.Context, v view.View, h *runner.History, args []string) error) func(*cobra.Command, []string) error {
	return a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
		dir, err := a.state()
		if err != nil {
			return &usageError{err: err}
		}
		h, err := runner.OpenHistory(dir)
		if err != nil {
			return err
		}
		defer closing(h, &err)
		return misused(do(ctx, v, h, args))
	})
}

// misused makes a wrong command line of a use case's error that is one.
func misused(err error) error {
	if e := new(runner.Error); errors.As(err, &e) && e.ExitCode == runner.ExitUsage {
		return &usageError{err: err}
	}
	return err
}

// all collects what a use case gives one by one: a table has to be measured.
func all[T any](items iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func (a *app) runsListCommand() *cobra.Command {
	var q runner.RunsRequest
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Args:  arguments(0, 0),
		RunE: a.lookAnywhere(func(ctx context.Context, v view.View, h past, _ []string) error {
			if err := notNegative("limit", q.Limit); err != nil {
				return err
			}
			runs, err := all(h.Runs(ctx, q))
			return show(v, runs, err)
		}),
	}
	c.Flags().IntVar(&q.Limit, "limit", 20, "how many; 0: all")
	c.Flags().StringVar(&q.Plan, "plan", "", "only runs of this plan")
	return alsoRemote(c, "limit", "plan")
}

func (a *app) runsShowCommand() *cobra.Command {
	return alsoRemote(&cobra.Command{
		Use:   "show RUN",
		Short: "Show a run with every task's history",
		Long:  "Shows a run with every task's history. RUN is the ID of a run, the beginning of it, or latest.",
		Args:  arguments(1, 1),

		ValidArgsFunction: a.runNames(false),
		RunE: a.lookAnywhere(func(ctx context.Context, v view.View, h past, args []string) error {
			d, err := h.Run(ctx, args[0])
			if err != nil {
				return err
			}
			tasks := d.Details
			d.Details = func(yield func(report.Task, error) bool) {
				for t, failed := range tasks {
					if err = failed; err != nil || !yield(t, nil) {
						return
					}
				}
			}
			v.Show(d)
			return err
		}),
	})
}

func (a *app) runsLogsCommand() *cobra.Command {
	var q runner.LogsRequest
	c := &cobra.Command{
		Use:   "logs RUN [TASK]",
		Short: "Show what scripts and plugins printed during a run",
		Long:  "Shows the last lines that scripts and plugins printed, for one task, or for the run and all its tasks.",
		Args:  arguments(1, 2),

		ValidArgsFunction: a.runNames(true),
		RunE: a.lookAnywhere(func(ctx context.Context, v view.View, h past, args []string) error {
			if err := notNegative("limit", q.Limit); err != nil {
				return err
			}
			if q.Run = args[0]; len(args) > 1 {
				q.Task = args[1]
			}
			logs, err := all(h.Logs(ctx, q))
			return show(v, logs, err)
		}),
	}
	c.Flags().IntVar(&q.Limit, "limit", 0, "how many lines of each task; 0: all that is kept")
	return alsoRemote(c, "limit")
}
