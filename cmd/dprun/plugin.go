package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Look at plugins"}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the plugins that there are",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			plugins, err := a.plugins(v)
			if err != nil {
				return err
			}
			defer closing(plugins, &err)
			var rows []view.Plugin
			for _, name := range plugins.Host().Names() {
				s, err := plugins.Host().Describe(ctx, name)
				if err != nil {
					return &runner.Error{ExitCode: runner.ExitPlugin, Err: fmt.Errorf("describe the plugin %s: %w", name, err)}
				}
				_, own := bundled()[name]
				rows = append(rows, view.PluginOf(s, own))
			}
			v.Plugins(rows)
			return nil
		}),
	}, &cobra.Command{
		Use:   "describe NAME",
		Short: "Show what a plugin offers and the arguments that it takes",
		Args:  arguments(1, 1),
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			plugins, err := a.plugins(v)
			if err != nil {
				return err
			}
			defer closing(plugins, &err)
			names := plugins.Host().Names()
			if err := known(args[0], names); err != nil {
				return err
			}
			s, err := plugins.Host().Describe(ctx, args[0])
			if err != nil {
				return &runner.Error{ExitCode: runner.ExitPlugin, Err: fmt.Errorf("describe the plugin %s: %w", args[0], err)}
			}
			v.Plugin(s)
			return nil
		}),
	})
	return c
}

// known checks that there is such a plugin.
func known(name string, names []string) error {
	for _, n := range names {
		if n == name {
			return nil
		}
	}
	err := fmt.Errorf("there is no plugin %q", name)
	if s := diag.Suggest(name, names); s != "" {
		err = fmt.Errorf("%w; did you mean %q?", err, s)
	} else {
		err = fmt.Errorf("%w; `dprun plugin list` lists them", err)
	}
	return &usageError{err: err}
}
