package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) applyCommand() *cobra.Command {
	var src source
	var parallel int
	var yes bool
	c := &cobra.Command{
		Use:   "apply FILE|DIR",
		Short: "Run a plan",
		Long: "Runs a plan. What an earlier run left unfinished is finished first. Before anything is quiesced it asks on the\n" +
			"terminal; off a terminal it needs --yes.\n\n" +
			"Ctrl-C, SIGTERM and SIGHUP stop it: nothing new is started, captures and stores are cancelled, what is owed is done. A second\n" +
			"one shortens the time for that.\n\n" +
			"Exit codes: 0 all tasks succeeded, 1 failed, 3 some succeeded, 10 plan invalid, 11 plugin missing or broken, 12 already running,\n" +
			"13 outside the window, 14 nothing to do, 15 a plan-level check failed, 16 a device may still be quiesced, 17 traffic may be led around one, 130 and 143 cancelled.",
		Args: planArg,
		RunE: a.runDeaf(func(ctx context.Context, v view.View, args []string) error {
			if parallel < 0 {
				return &usageError{err: fmt.Errorf("--parallel is %d; it is 1 or more", parallel)}
			}
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			asked, signals, stop := forward(ctx, v.Stopping)
			defer stop()
			q := runner.ApplyRequest{Source: from, Plan: src.plan, Only: src.narrowed(), Parallel: parallel, Asked: asked}
			if !yes {
				q.Confirm = a.confirm(asked)
			}
			return a.operate(ctx, v, signals, func(r *runner.Runner) (*report.Result, error) {
				q.Read = func(found diag.List, broken error) {
					v.Diagnostics(found)
					then := "the plan is run after that"
					switch {
					case broken != nil:
						then = "the plan is not run: " + broken.Error()
					case found.HasErrors():
						then = "the plan is not run, as it is not valid"
					}
					if owed := toDo(ctx, r); len(owed) > 0 {
						v.Paying(owed, then)
					}
				}
				res, err := r.Apply(ctx, q)
				var stopped *stoppedError
				if err != nil && (res == nil || res.Summary == nil) && errors.As(context.Cause(asked), &stopped) {
					err = stopped // before there was a run to cancel
				}
				return res, err
			})
		}),
	}
	src.variables(c.Flags())
	src.selection(c.Flags())
	a.planFlags(c, &src)
	c.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "print only what does not go well")
	c.Flags().IntVar(&parallel, "parallel", 0, "tasks at once, instead of the plan's limits.parallel")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "quiesce without asking; needed off a terminal when the plan quiesces")
	return c
}

// confirm asks whether something may be taken out of service. Where there is
// nobody to ask, the answer must have been given on the command line.
func (a *app) confirm(asked context.Context) func(report.Disruption) error {
	_, in := terminal(a.stdin)
	_, out := terminal(a.stderr)
	return func(d report.Disruption) error {
		switch {
		case !in || !out:
			return &usageError{err: errors.New(view.Unasked(d))}
		case !view.Ask(asked, a.stdin, a.stderr, d):
			return &runner.Error{ExitCode: exitFailed, Err: errors.New("not confirmed: nothing of this plan was contacted")}
		}
		return nil
	}
}

// operate does something that may end with things owed, and shows how it
// ended: what is owed comes last.
func (a *app) operate(ctx context.Context, v view.View, signals <-chan string, do func(*runner.Runner) (*report.Result, error)) (err error) {
	r, err := a.open(ctx, v, signals)
	if err != nil {
		return err
	}
	defer closing(r, &err)
	res, err := do(r)
	if res == nil {
		return err
	}
	v.Diagnostics(res.Diagnostics)
	if all := slices.Concat(res.Told, res.Diagnostics); err == nil && all.HasErrors() {
		err = runner.Invalid(all)
	}
	if (res.ExitCode == runner.ExitOwed || res.ExitCode == runner.ExitAway) && err != nil {
		err = &runner.Error{ExitCode: res.ExitCode, Err: errors.New(err.Error())} // wins over all others
	}
	var usage *usageError
	switch {
	case err == nil:
		err = status(res.ExitCode)
	case exitCode(err) != runner.ExitUsage || !errors.As(err, &usage): // that one is shown when the command has ended
		if res.Unknown == nil || !strings.Contains(res.Unknown.Message, err.Error()) { // a lost journal is both
			v.Fail(report.Failure{Message: err.Error(), ExitCode: exitCode(err)})
		}
		err = status(exitCode(err))
	}
	if res.Unknown != nil {
		v.Fail(*res.Unknown)
	}
	if len(res.Owed) > 0 {
		v.Owed(res.Owed)
	}
	return err
}
