package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/metrics"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/layering"
)

// A page may be written by hand except for regions between two comments, such
// as
//
//	<!-- generated: exit-codes -->
//	<!-- end generated -->
const endRegion = "<!-- end generated -->"

func beginRegion(name string) string { return "<!-- generated: " + name + " -->" }

// fill replaces the content of a region of a page.
func fill(page []byte, name string, render func(*bytes.Buffer)) ([]byte, error) {
	head, rest, begun := bytes.Cut(page, []byte(beginRegion(name)+"\n"))
	_, tail, ended := bytes.Cut(rest, []byte(endRegion+"\n"))
	if !begun || !ended {
		return nil, fmt.Errorf("the page has no region %q: it needs the lines %q and %q", name, beginRegion(name), endRegion)
	}
	var b bytes.Buffer
	b.Write(head)
	fmt.Fprintf(&b, "%s\n\n", beginRegion(name))
	render(&b)
	fmt.Fprintf(&b, "\n%s\n", endRegion)
	b.Write(tail)
	return b.Bytes(), nil
}

// exitCodes writes the table of exit codes.
func exitCodes(b *bytes.Buffer, all []runner.Exit) {
	b.WriteString("| Code | Meaning | What a scheduler does |\n|---|---|---|\n")
	for _, e := range all {
		fmt.Fprintf(b, "| %d | %s | %s |\n", e.Code, e.Meaning, e.Action)
	}
}

// metricsTable lists all metrics.
func metricsTable(b *bytes.Buffer) {
	b.WriteString("| Metric | Labels | Meaning |\n|---|---|---|\n")
	for _, f := range metrics.Families() {
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, labels, cell(f.Help))
	}
}

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
