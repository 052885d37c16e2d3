package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) planCommand() *cobra.Command {
	var src source
	var offline bool
	c := &cobra.Command{
		Use:   "plan FILE|DIR",
		Short: "Show what a run would do",
		Long: "Contacts the devices and destinations, read-only, and shows the tasks, where their files would go, and what would be out of service.\nWith --offline it contacts nothing and shows what is known without.\n\n" +
			"Exit codes are those that apply would end with, as far as is known before it: 0 all tasks would run, 1 none would succeed, 3 some\n" +
			"would, 10 plan invalid, 11 plugin missing or broken, 14 nothing to do, 15 no destination can be used. The window does not count.",
		Args: planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			preview, err := a.preview(ctx, v, src, args[0], offline)
			if preview == nil {
				return err
			}
			v.Preview(preview)
			return err
		}),
	}
	src.variables(c.Flags())
	src.selection(c.Flags())
	a.planFlags(c, &src)
	c.Flags().BoolVar(&a.all, "all", false, "show every task, however many there are; else more than 40 are counted by activity and device")
	c.Flags().BoolVar(&offline, "offline", false, "contact nothing")
	return c
}

// preview computes what a run would do and shows the plan's diagnostics.
func (a *app) preview(ctx context.Context, v view.View, src source, path string, offline bool) (_ *runner.Preview, err error) {
	from, err := src.of(a, path)
	if err != nil {
		return nil, err
	}
	r, err := a.open(ctx, v, nil)
	if err != nil {
		return nil, err
	}
	defer closing(r, &err)
	p, res, err := r.Preview(ctx, runner.PreviewRequest{Source: from, Plan: src.plan, Only: src.narrowed(), Offline: offline})
	if res != nil {
		v.Diagnostics(res.Diagnostics)
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	switch {
	case err != nil || res == nil:
	case res.Diagnostics.HasErrors():
		err = invalid(res.Diagnostics)
	default:
		err = status(res.ExitCode)
	}
	return p, err
}

// closing closes what a command opened; an error of it counts when there is no other.
func closing(c interface{ Close() error }, err *error) {
	if e := c.Close(); e != nil && *err == nil {
		*err = e
	}
}
