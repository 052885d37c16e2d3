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
		Long: "Restores the configuration of a domain: it imports an export of one domain into a domain of a gateway of the plan. To bring a gateway\n" +
			"back into service that a run left quiesced, use `dprun recover`.\n\n" +
			"First it stores an export of the target domain, the way back, as a set of a run of its own. It shows what would be new or changed,\n" +
			"what would stay because an import removes nothing, and which keys and certificates neither the archive nor the domain has. Then it\n" +
			"asks for the name of the device; off a terminal it needs --yes. After the import it reads the device's results, compares the domain\n" +
			"with the archive, and saves. --dry-run shows all of that and changes nothing.\n\n" +
			"SET is the ID of a backup, or the beginning of it. It is fetched from the plan's destinations. If it holds two exports, the one of\n" +
			"what was saved on the gateway is taken. ARCHIVE is a file. A set that was found at a destination and has no signature that counts\n" +
			"needs --trust-unsigned.\n\n" +
			"dprun logs in with the account of the device's block restore { }: the account that makes backups has no right to import. A restore\n" +
			"keeps to the plan's window, unless it has --emergency and --reason. A hold, a device that did not come back, and members of the group\n" +
			"that do not serve forbid a restore as they forbid a quiesce.\n\n" +
			"It refuses to restore into domain default, into a domain that takes its configuration from elsewhere (ConfigMode), is busy, is not in\n" +
			"service or has unsaved changes, and onto firmware older than the archive's. What could not be read counts as a no.\n\n" +
			"An import that was cut off is never repeated: the domain is exported and compared. If the result is not proven, `dprun owed` lists it,\n" +
			"and `dprun recover` looks again.\n\n" +
			"Exit codes: 0 restored (with --dry-run: nothing was found that forbids it), 1 nothing was changed, 3 restored with faults, 10 plan\n" +
			"invalid, 11 plugin missing or broken, 13 outside the window, 16 what the domain is now is not proven or not saved, 64 the command line\n" +
			"is wrong.",
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
