package main

import (
	"bytes"
	"fmt"

	"github.com/dprun/dprun/plan/diag"
)

const diagnosticsIntro = "For people who write plans: what `dprun validate`, and every other command that reads a plan, can say about it. All errors of all files are said at once, sorted by\n" +
	"their place, each with its code and the source line. An error ends with exit code 10 and nothing is contacted; a warning stops nothing.\n" +
	"With `--json` each is an object of type `diagnostic`. The same texts are printed by `dprun explain CODE`.\n" +
	"Codes are stable: they are neither renamed nor used for something else.\n\n"

// diagnosticsPage renders the catalogue of the plan language: an overview,
// then every code with its own anchor.
func diagnosticsPage(b *bytes.Buffer, all []diag.Entry) {
	generated(b, "Diagnostics")
	b.WriteString(diagnosticsIntro)
	b.WriteString("| Code | Severity | Meaning |\n|---|---|---|\n")
	for _, e := range all {
		fmt.Fprintf(b, "| [%s](#%s) | %s | %s |\n", e.Code, anchor(string(e.Code)), e.Severity, cell(e.Meaning))
	}
	for _, e := range all {
		fmt.Fprintf(b, "\n## %s\n\n%s: %s\n\n%s\n\n**Cause:** %s\n\n**What to do:** %s\n", e.Code, e.Severity, e.Summary, e.Meaning, e.Cause, e.Fix)
	}
}
