package main

import (
	"bytes"
	"fmt"

	"github.com/dprun/dprun/runner"
)

// exitCodes writes the table of exit codes.
func exitCodes(b *bytes.Buffer, all []runner.Exit) {
	b.WriteString("| Code | Meaning | What a scheduler does |\n|---|---|---|\n")
	for _, e := range all {
		fmt.Fprintf(b, "| %d | %s | %s |\n", e.Code, e.Meaning, e.Action)
	}
}
