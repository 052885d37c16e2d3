package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) coverageCommand() *cobra.Command {
	var src source
	var keys runner.Keys
	most := age(26 * time.Hour)
	c := &cobra.Command{
		Use:   "coverage FILE|DIR",
		Short: "Show which devices and domains have a recent good backup, and which have none",
		Long: "Shows the last good set of everything that a plan should back up. For each device and domain of each activity it says how old the set\n" +
			"is, how many copies are whole, and how they were verified. It knows the domains of a device from earlier runs: nothing is contacted,\n" +
			"and no secret is read. What is never backed up, such as a domain of API Connect, is listed with the reason.\n\n" +
			"With --identity a backup counts only if one of the given keys opens a copy of it. The manifest says for whom a copy is encrypted.\n\n" +
			"The exit code is 3 if something has no good set, or if its last one is older than --max-age or cannot be opened.",
		Args: planArg,
		RunE: a.hereOrThere(a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			covered, res, err := r.Coverage(ctx, runner.CoverageRequest{Source: from, Plan: src.plan, MaxAge: time.Duration(most), Keys: keys})
			return ended(v, res, err, some(covered)...)
		}), func(ctx context.Context, v view.View, c *remote.Client, args []string) error {
			covered, res, err := c.Coverage(ctx, remote.CoverageRequest{PlanRef: remote.PlanRef{Name: args[0], Plan: src.plan}, MaxAge: time.Duration(most)})
			return ended(v, res, err, some(covered)...)
		}),
	}
	a.planFile(c, &src)
	c.Flags().Var(&most, "max-age", "how old the last good set may be, such as 26h or 8d")
	a.identityFlag(c, &keys)
	c.Flags().BoolVar(&a.all, "all", false, "show also what has a good backup, however much there is; else more than 40 are only counted")
	return alsoRemote(c, "plan", "max-age", "all")
}
