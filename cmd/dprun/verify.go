package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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

// meant says what to give in place of a directory that is no secure backup
// but holds exports, or secure backups; empty when it holds neither.
func meant(ctx context.Context, dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	var export, backup string
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error { // what cannot be read is not meant
		switch {
		case ctx.Err() != nil || export != "":
			return fs.SkipAll
		case err != nil || d.IsDir():
		case strings.EqualFold(filepath.Ext(name), ".zip"):
			export = name
		case d.Name() == archive.ManifestName && backup == "":
			backup = filepath.Dir(name)
		}
		return nil
	})
	switch {
	case export != "":
		return "this directory holds exports: give their .zip files, such as " + export
	case backup != "":
		return "this directory holds secure backups: give their directories, such as " + backup
	}
	return ""
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
		case report.Kind == "":
			r.Error = meant(ctx, f)
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
