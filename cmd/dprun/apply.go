package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) applyCommand() *cobra.Command {
	var src source
	var parallel int
	var change string
	var yes, noGuard bool
	c := &cobra.Command{
		Use:   "apply FILE|DIR",
		Short: "Run a plan",
		Args:  planArg,
		RunE: a.runDeaf(func(ctx context.Context, v view.View, args []string) error {
			if parallel < 0 {
				return &usageError{err: fmt.Errorf("--parallel is %d; it is 1 or more", parallel)}
			}
			if a.server != "" {
				return a.applyThere(ctx, v, &src, args[0], change, yes)
			}
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			op, release := operation(ctx, v)
			defer release()
			q := runner.ApplyRequest{Operation: op, Source: from, Plan: src.plan, Only: src.narrowed(), Parallel: parallel, Change: change}
			if !noGuard {
				dir, err := a.state()
				if err != nil {
					return &usageError{err: err}
				}
				q.Guard = guardArgs(dir)
			}
			if !yes {
				q.Confirm = a.confirm(op.Stop.Asked())
			}
			q.Read = func(found diag.List, broken error, due []report.Owed) {
				v.Diagnostics(found)
				then := "the plan is run after that"
				switch {
				case broken != nil:
					then = "the plan is not run: " + broken.Error()
				case found.HasErrors():
					then = "the plan is not run, as it is not valid"
				}
				if len(due) > 0 {
					v.Paying(due, then)
				}
			}
			return a.operate(v, func(r *runner.Runner) (*report.Result, error) { return r.Apply(ctx, q) })
		}),
	}
	a.planFlags(c, &src)
	c.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "print only what goes wrong")
	c.Flags().IntVar(&parallel, "parallel", 0, "how many tasks run at once, in place of the plan's limits.parallel")
	c.Flags().StringVar(&change, "change", "", "a change number or similar, kept in the run's record of evidence")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "quiesce without asking; needed off a terminal when the plan quiesces")
	c.Flags().BoolVar(&noGuard, "no-guard", false, "start no guard process, so that nothing brings gateways back when dprun dies; only where dprun recover runs by itself every few minutes")
	return alsoRemote(c, "plan", "only", "quiet", "change", "yes")
}

// confirm returns a function that asks whether gateways may be taken out of service.
// Off a terminal nobody can be asked, so it fails and names the flag that answers in
// advance.
func (a *app) confirm(asked context.Context) func(report.Disruption) error {
	_, in := terminal(a.stdin)
	_, out := terminal(a.stderr)
	return func(d report.Disruption) error {
		switch {
		case !in || !out:
			return &usageError{err: &runner.Error{ExitCode: runner.ExitUsage, Err: errors.New(view.Unasked(d))}}
		case !view.Ask(asked, a.stdin, a.stderr, d):
			return &runner.Error{ExitCode: exitFailed, Err: errors.New("not confirmed: nothing of this plan was contacted")}
		}
		return nil
	}
}

// operate runs an operation that may leave pending recoveries, and shows how it ended.
// What is still pending comes last.
func (a *app) operate(v view.View, do func(*runner.Runner) (*report.Result, error)) error {
	return a.with(v, func(r *runner.Runner) error {
		res, err := do(r)
		if res == nil {
			return err
		}
		return settled(v, res, err)
	})
}

func settled(v view.View, res *report.Result, err error) error {
	v.Diagnostics(res.Diagnostics)
	var usage *usageError
	if !errors.As(err, &usage) { // a usage error is shown when the command ends
		if err = status(res.ExitCode); res.Failure != nil {
			v.Fail(*res.Failure)
		}
	}
	if res.Unknown != nil {
		v.Fail(*res.Unknown)
	}
	if len(res.Owed) > 0 {
		v.Show(res.Owed)
	}
	return err
}
