package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// share is a flag's part of a whole, such as 10%.
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
		Long: "Checks every backup that was stored at the plan's destinations, whichever plan stored it. The manifest must be the one that was\n" +
			"stored, and every file must be there with its size. --read-data reads every byte too. --read-data=10% reads a tenth, beginning with\n" +
			"the backups that were not read for the longest time, so that ten checks read all.\n\n" +
			"It names what is missing, altered or somewhere else, and files that belong to no backup. `dprun backups list` shows the result\n" +
			"afterwards. A destination that does not answer, or that shows nothing at all, counts as not checked: its backups do not count as\n" +
			"missing.\n\n" +
			"No device is contacted, and no backup is changed. At most two files are read at once at each destination.\n\n" +
			"Exit codes: 0 all backups are whole, 3 some are, 1 none is. Files that belong to no backup do not count, nor do backups of others.",
		Args: planArg,
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
