package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) diffCommand() *cobra.Command {
	var src source
	var exitCode, drift bool
	var sets string
	var keys runner.Keys
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two exports of a gateway differ",
		Args: func(c *cobra.Command, args []string) error {
			switch given := c.Flags().Changed; {
			case drift && sets != "":
				return errors.New("give --drift or --sets, not both")
			case given("only") && !drift:
				return errors.New("--only goes with --drift")
			case (given("plan") || given("var") || given("var-file")) && !drift && sets == "":
				return errors.New("--plan, --var and --var-file go with --drift and --sets")
			case given("identity") && !drift && sets == "":
				return errors.New("--identity goes with --drift and --sets")
			case drift:
				return planArg(c, args)
			}
			return arguments(2, 2)(c, args)
		},
	}
	differs := false
	ended := func(code int, err error) error {
		if err == nil && code == 0 && exitCode && differs {
			code = runner.ExitPartly
		}
		if err == nil && code != 0 {
			err = status(code)
		}
		return misused(err)
	}
	shown := func(v view.View, d report.Diff) {
		v.Show(d)
		differs = !d.Same
	}
	compare := a.runE(func(ctx context.Context, v view.View, args []string) error {
		d, err := runner.Diff(ctx, args[0], args[1])
		if err == nil {
			shown(v, d)
		}
		return ended(0, err)
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case drift:
			return a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
				res, err := r.Drift(ctx, runner.DriftRequest{Source: from, Plan: src.plan, Only: src.narrowed(), Keys: keys, Failed: view.Each[report.BackupFault](v), Found: func(d report.Drift) {
					v.Show(d)
					differs = differs || d.State == report.DriftDiffers
				}})
				return ended(res.ExitCode, foreseen(ctx, v, res, err))
			})(c, args)
		case sets != "":
			return a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
				d, res, err := r.DiffSets(ctx, runner.DiffSetsRequest{Source: from, Plan: src.plan, A: args[0], B: args[1], Keys: keys, Failed: view.Each[report.BackupFault](v)})
				if d != nil {
					shown(v, *d)
				}
				return ended(res.ExitCode, foreseen(ctx, v, res, err))
			})(c, []string{sets})
		}
		return compare(c, args)
	}
	c.Flags().BoolVar(&exitCode, "exit-code", false, "end with 3 if something differs")
	c.Flags().BoolVar(&drift, "drift", false, "compare what the gateways of a plan run now with their last good backups")
	c.Flags().StringVar(&sets, "sets", "", "the plan at whose destinations A and B are")
	a.identityFlag(c, &keys)
	a.planFlags(c, &src)
	plans := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch {
		case drift:
			return plans(c, args, typed)
		case len(args) > 1:
			return nil, cobra.ShellCompDirectiveNoFileComp
		case sets != "":
			return a.setNames(len(args))(c, args, typed)
		}
		return []string{"zip", "dprun.json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}
