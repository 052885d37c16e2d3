package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/runner/state"
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
			return fmt.Errorf("%q is not a number of days", s)
		}
		*d = age(time.Duration(days) * day)
		return nil
	}
	n, err := time.ParseDuration(s)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a duration such as 90d or 12h", s)
	}
	*d = age(n)
	return nil
}

func (d *age) Type() string { return "duration" }

// unprunable says what to do where the journal cannot be opened.
func unprunable(s *state.State) string {
	return "Nothing was removed: only the journal tells which staged files an unfinished run still needs. If it is room that is missing, staged files go first, " +
		"by hand: the directories of " + s.Staging() + " have the names of their runs; remove those of runs that are not to be finished, then do the same again"
}

func (a *app) runsPruneCommand() *cobra.Command {
	runs, staged := age(90*day), age(7*day)
	var dry bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove old runs and what failed tasks left in staging",
		Long: "Removes runs that ended long ago, and files that tasks of ended runs left in staging. A run that still owes something stays, and\n" +
			"so does the last one with a good copy of a device or domain: it tells where that copy is. Copies at destinations are not touched.\n\n" +
			"With --dry-run it removes nothing, and lists what it would.",
		Args: arguments(0, 0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, r *records, _ []string) error {
			now := time.Now()
			unfinished, err := r.journal.UnfinishedRuns(ctx)
			if err != nil {
				return err
			}
			needed := map[string]bool{}
			for _, run := range unfinished {
				needed[run.ID] = true
			}
			owed, err := r.journal.Owed(ctx)
			if err != nil {
				return err
			}
			for _, o := range owed {
				needed[o.Run] = true
			}
			// Staged files first: what they free may be the room that the journal needs.
			p := view.Pruned{DryRun: dry}
			remove := r.staging.Sweep
			if dry {
				remove = r.staging.Stale
			}
			swept, unswept := remove(now.Add(-time.Duration(staged)), func(e staging.Entry) bool { return needed[e.Run] })
			for _, e := range swept {
				p.Staged = append(p.Staged, shown(e))
			}
			report, err := r.journal.Prune(ctx, journal.PruneRequest{Before: now.Add(-time.Duration(runs)), Good: []string{string(lifecycle.Success)}, DryRun: dry})
			if err != nil {
				return errors.Join(err, unswept)
			}
			p.Runs = report.Runs
			for _, k := range report.Kept {
				p.Kept = append(p.Kept, view.KeptRun{Run: k.Run, Why: string(k.Why)})
			}
			v.Pruned(p)
			return unswept
		}, unprunable),
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "remove nothing, and list what would be")
	c.Flags().Var(&runs, "older-than", "remove runs that ended before this long ago")
	c.Flags().Var(&staged, "staged-older-than", "remove staged files that are older than this")
	return c
}
