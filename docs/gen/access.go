package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/plugins/datapower"
)

const accessIntro = "For gateway administrators: the rights that dprun's user on a gateway needs, and no more. It is made from the table that\n" +
	"`dprun check` reads, so that what is named here is what is looked at.\n\n" +
	"Make a user group on the gateway with the lines for what your plans do, put a user of its own into it (`group-defined`), and let\n" +
	"`dprun check PLAN` say which line is missing. The names are those of the appliance's own management model; a line is\n" +
	"`address/domain/resource?Access=letters`, and of several lines that fit, the most specific one counts.\n"

const accessLimits = "\n## What no reading proves\n\n" +
	"`dprun check` says *not proven* of every right to *do* something: quiesce, unquiesce, export, make a secure backup, remove a file. Try them once\n" +
	"in a window, on a gateway of a test system with the same user group. A group that may quiesce and not unquiesce is refused where\n" +
	"the gateway shows the group's lines; a user with the lines below cannot read them, so look yourself.\n\n" +
	"An export leaves out, without a word, what the account cannot read. Lines that deny (`Access=NONE`) beside `*/*/*?Access=r` therefore take\n" +
	"objects out of backups. Do not give the user any of `file/cert`, `config/secure-restore`, `config/reset-*`, nor more than reading of `access/*`.\n" +
	"For a restore use another account, with the lines above.\n"

const accessRestores = "\n## Restores and drills\n\n" +
	"Restores and drills need an account of their own: it may write what a backup account must not. What the account may not write a gateway\n" +
	"leaves out of an import, without a word and without an error: dprun then names what is missing. The gateway asks for the right to *add* as well.\n" +
	"Which resource stands for an import over the XML management interface is not known; `config/rmi-import` is that of the REST interface.\n" +
	"Only a drill makes and removes domains; it never saves.\n"

// accessPage renders the access profile of gateways' users: by activity, then
// what each line is for.
func accessPage(b *bytes.Buffer) {
	generated(b, "Access profile")
	b.WriteString(accessIntro)
	for _, c := range []struct{ title, activity, quiesce string }{
		{"Exports without a quiesce", "export_domain", "none"},
		{"Exports with quiesce = \"domain\"", "export_domain", "domain"},
		{"Backups of all domains with quiesce = \"device\"", "export_all_domains", "device"},
		{"Secure backups without a quiesce", "secure_backup", "none"},
		{"Secure backups with quiesce = \"device\"", "secure_backup", "device"},
	} {
		fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n```\n", c.title, strings.Join(datapower.AccessProfile(c.activity, c.quiesce), "\n"))
	}
	b.WriteString(accessRestores)
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
	b.WriteString(accessLimits)
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
