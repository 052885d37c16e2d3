package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) backupsCommand() *cobra.Command {
	c := &cobra.Command{Use: "backups", Short: "Find the backups that were stored, and delete old ones"}
	c.AddCommand(a.backupsListCommand(), a.backupsShowCommand(), a.backupsImportCommand(), a.backupsCheckCommand(), a.backupsFetchCommand(), a.backupsPackCommand(), a.backupsPruneCommand())
	return c
}

func (a *app) backupsListCommand() *cobra.Command {
	var q runner.BackupsRequest
	var at moment
	c := &cobra.Command{
		Use:   "list",
		Short: "List backups, the newest first",
		Args:  arguments(0, 0),
		RunE: a.lookAnywhere(func(ctx context.Context, v view.View, h past, _ []string) error {
			if err := notNegative("limit", q.Limit); err != nil {
				return err
			}
			q.At = time.Time(at)
			sets, err := all(h.Backups(ctx, q))
			return show(v, sets, err)
		}),
	}
	c.Flags().IntVar(&q.Limit, "limit", 20, "how many; 0: all")
	c.Flags().StringVar(&q.Device, "device", "", "only of this device")
	c.Flags().StringVar(&q.Domain, "domain", "", "only of this domain")
	c.Flags().StringVar(&q.Plan, "plan", "", "only of this plan")
	c.Flags().Var(&at, "at", "only sets that existed at this time, such as 2026-11-23T21:40:00Z or 2026-11-23")
	c.Flags().BoolVar(&q.Latest, "latest", false, "only the last good one of each device, domain and activity")
	return alsoRemote(c, "limit", "device", "domain", "plan", "latest")
}

// moment is the value of a flag that takes a time. A bare date means the end of that
// day in the local time zone.
type moment time.Time

func (m *moment) String() string {
	if t := time.Time(*m); !t.IsZero() {
		return t.Format(time.RFC3339)
	}
	return ""
}

func (m *moment) Set(s string) error {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		*m = moment(t)
		return nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-11-23T21:40:00Z, and not a day such as 2026-11-23", s)
	}
	*m = moment(day.AddDate(0, 0, 1).Add(-time.Millisecond))
	return nil
}

func (m *moment) Type() string { return "time" }

func (a *app) backupsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show SET",
		Short: "Show a backup with its files, its copies and what is not in it",
		Args:  arguments(1, 1),

		ValidArgsFunction: a.setNames(0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, h *runner.History, args []string) error {
			d, err := h.Backup(ctx, args[0])
			return show(v, d, err)
		}),
	}
}

// share is the value of a flag that takes a part of a whole, such as 10%.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', -1, 64) + "%" }
func (s *share) Type() string   { return "share" }

func (s *share) Set(text string) error {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !strings.HasSuffix(text, "%") || !(percent > 0 && percent <= 100) {
		return fmt.Errorf("%q: write for example 10%%; at most 100%%", text)
	}
	*s = share(percent / 100)
	return nil
}

func (a *app) backupsCheckCommand() *cobra.Command {
	var src source
	var q runner.CheckBackupsRequest
	var data share
	c := &cobra.Command{
		Use:   "check FILE|DIR",
		Short: "Compare what stands at a plan's destinations with what was stored",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Data, q.Found, q.Checked = from, src.plan, float64(data), view.Each[report.BackupFault](v), view.Each[report.CheckedDestination](v)
			res, err := r.CheckBackups(ctx, q)
			return ended[any](v, res, err)
		}),
	}
	c.Flags().Var(&data, "read-data", "read the data too: all of it, or a share such as 10%")
	c.Flags().Lookup("read-data").NoOptDefVal = "100%"
	a.destinationFlag(c, &src, &q.Destination, "destination", "only this destination of the plan, such as sftp.vault")
	return c
}

func (a *app) backupsFetchCommand() *cobra.Command {
	var src source
	var q runner.FetchBackupRequest
	var latest bool
	c := &cobra.Command{
		Use:   "fetch FILE|DIR [SET]",
		Short: "Get the files of a backup",
		Args: func(c *cobra.Command, args []string) error {
			if err := arguments(1, 2)(c, args); err != nil {
				return err
			}
			q.Set = strings.Join(args[1:], "")
			switch {
			case q.Encrypted && len(q.Keys.Files) > 0:
				return errors.New("give --identity to get the files decrypted, or --encrypted to get them as they are stored")
			case latest == (q.Set != ""):
				return errors.New("give the ID of a set, or --latest with --device")
			case latest && q.Device == "":
				return errors.New("--latest needs --device, and --domain unless the backup is of the whole device")
			case !latest && q.Device+q.Domain+q.Activity != "":
				return errors.New("--device, --domain and --activity go with --latest")
			case q.Dir == "":
				return errors.New("--to is missing: name the directory that the files go to")
			}
			return nil
		},
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed = from, src.plan, view.Each[report.BackupFault](v)
			fetched, res, err := r.FetchBackup(ctx, q)
			return ended(v, res, err, some(fetched)...)
		}),
	}
	c.Flags().BoolVar(&latest, "latest", false, "the last good one of --device and --domain")
	c.Flags().StringVar(&q.Device, "device", "", "with --latest: of this device")
	c.Flags().StringVar(&q.Domain, "domain", "", "with --latest: of this domain; without it, of the whole device")
	c.Flags().StringVar(&q.Activity, "activity", "", "with --latest: of this activity, where several back up the same")
	c.Flags().StringVar(&q.Dir, "to", "", "the directory for the files; it is created if missing")
	a.identityFlag(c, &q.Keys)
	c.Flags().BoolVar(&q.Encrypted, "encrypted", false, "get encrypted files as they are stored; their names end in .age")
	a.destinationFlag(c, &src, &q.From, "from", "only from this destination of the plan, such as sftp.vault")
	second(c, a.setNames(1))
	return c
}

func (a *app) backupsImportCommand() *cobra.Command {
	var src source
	var q runner.ImportRequest
	var layout string
	c := &cobra.Command{
		Use:   "import FILE|DIR",
		Short: "Find the backups that stand at a plan's destinations",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			if q.Source, q.Plan, q.DPOD = from, src.plan, layout == "dpod"; layout != "" && !q.DPOD {
				return &usageError{err: fmt.Errorf("--layout is %q; it is dpod, or left out", layout)}
			}
			found, res, err := r.ImportBackups(ctx, q)
			return ended(v, res, err, found...)
		}),
	}
	a.destinationFlag(c, &src, &q.Destination, "destination", "only this destination of the plan, such as sftp.vault")
	c.Flags().StringVar(&layout, "layout", "", "also find files without a manifest, in this layout: dpod")
	must(c.RegisterFlagCompletionFunc("layout", offering(func(*cobra.Command, []string, string) []string { return []string{"dpod"} })))
	return c
}

func (a *app) backupsPackCommand() *cobra.Command {
	var src source
	var q runner.PackRequest
	c := &cobra.Command{
		Use:   "pack FILE|DIR",
		Short: "Collect in a directory everything that is needed to rebuild a gateway",
		Args: func(c *cobra.Command, args []string) error {
			switch err := arguments(1, 1)(c, args); {
			case err != nil:
				return err
			case q.Device == "":
				return errors.New("--device is missing: name a device of the plan")
			case q.Dir == "":
				return errors.New("--to is missing: name an empty directory")
			}
			return nil
		},
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan, q.Failed = from, src.plan, view.Each[report.BackupFault](v)
			pack, res, err := r.PackBackups(ctx, q)
			return ended(v, res, err, some(pack)...)
		}),
	}
	c.Flags().StringVar(&q.Device, "device", "", "the device of the plan")
	c.Flags().StringVar(&q.Dir, "to", "", "an empty directory; it is created if missing")
	a.identityFlag(c, &q.Keys)
	a.planFile(c, &src)
	return c
}

func (a *app) backupsPruneCommand() *cobra.Command {
	var src source
	var q runner.PruneBackupsRequest
	c := &cobra.Command{
		Use:   "prune FILE|DIR",
		Short: "Delete the backups that a plan's retention does not keep",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			q.Source, q.Plan = from, src.plan
			pruned, res, err := r.PruneBackups(ctx, q)
			return ended(v, res, err, pruned...)
		}),
	}
	c.Flags().BoolVar(&q.DryRun, "dry-run", false, "delete nothing, and list what would go and what would stay")
	a.planFile(c, &src)
	return c
}

func (a *app) coverageCommand() *cobra.Command {
	var src source
	var keys runner.Keys
	most := age(26 * time.Hour)
	c := &cobra.Command{
		Use:   "coverage FILE|DIR",
		Short: "Show which devices and domains have a recent good backup, and which have none",
		Args:  planArg,
		RunE: a.hereOrThere(a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			covered, res, err := r.Coverage(ctx, runner.CoverageRequest{Source: from, Plan: src.plan, MaxAge: time.Duration(most), Keys: keys})
			return ended(v, res, err, some(covered)...)
		}), func(ctx context.Context, v view.View, c *remote.Client, args []string) error {
			covered, res, err := c.Coverage(ctx, remote.CoverageRequest{PlanRef: remote.PlanRef{Name: args[0], Plan: src.plan}, MaxAge: time.Duration(most)})
			return ended(v, res, err, some(covered)...)
		}),
	}
	a.planFile(c, &src)
	c.Flags().Var(&most, "max-age", "how old the last good set may be, such as 26h or 8d")
	a.identityFlag(c, &keys)
	c.Flags().BoolVar(&a.all, "all", false, "show also what has a good backup, however much there is; else more than 40 are only counted")
	return alsoRemote(c, "plan", "max-age", "all")
}
