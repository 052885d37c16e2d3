package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/dprun/dprun/runner/status"
)

const statusIntro = "For operators who read what a run reports. Every task of a run has a history of status codes and ends in exactly one of them, marked `final` in the JSON output.\n" +
	"A failure is entered when it is decided; the way back, the stores and the post-script follow, and the deciding code is then\n" +
	"repeated as the final one. The same texts are printed by `dprun explain CODE`.\n\n" +
	"Codes of origin `dpod` have the exact names of the status table of IBM DataPower Operations Dashboard; those of origin\n" +
	"`dprun` are ours, in the same style. [Coming from DPOD](coming-from-dpod.md) says where dprun enters one of its codes\n" +
	"under other circumstances. In the commands below, RUN stands for a run's ID, DEVICE for a device's name, DOMAIN for a domain's.\n" +
	"Some texts name commands that are planned; [Not built yet](not-built-yet.md) says what to do instead.\n\n"

var classes = []struct {
	class status.Class
	text  string
}{
	{status.ClassInterim, "The task goes on."},
	{status.ClassSkipped, "Nothing was tried, for a reason that lies outside the task."},
	{status.ClassInvalid, "Validation found that the task cannot work. Raises the error policy."},
	{status.ClassCancelled, "The task was called off."},
	{status.ClassFailed, "It was tried, and failed. Raises the error policy."},
	{status.ClassCritical, "It failed, and a person should look at the device now. Raises the error policy."},
	{status.ClassSuccess, "All is well."},
}

var phaseNames = [...]string{
	"queue", "validate", "plan gate", "ready", "dispatch", "pre-checks", "device lock", "pre-script",
	"quiesce", "capture", "unquiesce", "store", "post-script", "final",
}

// statusCodes renders the catalogue: an overview by level and origin, then
// every code with its own anchor.
func statusCodes(b *bytes.Buffer, all []status.Entry) {
	generated(b, "Status codes")
	b.WriteString(statusIntro)
	writeStatusLists(b)

	b.WriteString("## Classes\n\n| Class | Meaning |\n|---|---|\n")
	for _, c := range classes {
		fmt.Fprintf(b, "| %s | %s |\n", c.class, c.text)
	}
	b.WriteString("\n## Phases\n\nA task only goes forward through these phases; the tables say in which of them a code is entered.\n\n| Phase | Name |\n|---|---|\n")
	for i, n := range phaseNames {
		fmt.Fprintf(b, "| %d | %s |\n", i, n)
	}

	groups := []struct {
		title, intro string
		level        status.Level
		origin       status.Origin
	}{
		{"Tasks: codes of the DPOD table", "In the table's order.", status.LevelTask, status.OriginReference},
		{"Tasks: dprun's own codes", "For what the table has no code for.", status.LevelTask, status.OriginOwn},
		{"Runs: codes documented by DPOD for plans", "Statuses of the run itself. A run also uses WAITING_FOR_PRE_VALIDATION, PLAN_FAILED_PRE_SCRIPT, EXECUTION_FAILED_WITH_INTERNAL_EXCEPTION and SUCCESS.", status.LevelRun, status.OriginReference},
		{"Runs: dprun's own codes", "Statuses of the run itself, for which no name is documented.", status.LevelRun, status.OriginOwn},
	}
	for _, g := range groups {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n| Code | Class | Phases | Meaning |\n|---|---|---|---|\n", g.title, g.intro)
		for _, e := range all {
			if e.Level == g.level && e.Origin == g.origin {
				fmt.Fprintf(b, "| [%s](#%s) | %s | %s | %s |\n", e.Code, anchor(string(e.Code)), e.Class, phases(e.Phases), cell(e.Meaning))
			}
		}
	}

	b.WriteString("\n## What to do\n")
	for _, e := range all {
		note := ""
		if e.Neutral {
			note = " · does not count for the exit code"
		}
		fmt.Fprintf(b, "\n### %s\n\n%s · %s · origin %s%s\n\n%s\n\n**Cause:** %s\n\n**What to do:** %s\n", e.Code, e.Level, e.Class, e.Origin, note, e.Meaning, e.Cause, e.Action)
	}
}

// anchor is the fragment that Markdown renderers give to a heading of a single word.
func anchor(heading string) string { return strings.ToLower(heading) }

// cell escapes what would end a table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// phases writes ascending numbers with runs drawn together: 3–8, 10.
func phases(ns []int) string {
	var parts []string
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] == ns[j]+1 {
			j++
		}
		switch {
		case j-i >= 2:
			parts = append(parts, fmt.Sprintf("%d–%d", ns[i], ns[j]))
		default:
			for k := i; k <= j; k++ {
				parts = append(parts, strconv.Itoa(ns[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
