package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) verifyCommand() *cobra.Command {
	verify := &cobra.Command{Use: "verify", Short: "Check what was stored"}
	var keys runner.Keys
	archives := &cobra.Command{
		Use:   "archive PATH...",
		Short: "Check gateway exports, secure backups and whole directories of them",
		Long: "Checks any gateway export or secure backup, whoever made it: the structure of the zip, the CRC of every entry, and the hashes that the\n" +
			"gateway recorded. It says what is missing by design and what is wrong. If a manifest (*.dprun.json) beside a file lists it, the file\n" +
			"is compared with the manifest. In a directory it checks everything, however deep; for a manifest, the files that it lists.\n\n" +
			"An encrypted file (*.age) is decrypted with the key of --identity, in the system's directory for temporary files, and compared with\n" +
			"what its manifest says about the captured file.\n\n" +
			"Exit codes: 0 all are whole, 3 some are, 1 none is.",
		Args: arguments(1, -1),
		RunE: a.runE(func(ctx context.Context, v view.View, paths []string) error {
			exit, err := runner.Verify(ctx, runner.VerifyRequest{Paths: paths, Keys: keys, Found: view.Each[report.Archive](v)})
			if err != nil {
				return misused(err)
			}
			return status(exit)
		}),
	}
	a.identityFlag(archives, &keys)
	verify.AddCommand(archives)
	return verify
}
