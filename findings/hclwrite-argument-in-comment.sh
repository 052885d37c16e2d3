#!/usr/bin/env bash
# hclwrite: an argument that is set in a file without a newline at its end
# becomes part of a comment.
#
# Guess: SetAttributeValue begins a line of its own for a new argument, whatever
#   the last byte of the file is: hclwrite is there so that nobody has to think
#   about the text. A file may end without a newline, the parser takes it.
# Seen:  the argument is put behind the last line with a blank. Is that line a
#   comment, or ends in one, the file is valid and the argument is not in it,
#   though GetAttribute of the same file in memory gives it. Is it none, the
#   text does not parse. AppendNewBlock does the same.
# Version: github.com/hashicorp/hcl/v2 v2.25.0.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

func main() {
	for _, text := range []string{"keep = 3 # days\n", "keep = 3 # days", "keep = 3"} {
		file, diags := hclwrite.ParseConfig([]byte(text), "file", hcl.InitialPos)
		fmt.Printf("%q: valid: %v\n", text, !diags.HasErrors())
		file.Body().SetAttributeValue("locked", cty.True)
		fmt.Printf("  in memory, locked is set: %v\n", file.Body().GetAttribute("locked") != nil)
		read, diags := hclsyntax.ParseConfig(file.Bytes(), "file", hcl.InitialPos)
		if diags.HasErrors() {
			fmt.Printf("  written as %q: %s\n", file.Bytes(), diags[0].Summary)
			continue
		}
		_, found := read.Body.(*hclsyntax.Body).Attributes["locked"]
		fmt.Printf("  written as %q: valid, locked is set: %v\n", file.Bytes(), found)
	}
}
GO
go mod init example.com/finding 2>log && go get github.com/hashicorp/hcl/v2/hclwrite@v2.25.0 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
"keep = 3 # days\n": valid: true
  in memory, locked is set: true
  written as "keep   = 3 # days\nlocked = true\n": valid, locked is set: true
"keep = 3 # days": valid: true
  in memory, locked is set: true
  written as "keep = 3 # days locked = true\n": valid, locked is set: false
"keep = 3": valid: true
  in memory, locked is set: true
  written as "keep = 3 locked = true\n": Missing newline after argument
EXPECTED
