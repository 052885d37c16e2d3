package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
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

func (a *app) runsPruneCommand() *cobra.Command {
	runs, staged := age(90*day), age(7*day)
	var dry bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove old runs and what failed tasks left in staging",
		Long: "Removes runs that ended long ago, and files that tasks of ended runs left in staging. A run that has left something to be undone\n" +
			"stays. The last run with a good copy of a device or domain stays too, because it knows where that copy is. Copies at destinations are\n" +
			"not touched.\n\n" +
			"With --dry-run it removes nothing, and lists what it would remove.",
		Args: arguments(0, 0),
		RunE: a.lookBack(func(ctx context.Context, v view.View, h *runner.History, _ []string) error {
			p, err := h.Prune(ctx, runner.PruneRequest{RunsOlderThan: time.Duration(runs), StagedOlderThan: time.Duration(staged), DryRun: dry})
			if p != nil {
				v.Show(*p)
			}
			return err
		}),
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "remove nothing, and list what would be")
	c.Flags().Var(&runs, "older-than", "remove runs that ended longer ago than this")
	c.Flags().Var(&staged, "staged-older-than", "remove staged files that are older than this")
	return c
}
