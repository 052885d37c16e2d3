package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/exec"
	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/plugins/mail"
	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/plugins/syslog"
	"github.com/dprun/dprun/plugins/webhook"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Look at plugins"}
	var format string
	describe := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show what a plugin offers and the arguments that it takes",

		ValidArgsFunction: a.pluginNames(),
		Args:              arguments(1, 1),
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			if format != "text" && (format != "json-schema" || a.json) {
				return &usageError{err: fmt.Errorf("--format is %q; it is text, or without --json json-schema", format)}
			}
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			s, err := plugins.Describe(ctx, args[0])
			if err != nil {
				return misused(err)
			}
			if format == "text" {
				return show(v, s, nil)
			}
			text, err := s.JSONSchema()
			if err == nil {
				_, err = fmt.Fprintf(a.stdout, "%s\n", text)
			}
			return err
		}),
	}
	describe.Flags().StringVar(&format, "format", "text", "text or json-schema")
	must(describe.RegisterFlagCompletionFunc("format", offering(func(*cobra.Command, []string, string) []string { return []string{"text", "json-schema"} })))
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the plugins that there are, and whether they can be used",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			rows, exit, err := plugins.List(ctx)
			v.Show(rows)
			if err == nil {
				err = status(exit)
			}
			return err
		}),
	}, describe, a.pluginTestCommand(), a.pluginNewCommand())
	return c
}

func (a *app) pluginTestCommand() *cobra.Command {
	var src source
	var config string
	var size sizeFlag
	var q runner.TestRequest
	c := &cobra.Command{
		Use:   "test PROGRAM --config FILE",
		Short: "Find out whether a plugin keeps the rules for plugins",
		Args:  arguments(1, 1),
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			if config == "" {
				return &usageError{err: errors.New("give --config FILE with a block of the plugin's type")}
			}
			if q.Config, err = src.of(a, config); err != nil {
				return err
			}
			q.Program, q.Size, q.Found = args[0], int64(size), view.Each[report.PluginRule](v)
			tested, ds, err := runner.TestPlugin(ctx, a.pluginOptions(a.log(v)), q)
			if err := show(v, tested, a.valid(v, ds, err)); err != nil {
				return err
			}
			return status(tested.ExitCode)
		}),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	src.variables(c.Flags())
	c.Flags().StringVar(&config, "config", "", "a plan's file with blocks of the plugin's types")
	c.Flags().BoolVar(&q.ReadOnly, "read-only", false, "leave out what writes to a destination")
	c.Flags().StringArrayVar(&q.Rules, "rule", nil, "check this rule only, such as store/overwrite; may be repeated")
	c.Flags().Var(&size, "size", "size of the large files that are stored, such as 8MiB (default 64MiB)")
	must(c.RegisterFlagCompletionFunc("rule", offering(func(*cobra.Command, []string, string) (ids []string) { return runner.PluginRules() })))
	return c
}

func (a *app) pluginNewCommand() *cobra.Command {
	q := runner.NewPluginRequest{Version: version, Bundled: bundled()}
	c := &cobra.Command{
		Use:   "new destination|hook NAME",
		Short: "Write the files of a new plugin",
		Args:  arguments(2, 2),
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			q.Kind, q.Name = args[0], args[1]
			written, err := runner.NewPlugin(q)
			return show(v, written, misused(err))
		}),
		ValidArgsFunction: offering(func(_ *cobra.Command, args []string, _ string) []string {
			if len(args) > 0 {
				return nil
			}
			return []string{"destination", "hook"}
		}),
	}
	c.Flags().StringVar(&q.Dir, "dir", "", "directory to write to (default dprun-plugin-NAME)")
	c.Flags().StringVar(&q.Replace, "replace", "", "directory of dprun's source to build the plugin with, instead of a release")
	return c
}

// sizeFlag is the value of a flag that takes a size in bytes.
type sizeFlag int64

func (b *sizeFlag) String() string { return "" }
func (b *sizeFlag) Type() string   { return "size" }
func (b *sizeFlag) Set(s string) error {
	n, err := schema.ParseSize(s)
	if err == nil && n < 1<<20 {
		err = fmt.Errorf("%q is less than 1MiB", s)
	}
	*b = sizeFlag(n)
	return err
}

// bundled are the plugins inside dprun. A process of its own serves each of them.
func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{
		"datapower": datapower.Plugin,
		"exec":      exec.Plugin,
		"file":      file.Plugin,
		"mail":      mail.Plugin,
		"nfs":       nfs.Plugin,
		"sftp":      sftp.Plugin,
		"syslog":    syslog.Plugin,
		"webhook":   webhook.Plugin,
	}
}
