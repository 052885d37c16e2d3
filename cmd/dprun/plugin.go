package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Look at plugins"}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the plugins that there are, and whether they can be used",
		Long: "Lists the bundled plugins and the files of the plugin directory, each with its version, or why it cannot be used.\n\n" +
			"Exit codes: 0 all can be used, 11 one cannot.",
		Args: arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			rows, exit, err := plugins.List(ctx)
			v.Plugins(rows)
			if err == nil {
				err = status(exit)
			}
			return err
		}),
	}, &cobra.Command{
		Use:   "describe NAME",
		Short: "Show what a plugin offers and the arguments that it takes",

		ValidArgsFunction: a.pluginNames(),
		Args:              arguments(1, 1),
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			s, err := plugins.Describe(ctx, args[0])
			if err != nil {
				return misused(err)
			}
			v.Plugin(s)
			return nil
		}),
	})
	return c
}
