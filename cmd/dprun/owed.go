package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) owedCommand() *cobra.Command {
	return alsoRemote(&cobra.Command{
		Use:   "owed",
		Short: "List what must still be undone, and how to do it by hand",
		Long: "Lists what ended or dead runs have left that must be undone or done: what is still quiesced, files to remove from devices, scripts to\n" +
			"run. It says since when, the last error, and the commands to do it by hand.\n\n" +
			"If a live process works on something, that process is listed with it, and it counts for the exit code only from the time at which the\n" +
			"target should be back.\n\n" +
			"Exit codes: 0 no device may be quiesced, 16 one may, 17 traffic may be led around one.",
		Args: arguments(0, 0),
		RunE: a.hereOrThere(a.runE(func(ctx context.Context, v view.View, _ []string) error {
			return a.with(v, func(r *runner.Runner) error { return showOwed(v, r.Owed(ctx)) })
		}), func(ctx context.Context, v view.View, c *remote.Client, _ []string) error {
			left, err := c.Owed(ctx)
			if err != nil {
				return err
			}
			return showOwed(v, left)
		}),
	})
}

func showOwed(v view.View, left report.Pending) error {
	if left.Unknown == nil || len(left.Owed) > 0 { // else nobody knows that nothing is
		v.Show(left.Owed)
	}
	v.Show(report.Hold{Stops: left.Stops})
	if left.Unknown != nil {
		v.Fail(*left.Unknown)
	}
	return status(left.ExitCode)
}
