package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
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
		Long: "Lists sets, the newest first. A set is what one task captured; a copy is a set at one destination. The state of a copy is what was\n" +
			"seen when it was stored or last checked: no destination is contacted.\n\n" +
			"With --latest it lists the last good set of each device, domain and activity. A set that `dprun backups import` found at a destination\n" +
			"never replaces one that a run stored.",
		Args: arguments(0, 0),
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

// moment is a flag's time. A day is meant to its end, in the local time zone.
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
		Long:  "Shows everything that is known about a set. SET is its ID, or the beginning of it. No destination is contacted.",
		Args:  arguments(1, 1),

		ValidArgsFunction: a.setNames(0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, h *runner.History, args []string) error {
			d, err := h.Backup(ctx, args[0])
			return show(v, d, err)
		}),
	}
}
