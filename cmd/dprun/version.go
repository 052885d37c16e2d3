package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which dprun this is",
		Args:  arguments(0, 0),
		RunE: a.runDeaf(func(_ context.Context, v view.View, _ []string) error {
			if !a.json { // every JSON output begins with it
				v.Show(about())
			}
			return nil
		}),
	}
}
