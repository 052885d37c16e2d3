package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) scheduleCommand() *cobra.Command {
	c := &cobra.Command{Use: "schedule", Short: "Show when plans are due, and what happened at those times"}
	c.AddCommand(a.scheduleListCommand(), a.schedulePastCommand())
	return c
}

func (a *app) scheduleListCommand() *cobra.Command {
	var src source
	var next int
	c := &cobra.Command{
		Use:   "list FILE|DIR",
		Short: "Show when the plans of a file are due next",
		Args:  planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			if next < 1 || next > 10000 {
				return &usageError{err: errors.New("--next is a number from 1 to 10000")}
			}
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			plugins := a.plugins(v)
			defer plugins.Close() //nolint:errcheck // closing loses nothing
			found, ds, err := plugins.Schedules(ctx, runner.SchedulesRequest{Source: from, Plan: src.plan, Next: next, Now: time.Now()})
			if err := a.valid(v, ds, err); err != nil {
				return err
			}
			for _, s := range found {
				v.Show(s)
			}
			return nil
		}),
	}
	c.Flags().IntVar(&next, "next", 10, "how many times of each plan")
	a.planFile(c, &src)
	c.Flags().Lookup("plan").Usage += "; without it all of them"
	return c
}

func (a *app) schedulePastCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "past",
		Short: "Show what happened when plans were due",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) error {
			if err := notNegative("limit", limit); err != nil {
				return err
			}
			return a.with(v, func(r *runner.Runner) error {
				found, err := r.Firings(ctx, limit)
				return show(v, found, err)
			})
		}),
	}
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return c
}
