package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner/staging"
)

const day = 24 * time.Hour

// age is a flag's duration that also takes days: 90d.
type age time.Duration

func (d *age) String() string {
	if n := time.Duration(*d); n%day == 0 {
		return fmt.Sprintf("%dd", n/day)
	}
	return time.Duration(*d).String()
}

func (d *age) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.Atoi(n)
		if err != nil || days < 0 || days > 36500 {
			return fmt.Errorf("%q is no number of days", s)
		}
		*d = age(time.Duration(days) * day)
		return nil
	}
	n, err := time.ParseDuration(s)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no duration such as 90d or 12h", s)
	}
	*d = age(n)
	return nil
}

func (d *age) Type() string { return "duration" }

func (a *app) runsPruneCommand() *cobra.Command {
	runs, staged := age(90*day), age(7*day)
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove old runs and what failed tasks left in staging",
		Long:  "Removes runs that ended long ago, and files that tasks of ended runs left in staging. Runs that still owe something stay.\nCopies at destinations are not touched.",
		Args:  arguments(0, 0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, r *records, _ []string) error {
			now := time.Now()
			unfinished, err := r.journal.UnfinishedRuns(ctx)
			if err != nil {
				return err
			}
			busy := map[string]bool{}
			for _, run := range unfinished {
				busy[run.ID] = true
			}
			report, err := r.journal.Prune(ctx, now.Add(-time.Duration(runs)))
			if err != nil {
				return err
			}
			p := view.Pruned{Runs: report.Runs, Kept: report.Kept}
			swept, err := r.staging.Sweep(now.Add(-time.Duration(staged)), func(e staging.Entry) bool { return busy[e.Run] })
			for _, e := range swept {
				p.Staged = append(p.Staged, shown(e))
			}
			v.Pruned(p)
			return err
		}),
	}
	c.Flags().Var(&runs, "older-than", "remove runs that ended before this long ago")
	c.Flags().Var(&staged, "staged-older-than", "remove staged files that are older than this")
	return c
}
