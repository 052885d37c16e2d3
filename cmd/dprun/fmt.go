package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) fmtCommand() *cobra.Command {
	q := runner.FormatRequest{Stdin: a.stdin}
	c := &cobra.Command{
		Use:   "fmt [FILE|DIR|-]...",
		Short: "Write plan files in the usual form",
		Long: "Rewrites plan files (*.hcl) in the usual form and lists those that it changed. Without an argument it does so for the current\n" +
			"directory; - formats standard input to standard output. A file with a syntax error is left alone.\n\n" +
			"With --check or --diff nothing is written. Exit codes: 0, 1 with --check when a file is not in the usual form, 10 for a syntax error.",
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			q.Paths, q.Found = args, view.Each[report.Format](v)
			ds, err := runner.Format(ctx, q)
			v.Diagnostics(ds)
			if e := new(runner.Error); errors.As(err, &e) {
				return a.told(v, e)
			}
			return err
		}),
	}
	c.Flags().BoolVar(&q.Check, "check", false, "only list the files that would change, and end with 1 if there are any")
	c.Flags().BoolVar(&q.Diff, "diff", false, "only show what would change")
	c.Flags().BoolVar(&q.Recursive, "recursive", false, "also do the directories below")
	return c
}
