package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

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
