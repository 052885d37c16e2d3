package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty/function"

	planfunction "github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
)

// undescribed says what functions do whose libraries do not.
var undescribed = map[string]string{
	"can":        "Tells whether an expression has a value: false where evaluating it fails.",
	"try":        "Returns the first of the expressions whose evaluation does not fail.",
	"yamldecode": "Parses the given string as YAML and returns the value that it describes.",
	"yamlencode": "Returns a string containing a YAML representation of the given value.",
	"tolist":     "Converts the given value to a list.",
	"tomap":      "Converts the given value to a map.",
	"toset":      "Converts the given value to a set: duplicates and order are lost.",
}

// functionsPage renders what plan files can call.
func functionsPage(b *bytes.Buffer, table map[string]function.Function) {
	generated(b, "Functions")
	b.WriteString("For people who write plans: the functions that [expressions](expressions.md) can call. Functions that read a file read below the plan's directory only;\n" +
		"those of [secrets](expressions.md#secrets) read nothing before a plan is applied or previewed.\n\n")
	b.WriteString("| Function | Result |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(table)) {
		f := table[name]
		text, ours := undescribed[name]
		if !ours {
			text = strings.ReplaceAll(f.Description(), `\"`, `"`)
		}
		fmt.Fprintf(b, "| `%s(%s)` | %s |\n", name, parameters(f), cell(text))
	}
}

func parameters(f function.Function) string {
	var names []string
	for _, p := range f.Params() {
		names = append(names, p.Name)
	}
	if p := f.VarParam(); p != nil {
		names = append(names, p.Name+"...")
	}
	return strings.Join(names, ", ")
}

// functions is the table of the language, without files or secrets behind it.
func functions() map[string]function.Function {
	return planfunction.Table(planfunction.Files{}, secret.NewStore(nil))
}
