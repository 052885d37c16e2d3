package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) drillCommand() *cobra.Command {
	var src source
	var q runner.DrillRequest
	c := &cobra.Command{
		Use:   "drill FILE|DIR [NAME]",
		Short: "Prove that backups can be imported, on a gateway for drills",
		Long: "Imports some of a plan's backups as new domains on the gateway that a drill block names, compares the result with the backups, and\n" +
			"removes the domains again. It disables or leaves out everything that listens, polls, schedules, joins a group or sends data out,\n" +
			"before that can start. It saves nothing on the gateway. `dprun coverage` shows what a drill has proven, and what failed.\n\n" +
			"NAME is the drill, when the plan has several. A drill takes the last good sets of what was drilled longest ago, as many as `sample`\n" +
			"says. The gateway itself must say that it is there for drills; it is asked before each import. If dprun is killed, the next `dprun\n" +
			"recover` removes the domain that was left.\n\n" +
			"With --dry-run it looks at the gateway, lists what would be imported, and imports nothing.\n\n" +
			"Exit codes: 0 every set is proven, 3 one is not, 1 the gateway was refused or no set could be judged, 14 there is nothing to drill, 16\n" +
			"a domain of the drill may still be on the gateway.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return fmt.Errorf("give a plan file or directory, and perhaps the name of a drill, not %d arguments", len(args))
			}
			return nil
		},
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			q.Drill = args[1]
		}
		return a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed, q.Tried = from, src.plan, view.Each[report.BackupFault](v), view.Each[report.DrilledSet](v)
			drilled, res, err := r.Drill(ctx, q)
			return ended(v, res, err, some(drilled)...)
		})(cmd, args)
	}
	c.Flags().BoolVar(&q.DryRun, "dry-run", false, "look at the gateway, show what would be imported, and import nothing")
	c.Flags().BoolVar(&a.all, "all", false, "show every reason why a set is not proven")
	a.identityFlag(c, &q.Keys)
	second(c, a.planFile(c, &src)(func(config *plan.Config) (names []string) {
		for _, p := range config.Plans {
			for _, d := range p.Drills {
				if src.plan == "" || src.plan == p.Name {
					names = append(names, d.Name)
				}
			}
		}
		return names
	}))
	return c
}
