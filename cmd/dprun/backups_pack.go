package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) backupsPackCommand() *cobra.Command {
	var src source
	var q runner.PackRequest
	c := &cobra.Command{
		Use:   "pack FILE|DIR",
		Short: "Make a directory with everything for the worst day of a gateway",
		Long: "Copies the last good backup of everything that the plan backs up of a device to an empty directory, checked as `backups fetch` does,\n" +
			"and writes beside them what a person needs to bring the gateway back without dprun: README.txt with the gateway's firmware level, the\n" +
			"order of steps and the commands; network.txt with network settings and domains, from the export of domain default; objects.txt with\n" +
			"what was up, and which keys and certificates are in no export; and SHA256SUMS.\n\n" +
			"No device is contacted. Exit codes: 0 all of it is there, 3 something is missing, which is named, 1 there is no backup at all.",
		Args: func(c *cobra.Command, args []string) error {
			switch err := arguments(1, 1)(c, args); {
			case err != nil:
				return err
			case q.Device == "":
				return errors.New("--device is missing: name a device of the plan")
			case q.Dir == "":
				return errors.New("--to is missing: name an empty directory")
			}
			return nil
		},
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed = from, src.plan, view.Each[report.BackupFault](v)
			pack, res, err := r.PackBackups(ctx, q)
			return ended(v, res, err, some(pack)...)
		}),
	}
	c.Flags().StringVar(&q.Device, "device", "", "the device of the plan")
	c.Flags().StringVar(&q.Dir, "to", "", "an empty directory; it is made where it is missing")
	a.identityFlag(c, &q.Keys)
	a.planFile(c, &src)
	return c
}
