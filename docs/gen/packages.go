package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/testfixtures/layering"
)

// packagesPage writes which package may import which, the highest floor first.
func packagesPage(b *bytes.Buffer, rows []layering.Row) {
	generated(b, "Packages")
	b.WriteString("For people who change dprun: what each package holds, and which of our packages it may import directly. A package imports from lower floors only. " +
		"`testfixtures/layering` holds this table and asserts it.\n\n")
	b.WriteString("| floor | package | holds | imports, of ours |\n|---|---|---|---|\n")
	for i := range rows {
		r := rows[len(rows)-1-i]
		imports := "nothing"
		if len(r.Imports) > 0 {
			imports = "`" + strings.Join(r.Imports, "`, `") + "`"
		}
		fmt.Fprintf(b, "| %d | `%s` | %s | %s |\n", r.Floor, r.Package, r.Holds, imports)
	}
}
