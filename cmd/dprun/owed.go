package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) owedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "owed",
		Short: "List what is still owed to devices, and how to do it by hand",
		Long:  "Lists what ended or dead runs still owe: since when, the last error, and the commands to do it by hand.\n\nWhat a live process is at is listed with that process, and counts from the time on at which it should be back.\n\nExit codes: 0 no device may be quiesced, 16 one may, 17 traffic may be led around one.",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			r, err := a.open(ctx, v, nil)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			owed, err := r.Owed(ctx)
			if err == nil || len(owed) > 0 { // else nobody knows that nothing is
				v.Owed(owed)
			}
			exit := runner.OwedExit(owed)
			if err != nil {
				v.Fail(view.Failure{Message: err.Error(), ExitCode: exitCode(err)})
				exit = runner.Worst(exit, exitCode(err))
			}
			return status(exit)
		}),
	}
}
