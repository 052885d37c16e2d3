package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) restoreCommand() *cobra.Command {
	var src source
	var q runner.RehearseRequest
	var dry bool
	c := &cobra.Command{
		Use:   "restore FILE|DIR SET|ARCHIVE",
		Short: "Show what a restore would do to a domain, and change nothing",
		Long: "Compares an export of one domain with what runs in a domain of a gateway of the plan, and has the gateway import it with its own dry\n" +
			"run. It shows what would be new or changed, what would stay because an import removes nothing, and which keys and certificates the\n" +
			"archive does not hold and the domain does not have. It changes nothing on the gateway. dprun itself imports nothing yet: --dry-run\n" +
			"has to be given.\n\n" +
			"SET is the ID of a backup or a beginning of it. It is fetched from the plan's destinations; of the two exports that it may hold, it is\n" +
			"the one of what was saved on the gateway. ARCHIVE is a file.\n\n" +
			"A restore is refused into domain default, into a domain that takes its configuration from elsewhere (ConfigMode), is busy or not in\n" +
			"service, or has changes that were not saved, and onto firmware older than the archive's. What could not be read counts as a no.\n" +
			"The device's account needs read rights, and the right to import; see the page on restoring.\n\n" +
			"Exit codes: 0 nothing was found that forbids it, 1 something forbids it or was in the way, 10 plan invalid, 11 plugin missing or\n" +
			"broken, 64 the command line is wrong.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("give a plan file or directory, and a set or an archive, not %d arguments", len(args))
			}
			return nil
		},
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q.Archive = args[len(args)-1]
		switch {
		case !dry:
			return &usageError{err: errors.New("dprun does not import: give --dry-run to see what a restore would do")}
		case q.Device == "" || q.Domain == "":
			return &usageError{err: errors.New("give --device and --domain: where the archive would be restored")}
		}
		return a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed = from, src.plan, v.BackupFault
			found, res, err := r.Rehearse(ctx, q)
			v.Diagnostics(res.Diagnostics)
			if found != nil {
				v.Rehearsal(*found)
			}
			if err == nil && res.ExitCode != 0 {
				err = status(res.ExitCode)
			}
			return misused(err)
		})(cmd, args)
	}
	src.variables(c.Flags())
	c.Flags().StringVar(&src.plan, "plan", "", "which plan, when the file has several")
	c.Flags().StringVar(&q.Device, "device", "", "the device of the plan that the domain is on")
	c.Flags().StringVar(&q.Domain, "domain", "", "the domain that would be restored; it has to be there")
	c.Flags().BoolVar(&q.Unsaved, "unsaved", false, "allow a domain with changes that were not saved")
	c.Flags().BoolVar(&a.all, "all", false, "list every object and file")
	a.identityFlag(c, &q.Keys)
	a.planFile(c, &src)
	files := c.ValidArgsFunction
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return a.setNames()(c, nil, typed)
		}
		return files(c, args, typed)
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be done, and change nothing")
	return c
}
