package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/testfixtures/layering"
)

// packagesTable writes which package may import which, the highest floor first.
func packagesTable(b *bytes.Buffer, rows []layering.Row) {
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
