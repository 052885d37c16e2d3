package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

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

// past is the history that a state directory or a server holds.
type past interface {
	Runs(ctx context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error]
	Run(ctx context.Context, ref string) (report.RunDetail, error)
	Logs(ctx context.Context, q runner.LogsRequest) iter.Seq2[event.Log, error]
	Backups(ctx context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error]
}

// lookAnywhere makes a command that reads the history of this state directory or of a
// server.
func (a *app) lookAnywhere(do func(ctx context.Context, v view.View, h past, args []string) error) func(*cobra.Command, []string) error {
	return a.hereOrThere(a.lookBack(func(ctx context.Context, v view.View, h *runner.History, args []string) error {
		return do(ctx, v, h, args)
	}),
		func(ctx context.Context, v view.View, c *remote.Client, args []string) error {
			return do(ctx, v, c, args)
		})
}

// lookBack makes a command that reads the history of this state directory. If something
// that it is asked for does not exist, that is a wrong command line.
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

// misused turns an error with the exit code for wrong usage into a usageError, and
// returns others unchanged.
func misused(err error) error {
	if e := new(runner.Error); errors.As(err, &e) && e.ExitCode == runner.ExitUsage {
		return &usageError{err: err}
	}
	return err
}

// all collects the items of a use case: a table needs all of them to measure its
// columns.
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

func (a *app) verifyCommand() *cobra.Command {
	verify := &cobra.Command{Use: "verify", Short: "Check what was stored"}
	var keys runner.Keys
	archives := &cobra.Command{
		Use:   "archive PATH...",
		Short: "Check gateway exports, secure backups and whole directories of them",
		Args:  arguments(1, -1),
		RunE: a.runE(func(ctx context.Context, v view.View, paths []string) error {
			exit, err := runner.Verify(ctx, runner.VerifyRequest{Paths: paths, Keys: keys, Found: view.Each[report.Archive](v)})
			if err != nil {
				return misused(err)
			}
			return status(exit)
		}),
	}
	a.identityFlag(archives, &keys)
	verify.AddCommand(archives)
	return verify
}

const day = 24 * time.Hour

// age is the value of a flag that takes a duration, also in days: 90d.
type age time.Duration

func (d *age) String() string {
	if n := time.Duration(*d); n%day == 0 {
		return fmt.Sprintf("%dd", n/day)
	}
	return time.Duration(*d).String()
}

func (d *age) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.Atoi(n)
		if err != nil || days < 0 || days > 36500 {
			return fmt.Errorf("%q is not a number of days", s)
		}
		*d = age(time.Duration(days) * day)
		return nil
	}
	n, err := time.ParseDuration(s)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a duration such as 90d or 12h", s)
	}
	*d = age(n)
	return nil
}

func (d *age) Type() string { return "duration" }

func (a *app) runsPruneCommand() *cobra.Command {
	runs, staged := age(90*day), age(7*day)
	var dry bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove old runs and what failed tasks left in staging",
		Args:  arguments(0, 0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, h *runner.History, _ []string) error {
			p, err := h.Prune(ctx, runner.PruneRequest{RunsOlderThan: time.Duration(runs), StagedOlderThan: time.Duration(staged), DryRun: dry})
			if p != nil {
				v.Show(*p)
			}
			return err
		}),
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "remove nothing, and list what would be")
	c.Flags().Var(&runs, "older-than", "remove runs that ended longer ago than this")
	c.Flags().Var(&staged, "staged-older-than", "remove staged files that are older than this")
	return c
}

func (a *app) sweepCommand() *cobra.Command {
	var src source
	older := age(7 * day)
	c := &cobra.Command{
		Use:   "sweep FILE|DIR",
		Short: "Remove temporary files that broken stores left at destinations",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			swept, res, err := r.Sweep(ctx, runner.SweepRequest{Source: from, Plan: src.plan, OlderThan: time.Duration(older)})
			return ended(v, res, err, swept...)
		}),
	}
	a.planFile(c, &src)
	c.Flags().Var(&older, "older-than", "remove files that were last changed longer ago than this")
	return c
}
