package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) checkCommand() *cobra.Command {
	var src source
	c := &cobra.Command{
		Use:   "check FILE|DIR",
		Short: "Find out what would keep a run from its work",
		Long: "Looks at everything that a run of the plan will need: of each device login, certificate, permissions by the appliance's own\n" +
			"names, roles, settings and room; of each destination whether a few bytes can be stored; scripts, window, and what earlier runs owe.\n" +
			"It changes nothing on gateways, and runs no script. What only the deed proves, such as the right to quiesce, is \"not proven\".\n\n" +
			"Exit codes: 0 no error was found, 1 every device has one, 3 some have, 10 plan invalid, 11 plugin missing or broken,\n" +
			"15 one of the whole plan, or no destination can be used, 16 a device may still be quiesced, 17 traffic may be led around one.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) (err error) {
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			r, err := a.open(v)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			found, res, err := r.Check(ctx, runner.CheckRequest{Source: from, Plan: src.plan, Only: src.narrowed()})
			if err = foreseen(ctx, v, res, err); err == nil {
				err = status(res.ExitCode)
			}
			if found != nil {
				v.Check(found)
			}
			return err
		}),
	}
	src.variables(c.Flags())
	src.selection(c.Flags())
	a.planFlags(c, &src)
	c.Flags().BoolVar(&a.all, "all", false, "show also what is well")
	return c
}
