#!/usr/bin/env bash
# go-cty: the text "1p3" is the number 8, and "inf" is a number without an end.
#
# Guess: a text converts to a number when it is what one can write as a number
#   in HCL or JSON: "12", "1.5", "1e3". Anything else, "1p3" or "inf", is "a
#   number is required", as "0x10", "1_000", " 1", "NaN" and "infinity" are.
# Seen:  "1p3" converts, to 1 times 2 to the third power, and "inf", "Inf" and
#   "-inf" convert to infinities. An infinity passes as a number, and fails later
#   and elsewhere, where it becomes JSON or an integer. So a column of names such
#   as "1p2" and "1p3" can become a set of numbers without a word.
# Version: github.com/zclconf/go-cty v1.20.0.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/json"
)

func main() {
	for _, text := range []string{"12", "1e3", "0x10", "1_000", " 1", "NaN", "infinity", "1p3", "inf", "-inf"} {
		number, err := convert.Convert(cty.StringVal(text), cty.Number)
		if err != nil {
			fmt.Printf("%q: %v\n", text, err)
			continue
		}
		body, err := json.Marshal(number, cty.Number)
		fmt.Printf("%q: %v; as JSON: %s %v\n", text, number.AsBigFloat(), body, err)
	}
	racks := cty.ListVal([]cty.Value{cty.StringVal("1p2"), cty.StringVal("1p3"), cty.StringVal("8")})
	set, err := convert.Convert(racks, cty.Set(cty.Number))
	fmt.Printf("a list of 3 names as a set of numbers: %d elements, %v\n", set.LengthInt(), err)
}
GO
go mod init example.com/finding 2>log && go get github.com/zclconf/go-cty/cty/json@v1.20.0 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
"12": 12; as JSON: 12 <nil>
"1e3": 1000; as JSON: 1000 <nil>
"0x10": a number is required
"1_000": a number is required
" 1": a number is required
"NaN": a number is required
"infinity": a number is required
"1p3": 8; as JSON: 8 <nil>
"inf": +Inf; as JSON:  cannot serialize infinity as JSON
"-inf": -Inf; as JSON:  cannot serialize infinity as JSON
a list of 3 names as a set of numbers: 2 elements, <nil>
EXPECTED
