package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) sweepCommand() *cobra.Command {
	var src source
	older := age(7 * day)
	c := &cobra.Command{
		Use:   "sweep FILE|DIR",
		Short: "Remove temporary files that broken stores left at destinations",
		Long: "Removes the temporary files (.dprun-….part) that stores left at the plan's destinations when they did not end well, whoever made them.\n" +
			"dprun removes those of this state directory's runs by itself; this command is for those of others. Backups are not touched, and no\n" +
			"device is contacted. A store in progress changes its file all the time: keep --older-than well above the time that a store takes.",
		Args: planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			swept, res, err := r.Sweep(ctx, runner.SweepRequest{Source: from, Plan: src.plan, OlderThan: time.Duration(older)})
			return ended(v, res, err, swept...)
		}),
	}
	a.planFile(c, &src)
	c.Flags().Var(&older, "older-than", "remove files that were last changed longer ago than this")
	return c
}
