package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
)

const conformanceIntro = "For authors of plugins: what every plugin must do, and how you see whether yours does. Each rule has a case in the package `sdk/conformance`, which runs over real\n" +
	"gRPC, in a plugin's own tests and in `dprun plugin test` ([Writing plugins](writing-plugins.md#test-it)). An ID is stable: it is neither renamed nor used for something else.\n\n" +
	"For each rule there is a plugin in `testfixtures/mutants` that breaks it and keeps all others: so it is known that the case finds it.\n\n" +
	"Looked at where: `process` rules need the plugin in a process of its own, `inside` rules need it within the test's. What a destination does not offer is not asked of it.\n" +
	"Rules for devices are as unstable as `sdk.Source` is, and run in a plugin's own tests only.\n"

// conformancePage renders the rules: an overview, then each with its own anchor.
func conformancePage(b *bytes.Buffer, rules []conformance.Rule) {
	generated(b, "Conformance")
	b.WriteString(conformanceIntro)
	b.WriteString("\n| Rule | Of | Looked at where | Read-only |\n|---|---|---|---|\n")
	for _, r := range rules {
		of := map[schema.Kind]string{"": "every plugin", schema.KindDestination: "destinations", schema.KindHook: "scripts", schema.KindSource: "devices"}[r.Kind]
		switch r.Ability {
		case "":
		case schema.AbilityLeftovers:
			of += " that show leftovers"
		default:
			of += " that " + string(r.Ability)
		}
		readOnly := ""
		if r.ReadOnly {
			readOnly = "yes"
		}
		fmt.Fprintf(b, "| [%s](#%s) | %s | %s | %s |\n", r.ID, strings.ReplaceAll(r.ID, "/", ""), of, r.Where, readOnly)
	}
	for _, r := range rules {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n**Otherwise:** %s\n\n**What to do:** %s\n", r.ID, r.Holds, r.Why, r.Remedy)
	}
}
