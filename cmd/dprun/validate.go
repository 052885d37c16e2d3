package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

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
			defer plugins.Close() //nolint:errcheck // nothing is lost
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
