package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) planCommand() *cobra.Command {
	var src source
	var offline, dry bool
	c := &cobra.Command{
		Use:   "plan FILE|DIR",
		Short: "Show what a run would do",
		Args:  planArg,
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
		Args:  planArg,
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
		Use:     "explain [CODE|WORD...]",
		Short:   "Say what a code means and what to do",
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
		Args:  planArg,
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
