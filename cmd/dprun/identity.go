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
		known := map[string][]byte{} // a command may read the file more than once
		keys.Ask = func(file string) ([]byte, error) {
			if given, ok := known[file]; ok {
				return given, nil
			}
			fmt.Fprintf(a.stderr, "Passphrase of %s: ", file)
			defer fmt.Fprintln(a.stderr)
			given, err := term.ReadPassword(fd)
			if err == nil {
				known[file] = given
			}
			return given, err
		}
	}
}
