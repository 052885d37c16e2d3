package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/pluginhost"
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
			rows, err := pluginRows(ctx, plugins.Host())
			v.Plugins(rows)
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
			names := plugins.Host().Names()
			for _, u := range plugins.Host().Unfit() {
				if u.Name == args[0] || u.Name == "" && !slices.Contains(names, args[0]) {
					return &runner.Error{ExitCode: runner.ExitPlugin, Err: u.Err}
				}
			}
			if err := known(args[0], names); err != nil {
				return err
			}
			s, err := plugins.Host().Describe(ctx, args[0])
			if err != nil {
				return &runner.Error{ExitCode: runner.ExitPlugin, Err: err}
			}
			v.Plugin(s)
			return nil
		}),
	})
	return c
}

// pluginRows are the plugins and the files that should be some. The error is an
// exit code when one cannot be used, or what is wrong with the whole directory.
func pluginRows(ctx context.Context, host *pluginhost.Host) (rows []view.Plugin, err error) {
	for _, name := range host.Names() {
		row := view.Plugin{Name: name}
		s, bad := host.Describe(ctx, name)
		info, more := host.Info(name)
		if bad = cmp.Or(bad, more); bad == nil {
			row = view.PluginOf(s)
		} else {
			row.Problem, err = bad.Error(), status(runner.ExitPlugin)
		}
		row.Bundled, row.File = info.Bundled, info.File
		rows = append(rows, row)
	}
	for _, u := range host.Unfit() {
		if u.Name == "" {
			defer func() { err = &runner.Error{ExitCode: runner.ExitPlugin, Err: u.Err} }()
			continue
		}
		rows = append(rows, view.Plugin{Name: u.Name, File: u.File, Problem: u.Err.Error()})
		err = status(runner.ExitPlugin)
	}
	return rows, err
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
