package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dprun/dprun/runner"
)

// identityFlag adds the flag for the keys that open what is stored encrypted.
func (a *app) identityFlag(c *cobra.Command, keys *runner.Keys) {
	c.Flags().StringArrayVar(&keys.Files, "identity", nil, "a file with a secret key of age or SSH that opens encrypted backups; may be repeated")
	if fd, ok := terminal(a.stdin); ok {
		keys.Ask = func(file string) ([]byte, error) {
			fmt.Fprintf(a.stderr, "Passphrase of %s: ", file)
			defer fmt.Fprintln(a.stderr)
			return term.ReadPassword(fd)
		}
	}
}
