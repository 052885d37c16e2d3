package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/diag"
	planfunction "github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/metrics"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
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

// calls says of each call of a destination or script what it is for. What may
// be wrong with it is read from the SDK.
var calls = []struct {
	call                      failure.Call
	name, when, gets, answers string
}{
	{failure.CallCheckDestination, "Check", "before a run touches a gateway, and in `dprun plan` and `dprun check`: once for each destination", "nothing",
		"`DestinationReport`: free and total bytes, location, warnings"},
	{failure.CallStore, "Store", "for every file of a set, and then for its manifest; again after `Unavailable` and `Timeout`", "`StoreRequest`: a local file with its size and SHA-256, the final name, how to verify, the owner",
		"`StoreReport`: location, size, hash, what was verified, whether it is durable, has its mode, was there before"},
	{failure.CallSweep, "Sweep", "where a store did not end well: before it is repeated, at the end of the run, in the next run; and for old ones in `dprun sweep`", "`SweepRequest`: directory, owner, age",
		"`SweepReport`: what was removed"},
	{failure.CallList, "List", "to find sets that are stored", "a directory", "`[]Object`: name, size, time"},
	{failure.CallList, "Leftovers", "to tell what broken stores have left", "a directory", "`[]Object`"},
	{failure.CallFetch, "Fetch", "to look at a set, or to give it back", "`FetchRequest`: name, and a local file to make", "`FetchReport`: size and hash"},
	{failure.CallList, "Leftovers", "to show what broken stores have left, in `dprun backups check`", "a directory", "`[]Object`"},
	{failure.CallSum, "Sum", "to check a set without a copy of it here; else it is fetched", "a name", "`FetchReport`"},
	{failure.CallDelete, "Delete", "to remove a set that is too old", "a name", "nothing"},
	{failure.CallRun, "Run", "where a plan says", "`RunRequest`: JSON, environment, arguments", "`RunReport`: exit code, outputs, the end of what it printed"},
}

// callsTable lists the calls, and the reasons that a failure of each may give.
func callsTable(b *bytes.Buffer) {
	host := []failure.Reason{failure.Crashed, failure.Protocol} // it finds these
	common := slices.DeleteFunc(failure.Reasons(failure.CallSweep), func(r failure.Reason) bool { return slices.Contains(host, r) })
	words := func(reasons []failure.Reason) string {
		var out []string
		for _, r := range reasons {
			if r != "" {
				out = append(out, "`"+string(r)+"`")
			}
		}
		return strings.Join(out, ", ")
	}
	fmt.Fprintf(b, "| Call | dprun makes it | It gets | It answers | Reasons of its failures, beside those below |\n|---|---|---|---|---|\n")
	for _, a := range calls {
		own := slices.DeleteFunc(failure.Reasons(a.call), func(r failure.Reason) bool { return slices.Contains(common, r) || slices.Contains(host, r) })
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", a.name, a.when, a.gets, a.answers, words(own))
	}
	fmt.Fprintf(b, "\nEvery call of a destination may give %s, or none; a script `bad_config`, or none.\n", words(common))
}
