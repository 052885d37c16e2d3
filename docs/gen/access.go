package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/plugins/datapower"
)

// accessPage renders the access profile of gateways' users: by activity, then
// what each line is for.
func accessPage(b *bytes.Buffer) {
	generated(b, "Access profile")
	b.WriteString(texts["access"] + "\n")
	for _, c := range []struct{ title, activity, quiesce string }{
		{"Exports without a quiesce", "export_domain", "none"},
		{"Exports with quiesce = \"domain\"", "export_domain", "domain"},
		{"Backups of all domains with quiesce = \"device\"", "export_all_domains", "device"},
		{"Secure backups without a quiesce", "secure_backup", "none"},
		{"Secure backups with quiesce = \"device\"", "secure_backup", "device"},
	} {
		fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n```\n", c.title, strings.Join(datapower.AccessProfile(c.activity, c.quiesce), "\n"))
	}
	b.WriteString("\n" + texts["access restores"] + "\n")
	for _, c := range []struct {
		title string
		drill bool
	}{{"Restores", false}, {"Drills", true}} {
		fmt.Fprintf(b, "\n### %s\n\n```text\n%s\n```\n", c.title, strings.Join(datapower.RestoreProfile(c.drill), "\n"))
	}
	b.WriteString("\n## What each line is for\n\n| Resource | Access | Where | Needed to | By | Seen by reading |\n|---|---|---|---|---|---|\n")
	for _, a := range datapower.Accesses() {
		where := "default"
		if a.Domains {
			where = "each domain that is backed up"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", a.Resource, a.Letters, where, sentence(a), usedBy(a), yes(a.Proven()))
	}
	b.WriteString("\n" + texts["access limits"] + "\n")
}

func sentence(a datapower.Access) string {
	if a.Note == "" {
		return cell(a.For)
	}
	return cell(a.For + ". " + strings.TrimSuffix(a.Note, "."))
}

// usedBy says which activities need a right.
func usedBy(a datapower.Access) string {
	by := "everything"
	if len(a.Activities) > 0 {
		by = "`" + strings.Join(slices.Clone(a.Activities), "`, `") + "`"
	}
	switch {
	case a.CheckOnly:
		return "`dprun check` alone"
	case a.Quiesce == "any":
		return "any quiesce"
	case a.Quiesce != "":
		return "`quiesce = \"" + a.Quiesce + "\"`"
	}
	return by
}

// drillClasses lists what a drill does about the classes that start something.
func drillClasses(b *bytes.Buffer) {
	disabled, leftOut, refused := datapower.DrillClasses()
	for _, c := range []struct {
		what    string
		classes []string
	}{{"Disabled", disabled}, {"Left out", leftOut}, {"Not drilled, if a set holds one", refused}} {
		fmt.Fprintf(b, "- **%s**: `%s`.\n", c.what, strings.Join(c.classes, "`, `"))
	}
}
