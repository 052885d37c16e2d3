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
		Long: "Reads every manifest at the destinations of a plan, and enters the sets that this state directory does not know: after it was lost,\n" +
			"or from before it kept a list. No device is contacted, and no backup is changed.\n\n" +
			"Whoever can write to a destination can put a manifest there. So a set that was found never takes the place of one that a run of\n" +
			"this state directory has stored, and a manifest that contradicts itself, its place or what was stored is refused, which is exit\n" +
			"code 3.\n\n" +
			"With --layout dpod the old files of DPOD count too. They have no manifest: each is read once, and compared with that from then on.\n" +
			"No checksum is known from the time of the backup. What fits no pattern is named, which is exit code 3 too.",
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
	c.Flags().StringVar(&layout, "layout", "", "also what stands there without manifests, in this layout: dpod")
	must(c.RegisterFlagCompletionFunc("layout", offering(func(*cobra.Command, []string, string) []string { return []string{"dpod"} })))
	return c
}
