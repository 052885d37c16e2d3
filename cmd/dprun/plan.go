package main

import (
	"context"

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

// foreseen shows the diagnostics of a plan that was looked at, and says whether
// that came to an end.
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

// closing closes what a command opened; an error of it counts when there is no other.
func closing(c interface{ Close() error }, err *error) {
	if e := c.Close(); e != nil && *err == nil {
		*err = e
	}
}
