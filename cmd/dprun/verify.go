package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plugins/datapower/archive"
)

func (a *app) verifyCommand() *cobra.Command {
	verify := &cobra.Command{Use: "verify", Short: "Check what was stored"}
	verify.AddCommand(&cobra.Command{
		Use:   "archive FILE...",
		Short: "Check gateway exports and secure-backup directories",
		Long: "Checks any gateway export or secure-backup directory, dprun's or not: the structure of the zip, the CRC of every entry, and\n" +
			"the hashes that the gateway recorded. It says what is missing by design and what is wrong.\n\n" +
			"Exit codes: 0 all are whole, 3 some are, 1 none is.",
		Args: arguments(1, -1),
		RunE: a.runE(verifyArchives),
	})
	return verify
}

func verifyArchives(ctx context.Context, v view.View, files []string) error {
	whole := 0
	verifier := archive.Verifier{Memo: archive.NewMemo()} // exports of one firmware share megabytes of files
	for _, f := range files {
		report, err := verifier.VerifyFile(ctx, f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := view.Archive{File: f, Report: report}
		switch {
		case err != nil:
			r.Error = err.Error()
		case report.Whole():
			r.Whole = true
			whole++
		}
		v.Archive(r)
	}
	switch whole {
	case len(files):
		return nil
	case 0:
		return status(exitFailed)
	}
	return status(exitPartly)
}
