package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) restoreCommand() *cobra.Command {
	var src source
	var q runner.RestoreRequest
	var dry, yes bool
	c := &cobra.Command{
		Use:   "restore FILE|DIR SET|ARCHIVE",
		Short: "Restore a domain's configuration from a backup",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("give a plan file or directory, and a set or an archive, not %d arguments", len(args))
			}
			return nil
		},
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q.Archive = args[len(args)-1]
		if q.Device == "" || q.Domain == "" {
			return &usageError{err: errors.New("give --device and --domain: where the archive is to be restored")}
		}
		if dry {
			return a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
				q.RehearseRequest.Source, q.RehearseRequest.Plan, q.Failed = from, src.plan, view.Each[report.BackupFault](v)
				found, res, err := r.Rehearse(ctx, q.RehearseRequest)
				return ended(v, res, err, some(found)...)
			})(cmd, args)
		}
		return a.runDeaf(func(ctx context.Context, v view.View, args []string) error {
			from, err := src.of(a, args[0])
			if err != nil {
				return err
			}
			op, release := operation(ctx, v)
			defer release()
			q.Operation, q.RehearseRequest.Source, q.RehearseRequest.Plan, q.Failed = op, from, src.plan, view.Each[report.BackupFault](v)
			q.Confirm = a.confirmRestore(op.Stop.Asked(), v, yes)
			return a.operate(v, func(r *runner.Runner) (*report.Result, error) {
				out, res, err := r.Restore(ctx, q)
				if out != nil {
					v.Show(*out)
				}
				return res, err
			})
		})(cmd, args)
	}
	c.Flags().StringVar(&q.Device, "device", "", "the device of the plan that the domain is on")
	c.Flags().StringVar(&q.Domain, "domain", "", "the domain to restore into; it must exist")
	c.Flags().BoolVar(&q.Unsaved, "unsaved", false, "allow a domain with unsaved changes")
	c.Flags().BoolVar(&a.all, "all", false, "list every object and file")
	a.identityFlag(c, &q.Keys)
	a.planFile(c, &src)
	second(c, a.setNames(1))
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be done, and change nothing")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "restore without asking; needed off a terminal")
	c.Flags().StringVar(&q.Reason, "reason", "", "why, for the record")
	c.Flags().BoolVar(&q.Emergency, "emergency", false, "restore outside the plan's window; needs --reason")
	c.Flags().BoolVar(&q.TrustUnsigned, "trust-unsigned", false, "restore a set that neither the journal nor a signature vouches for")
	c.Flags().StringVar(&q.Policy, "policy", "", "a file with the statements of the deployment policy for the import")
	c.Flags().StringToStringVar(&q.Variables, "policy-var", nil, "NAME=VALUE of a variable of the deployment policy; may be given again")
	c.Flags().BoolVar(&q.RewriteLocalIP, "rewrite-local-ip", false, "make local addresses those of the interfaces of the same name on this gateway")
	return c
}

// confirmRestore returns a function that shows the rehearsal and asks whether to
// restore. Off a terminal nobody can be asked, so it fails unless yes is set.
func (a *app) confirmRestore(asked context.Context, v view.View, yes bool) func(report.Rehearsal) error {
	_, in := terminal(a.stdin)
	_, out := terminal(a.stderr)
	return func(r report.Rehearsal) error {
		v.Show(r)
		switch {
		case yes:
		case !in || !out:
			return &runner.Error{ExitCode: runner.ExitUsage, Err: errors.New("a restore is an outage of the domain, and there is no terminal to ask on: nothing was sent; if that is what you want, add --yes")}
		case !view.AskName(asked, a.stdin, a.stderr, r):
			return &runner.Error{ExitCode: exitFailed, Err: errors.New("not confirmed: nothing was sent")}
		}
		return nil
	}
}

func (a *app) drillCommand() *cobra.Command {
	var src source
	var q runner.DrillRequest
	c := &cobra.Command{
		Use:   "drill FILE|DIR [NAME]",
		Short: "Prove that backups can be imported, on a gateway for drills",
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
