package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) planCommand() *cobra.Command {
	var src source
	var offline, dry bool
	c := &cobra.Command{
		Use:   "plan FILE|DIR",
		Short: "Show what a run would do",
		Long: "Contacts the devices and destinations, read-only, and shows the tasks, where their files would go, and what would be out of service.\n" +
			"With --offline it contacts nothing and shows what is known without that.\n" +
			"With --dry-night it goes through every task as a run does, without quiesces, captures, stores and scripts. It makes each check when a\n" +
			"run would make it, and shows the status that each task would end in.\n\n" +
			"The exit codes are those that apply would end with, as far as they are known before it: 0 all tasks would run, 1 none would succeed, 3\n" +
			"some would, 10 plan invalid, 11 plugin missing or broken, 14 nothing to do, 15 no destination can be used. The window does not count.",
		Args: planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			p, res, err := r.Preview(ctx, runner.PreviewRequest{Source: from, Plan: src.plan, Only: src.narrowed(), Offline: offline, DryNight: dry})
			if err = foreseen(ctx, v, res, err); err == nil {
				err = status(res.ExitCode)
			}
			if p != nil {
				v.Show(*p)
			}
			return err
		}),
	}
	a.planFlags(c, &src)
	c.Flags().BoolVar(&a.all, "all", false, "show every task, however many there are; else more than 40 are counted by activity and device")
	c.Flags().BoolVar(&offline, "offline", false, "contact nothing")
	c.Flags().BoolVar(&dry, "dry-night", false, "go through every task, without the steps that change something")
	c.MarkFlagsMutuallyExclusive("offline", "dry-night")
	return c
}

// foreseen shows the diagnostics of a plan that was examined. It returns an error if
// the examination failed, was interrupted or found errors.
func foreseen(ctx context.Context, v view.View, res *report.Result, err error) error {
	v.Diagnostics(res.Diagnostics)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case res.Diagnostics.HasErrors():
		return runner.Invalid(res.Diagnostics)
	}
	return nil
}

// closing closes what a command opened. The error of closing counts only if there is no
// other.
func closing(c interface{ Close() error }, err *error) {
	if e := c.Close(); e != nil && *err == nil {
		*err = e
	}
}

func (a *app) validateCommand() *cobra.Command {
	var src source
	c := &cobra.Command{
		Use:   "validate FILE|DIR",
		Short: "Check a plan without contacting anything",
		Long: "Checks a plan file, or all plan files of a directory, as far as it can be checked without the network and without reading secrets.\n\n" +
			"Exit codes: 0 the plan is valid, 10 it is not, 11 a plugin is missing or broken.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			plugins := a.plugins(v)
			defer plugins.Close() //nolint:errcheck // closing loses nothing
			found, ds, err := plugins.Validate(ctx, from)
			v.Diagnostics(ds)
			if err != nil {
				return err
			}
			v.Show(found)
			if !found.Valid {
				return a.told(v, runner.Invalid(ds))
			}
			return nil
		}),
	}
	src.variables(c.Flags())
	return c
}

func (a *app) graphCommand() *cobra.Command {
	var src source
	var format string
	c := &cobra.Command{
		Use:   "graph FILE|DIR",
		Short: "Draw what a run will do",
		Long:  "Draws the steps of a run and what waits for what, as far as it is known without contacting a device.",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			f := view.GraphFormat(format)
			if f != view.GraphDOT && f != view.GraphMermaid && f != view.GraphJSON {
				return &usageError{err: fmt.Errorf("--format is %q; it is dot, mermaid or json", format)}
			}
			g, res, err := r.Graph(ctx, runner.GraphRequest{Source: from, Plan: src.plan, Only: src.narrowed()})
			if err := foreseen(ctx, v, res, err); g == nil || err != nil {
				return err
			}
			v.Graph(*g, f)
			return nil
		}),
	}
	a.planFlags(c, &src)
	c.Flags().StringVar(&format, "format", string(view.GraphDOT), "dot, mermaid or json")
	return c
}

func (a *app) fmtCommand() *cobra.Command {
	q := runner.FormatRequest{Stdin: a.stdin}
	c := &cobra.Command{
		Use:   "fmt [FILE|DIR|-]...",
		Short: "Write plan files in the usual form",
		Long: "Rewrites plan files (*.hcl) in the usual form and lists those that it changed. Without an argument it does so for the current\n" +
			"directory; - formats standard input to standard output. A file with a syntax error is left alone.\n\n" +
			"With --check or --diff nothing is written. Exit codes: 0, 1 with --check when a file is not in the usual form, 10 for a syntax error.",
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			q.Paths, q.Found = args, view.Each[report.Format](v)
			ds, err := runner.Format(ctx, q)
			v.Diagnostics(ds)
			if e := new(runner.Error); errors.As(err, &e) {
				return a.told(v, e)
			}
			return err
		}),
	}
	c.Flags().BoolVar(&q.Check, "check", false, "only list the files that would change, and end with 1 if there are any")
	c.Flags().BoolVar(&q.Diff, "diff", false, "only show what would change")
	c.Flags().BoolVar(&q.Recursive, "recursive", false, "also do the directories below")
	return c
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE|WORD...]",
		Short: "Say what a code means and what to do",
		Long: "Says what a status code, the code of a diagnostic or an exit code means, what usually leads to it, and what to do.\n" +
			"With other words it lists the codes whose name, phase or text contains all of them; without any word it lists all codes.",
		Example: "  dprun explain EXECUTION_STORE_ERROR\n  dprun explain 16\n  dprun explain unquiesce",
		Args:    arguments(0, -1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return runner.Codes(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			found, err := runner.Explain(args)
			if err != nil {
				return misused(err)
			}
			if len(found) == 1 {
				v.Show(found[0])
			} else {
				v.Show(found)
			}
			return nil
		}),
	}
}

// mirrorVariable names the environment variable with the directories to install plugins
// from, written like PATH.
const mirrorVariable = "DPRUN_PLUGIN_MIRROR"

func (a *app) initCommand() *cobra.Command {
	var req runner.InitRequest
	c := &cobra.Command{
		Use:   "init FILE|DIR",
		Short: "Install the plugins that a plan requires, and lock them",
		Long: "Installs the plugins of the plan's required_plugins from a directory, and writes the lock file " + plan.LockFile + " beside the plan.\n" +
			"From then on dprun uses exactly these plugins for the plan, byte for byte. Commit the lock file. A locked version stays until --upgrade.\n" +
			"Nothing is contacted.\n\n" +
			"Exit codes: 0 all are installed, 10 the plan cannot be read, 11 a plugin cannot be found or does not work.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			plugins := a.plugins(v)
			defer closing(plugins, &err)
			if len(req.Mirrors) == 0 {
				dirs := a.env(mirrorVariable)
				req.Mirrors = filepath.SplitList(dirs)
			}
			done, ds, err := plugins.Init(ctx, runner.Source{Path: filepath.Clean(args[0]), Environ: a.environ}, req)
			return show(v, done, a.valid(v, ds, err))
		}),
	}
	c.Flags().StringArrayVar(&req.Mirrors, "plugin-dir", nil, "directory to install from, laid out HOST/NAMESPACE/NAME/VERSION/OS_ARCH; may be repeated (default: $"+mirrorVariable+")")
	c.Flags().BoolVar(&req.Upgrade, "upgrade", false, "take the newest versions that the plan allows, whatever is locked")
	return c
}
