package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) owedCommand() *cobra.Command {
	return alsoRemote(&cobra.Command{
		Use:   "owed",
		Short: "List what must still be undone, and how to do it by hand",
		Args:  arguments(0, 0),
		RunE: a.hereOrThere(a.runE(func(ctx context.Context, v view.View, _ []string) error {
			return a.with(v, func(r *runner.Runner) error { return showOwed(v, r.Owed(ctx)) })
		}), func(ctx context.Context, v view.View, c *remote.Client, _ []string) error {
			left, err := c.Owed(ctx)
			if err != nil {
				return err
			}
			return showOwed(v, left)
		}),
	})
}

func showOwed(v view.View, left report.Pending) error {
	if left.Unknown == nil || len(left.Owed) > 0 { // after a failed reading an empty list would say that nothing is pending
		v.Show(left.Owed)
	}
	v.Show(report.Hold{Stops: left.Stops})
	if left.Unknown != nil {
		v.Fail(*left.Unknown)
	}
	return status(left.ExitCode)
}

func (a *app) holdCommand() *cobra.Command {
	var q runner.HoldRequest
	c := &cobra.Command{
		Use:   "hold",
		Short: "Stop quiesces for the fleet, until a person allows them again",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) error {
			return a.with(v, func(r *runner.Runner) error {
				h, err := r.Hold(ctx, q)
				return show(v, h, err)
			})
		}),
	}
	c.Flags().StringVar(&q.Reason, "reason", "", "why, for everybody who sees the hold")
	c.Flags().BoolVar(&q.Release, "release", false, "allow quiesces again")
	c.MarkFlagsMutuallyExclusive("reason", "release")
	return c
}

func (a *app) recoverCommand() *cobra.Command {
	var ack string
	c := &cobra.Command{
		Use:   "recover",
		Short: "Bring gateways back into service, and finish what dead runs left",
		Args:  arguments(0, 0),
		RunE: a.hereOrThere(a.runDeaf(func(ctx context.Context, v view.View, _ []string) error {
			op, release := operation(ctx, v)
			defer release()
			return a.operate(v, func(r *runner.Runner) (*report.Result, error) {
				if ack != "" {
					done, err := r.Acknowledge(ctx, runner.AcknowledgeRequest{Target: ack})
					if err != nil {
						return nil, err
					}
					v.Show(done)
				}
				done := ack != ""
				res, err := r.Recover(ctx, runner.RecoverRequest{Operation: op, Begin: func(due []report.Owed) {
					if len(due) > 0 {
						v.Paying(due, "")
						done = true
					}
				}})
				switch {
				case err != nil || len(res.Owed) > 0 || res.Unknown != nil:
				case done || len(res.Recovered) > 0:
					v.Show([]report.Owed{})
				default:
					v.NothingToRecover()
				}
				return res, err
			})
		}), recoverThere),
	}
	c.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "print only what goes wrong")
	c.Flags().StringVar(&ack, "ack", "", "take what must be undone on this device, or for the plan of this run, as done by hand")
	must(c.RegisterFlagCompletionFunc("ack", a.owing()))
	return alsoRemote(c, "quiet")
}
