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
		Long: "Checks any gateway export or secure backup, dprun's or not: the structure of the zip, the CRC of every entry, and the hashes that\n" +
			"the gateway recorded. It says what is missing by design and what is wrong. A file that a manifest (*.dprun.json) beside it lists is\n" +
			"compared with it. Of a directory everything in it is checked, however deep; of a manifest, the files that it lists.\n\n" +
			"What is encrypted (*.age) is decrypted with the key of --identity, in the system's directory for temporary files, and compared with\n" +
			"what its manifest says of the file that was captured.\n\n" +
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
