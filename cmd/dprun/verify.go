package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plugins/datapower/archive"
)

func (a *app) verifyCommand() *cobra.Command {
	verify := &cobra.Command{Use: "verify", Short: "Check what was stored"}
	verify.AddCommand(&cobra.Command{
		Use:   "archive PATH...",
		Short: "Check gateway exports, secure backups and whole directories of them",
		Long: "Checks any gateway export or secure backup, dprun's or not: the structure of the zip, the CRC of every entry, and the hashes that\n" +
			"the gateway recorded. It says what is missing by design and what is wrong. A file that a manifest (*.dprun.json) beside it lists is\n" +
			"compared with it. Of a directory everything in it is checked, however deep; of a manifest, the files that it lists.\n\n" +
			"Exit codes: 0 all are whole, 3 some are, 1 none is.",
		Args: arguments(1, -1),
		RunE: a.runE(verifyArchives),
	})
	return verify
}

func verifyArchives(ctx context.Context, v view.View, paths []string) error {
	whole, all := 0, 0
	// Exports of one firmware share megabytes of files; archives of one directory share manifests.
	verifier := archive.Verifier{Memo: archive.NewMemo(), Sets: &archive.Sets{}}
	for _, path := range paths {
		found, err := verifier.Find(ctx, path)
		if err != nil {
			all++
			v.Archive(view.Archive{File: path, Error: err.Error()})
		}
		for _, f := range found {
			all++
			report, err := verifier.VerifyFile(ctx, f)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r := view.Archive{File: f, Report: report}
			switch {
			case errors.Is(err, fs.ErrNotExist):
				r.Error = "there is no such file or directory"
			case errors.Is(err, fs.ErrPermission):
				r.Error = "this user may not read it"
			case err != nil:
				r.Error = err.Error()
			case report.Whole():
				r.Whole = true
				whole++
			}
			v.Archive(r)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch whole {
	case all:
		return nil
	case 0:
		return status(exitFailed)
	}
	return status(exitPartly)
}
