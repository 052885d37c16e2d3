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
		Short: "Collect in a directory everything that is needed to rebuild a gateway",
		Long: "Copies the last good backup of everything that the plan backs up of a device to an empty directory, checked as `backups fetch` does.\n" +
			"Beside them it writes what a person needs to bring the gateway back without dprun:\n" +
			"README.txt: the gateway's firmware level, the order of steps and the commands.\n" +
			"network.txt: network settings and domains, from the export of domain default.\n" +
			"objects.txt: what was up, and which keys and certificates are in no export.\n" +
			"SHA256SUMS: the checksums of all files.\n\n" +
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
	c.Flags().StringVar(&q.Dir, "to", "", "an empty directory; it is created if missing")
	a.identityFlag(c, &q.Keys)
	a.planFile(c, &src)
	return c
}
