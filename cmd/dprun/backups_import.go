package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) backupsImportCommand() *cobra.Command {
	var src source
	var q runner.ImportRequest
	var layout string
	c := &cobra.Command{
		Use:   "import FILE|DIR",
		Short: "Find the backups that stand at a plan's destinations",
		Long: "Reads every manifest at the destinations of a plan, and enters the sets that this state directory does not know. Use it after the\n" +
			"state directory was lost, or for sets from before it kept a list. No device is contacted, and no backup is changed.\n\n" +
			"Anybody who can write to a destination can put a manifest there. So a set that was found never replaces one that a run of this state\n" +
			"directory stored. A manifest that contradicts itself, its place or what was stored is refused; the exit code is then 3.\n\n" +
			"With --layout dpod the old files of DPOD count too. They have no manifest: each is read once, and later checks compare it with that.\n" +
			"No checksum is known from the time of the backup. A file that fits no pattern is named; the exit code is then 3 too.",
		Args: planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			if q.Source, q.Plan, q.DPOD = from, src.plan, layout == "dpod"; layout != "" && !q.DPOD {
				return &usageError{err: fmt.Errorf("--layout is %q; it is dpod, or left out", layout)}
			}
			found, res, err := r.ImportBackups(ctx, q)
			return ended(v, res, err, found...)
		}),
	}
	a.destinationFlag(c, &src, &q.Destination, "destination", "only this destination of the plan, such as sftp.vault")
	c.Flags().StringVar(&layout, "layout", "", "also find files without a manifest, in this layout: dpod")
	must(c.RegisterFlagCompletionFunc("layout", offering(func(*cobra.Command, []string, string) []string { return []string{"dpod"} })))
	return c
}
