package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) holdCommand() *cobra.Command {
	var q runner.HoldRequest
	c := &cobra.Command{
		Use:   "hold",
		Short: "Stop quiesces for the fleet, until a person allows them again",
		Long: "Stops every quiesce of all runs with this state directory, until `dprun hold --release`. Tasks that would quiesce end in\n" +
			"EXECUTION_CANCELED_BECAUSE_QUIESCE_IS_ON_HOLD; tasks without a quiesce go on. What is already quiesced is brought back as always.\n" +
			"`dprun owed` shows the hold: who set it, when and why.",
		Args: arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) error {
			return a.with(v, func(r *runner.Runner) error {
				h, err := r.Hold(ctx, q)
				return show(v, h, err)
			})
		}),
	}
	c.Flags().StringVar(&q.Reason, "reason", "", "why, for everybody who sees the hold")
	c.Flags().BoolVar(&q.Release, "release", false, "allow quiesces again")
	c.MarkFlagsMutuallyExclusive("reason", "release")
	return c
}
