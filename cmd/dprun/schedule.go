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
	c := &cobra.Command{Use: "schedule", Short: "Show when plans are due"}
	c.AddCommand(a.scheduleListCommand())
	return c
}

func (a *app) scheduleListCommand() *cobra.Command {
	var src source
	var next int
	c := &cobra.Command{
		Use:   "list FILE|DIR",
		Short: "Show when the plans of a file are due next",
		Long: "Shows the schedules of each plan, and when `dprun serve` starts it next, on the nights of both clock changes too. Nothing is contacted and no\n" +
			"secret is read.\n\nExit codes: 0 the plan is valid, 10 it is not, 11 a plugin is missing or broken.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			if next < 1 || next > 10000 {
				return &usageError{err: errors.New("--next is a number from 1 to 10000")}
			}
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			plugins := a.plugins(v)
			defer plugins.Close() //nolint:errcheck // nothing is lost
			found, ds, err := plugins.Schedules(ctx, runner.SchedulesRequest{Source: from, Plan: src.plan, Next: next, Now: time.Now()})
			v.Diagnostics(ds)
			if err != nil {
				return misused(err)
			}
			if ds.HasErrors() {
				return a.told(v, runner.Invalid(ds))
			}
			for _, s := range found {
				v.Schedule(s)
			}
			return nil
		}),
	}
	src.variables(c.Flags())
	c.Flags().StringVar(&src.plan, "plan", "", "which plan, when the file has several; without it all of them")
	c.Flags().IntVar(&next, "next", 10, "how many times of each plan")
	a.planFile(c, &src)
	return c
}
