package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) recoverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recover",
		Short: "Finish what dead runs left, and bring devices back",
		Long: "Finishes the runs whose process is gone, brings back what they quiesced, and verifies it. Windows, limits and policies do not count.\n" +
			"It may be run at any time and as often as wanted.\n\nExit codes: 0 nothing is owed any more, 16 a device may still be quiesced.",
		Args: cobra.NoArgs,
		RunE: a.runDeaf(func(ctx context.Context, v view.View, _ []string) error {
			_, signals, stop := forward(ctx)
			defer stop()
			return a.operate(ctx, v, signals, func(r *runner.Runner) (*runner.Result, error) {
				res, err := r.Recover(ctx)
				if err == nil && len(res.Owed) == 0 {
					v.Owed(nil)
				}
				return res, err
			})
		}),
	}
	return c
}

func (a *app) owedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "owed",
		Short: "List what is still owed to devices, and how to do it by hand",
		Long:  "Lists what ended or dead runs still owe: since when, the last error, and the commands to do it by hand.\n\nExit codes: 0 no device may be quiesced, 16 one may.",
		Args:  cobra.NoArgs,
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			r, err := a.open(ctx, v, nil)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			owed, err := r.Owed(ctx)
			if err != nil {
				return fmt.Errorf("list what is owed: %w", err)
			}
			v.Owed(owed)
			for _, o := range owed {
				if o.Kind == "unquiesce" {
					return status(runner.ExitOwed)
				}
			}
			return nil
		}),
	}
}
