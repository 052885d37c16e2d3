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
		Long: "Looks through the plan's destinations and removes the temporary files (.dprun-….part) of stores that did not end well, whoever made\n" +
			"them. What the runs of this state directory left goes by itself; this is for what others left. Backups are not touched, and no\n" +
			"device is contacted. A store that is under way changes its file all the time: keep --older-than well above how long one takes.",
		Args: planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			swept, res, err := r.Sweep(ctx, runner.SweepRequest{Source: from, Plan: src.plan, OlderThan: time.Duration(older)})
			return ended(v, res, err, swept...)
		}),
	}
	a.planFile(c, &src)
	c.Flags().Var(&older, "older-than", "remove what was last changed longer ago than this")
	return c
}
