package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) backupsPruneCommand() *cobra.Command {
	var src source
	var q runner.PruneBackupsRequest
	c := &cobra.Command{
		Use:   "prune FILE|DIR",
		Short: "Delete the backups that a plan's retention does not keep",
		Long: "Deletes the sets that a plan's retention does not keep, at each of its destinations: the manifest first, then the files. Only good\n" +
			"sets count. Ages count from the newest good set, and that one is never deleted. No device is contacted.\n\n" +
			"A set that somebody is reading is left for the next prune. If a prune is interrupted, the next one finishes it. If a destination\n" +
			"refuses a delete, the set stays as it is, and the exit code is 3.\n\n" +
			"With --dry-run it deletes nothing, and lists what would go, what would stay, and why.",
		Args: planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan = from, src.plan
			pruned, res, err := r.PruneBackups(ctx, q)
			return ended(v, res, err, pruned...)
		}),
	}
	c.Flags().BoolVar(&q.DryRun, "dry-run", false, "delete nothing, and list what would go and what would stay")
	a.planFile(c, &src)
	return c
}
