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
		Long: "Lists what ended or dead runs have left that must be undone or done: what is still quiesced, files to remove from devices, scripts to\n" +
			"run. It says since when, the last error, and the commands to do it by hand.\n\n" +
			"If a live process works on something, that process is listed with it, and it counts for the exit code only from the time at which the\n" +
			"target should be back.\n\n" +
			"Exit codes: 0 no device may be quiesced, 16 one may, 17 traffic may be led around one.",
		Args: arguments(0, 0),
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
		Long: "Stops every quiesce of all runs with this state directory, until `dprun hold --release`. Tasks that would quiesce end in\n" +
			"EXECUTION_CANCELED_BECAUSE_QUIESCE_IS_ON_HOLD; tasks without a quiesce go on. What is already quiesced is brought back as always.\n" +
			"`dprun owed` shows the hold: who set it, when and why.",
		Args: arguments(0, 0),
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
		Long: "Brings gateways back into service. It finishes the runs whose process is gone, unquiesces what they quiesced, and verifies that it is\n" +
			"back. Windows, limits and policies do not count. You may run it at any time and as often as you like. With nothing to do it prints\n" +
			"nothing, except on a terminal.\n\n" +
			"It changes no configuration: to bring one back from a backup, use `dprun restore`.\n\n" +
			"--ack DEVICE says that somebody looked at the device and that it is in service: what must be undone there counts as done. --ack RUN\n" +
			"does so for what belongs to a run and to no device: the post-script of its plan, when that cannot be run any more, and a run that the\n" +
			"journal has forgotten. --ack journal begins a new journal where the old one is lost.\n\n" +
			"Exit codes: 0 no device may be quiesced any more, 16 one may, 17 traffic may be led around one.",
		Args: arguments(0, 0),
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
