package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

func (h *Human) showPlugins(b *strings.Builder, p painter, all []report.Plugin) {
	t := table{head: []string{"NAME", "VERSION", "FROM", "STATE", "DEVICES", "ACTIVITIES", "DESTINATIONS", "SCRIPTS"}}
	for _, k := range all {
		from := "installed"
		if k.Bundled {
			from = "bundled"
		}
		state := text("ok")
		if k.Problem != "" {
			state = cell{text: "cannot be used", tone: red}
		}
		t.add(text(k.Name), text(k.Version), text(from), state, text(strings.Join(k.Sources, ", ")), text(strings.Join(k.Activities, ", ")),
			text(strings.Join(k.Destinations, ", ")), text(strings.Join(k.Hooks, ", ")))
	}
	t.write(b, p, "")
	for _, k := range all {
		if k.Problem != "" {
			fmt.Fprintf(b, "\n%s: %s\n", Clean(k.Name), Clean(k.Problem))
		}
	}
}

func (h *Human) showInit(b *strings.Builder, p painter, i report.Init) {
	if len(i.Plugins) == 0 {
		b.WriteString("The plan requires no plugins beside those that come with dprun.\n")
	} else {
		t := table{head: []string{"PLUGIN", "VERSION", "SOURCE", "", "LOCKED FOR"}}
		for _, k := range i.Plugins {
			did := "was installed"
			if k.Installed {
				did = "installed"
			}
			if k.Before != "" && k.Before != k.Version {
				did += ", before it was " + k.Before
			}
			t.add(text(k.Name), text(k.Version), text(k.Source), text(did), text(strings.Join(k.Platforms, ", ")))
		}
		t.write(b, p, "")
	}
	if i.Changed {
		fmt.Fprintf(b, "\n%s was written: commit it.\n", Clean(i.LockFile))
	}
}

func (h *Human) showPlugin(b *strings.Builder, p painter, s schema.Plugin) {
	d := describer{b, p}
	fmt.Fprintf(b, "%s %s\n", p.paint(bold, "Plugin "+Clean(s.Name)), Clean(s.Version))
	d.doc(s.Doc, "  ")
	if len(s.Env) > 0 {
		fmt.Fprintf(b, "  Environment variables passed on to it: %s\n", Clean(strings.Join(s.Env, ", ")))
	}
	for _, t := range s.Sources {
		d.head(fmt.Sprintf("device %q", t.Name), t.Doc)
		d.block(t.Config, "  ")
		for _, a := range t.Activities {
			d.head(fmt.Sprintf("activity %q", a.Name), a.Doc)
			d.activity(a)
		}
	}
	for _, t := range s.Destinations {
		d.head(fmt.Sprintf("destination %q", t.Name), t.Doc)
		d.block(t.Config, "  ")
	}
	for _, t := range s.Hooks {
		d.head(fmt.Sprintf("script %q", t.Name), t.Doc)
		d.block(t.Config, "  ")
	}
}

// describer writes schemas.
type describer struct {
	b *strings.Builder
	p painter
}

func (d describer) head(title, doc string) {
	fmt.Fprintf(d.b, "\n%s\n", d.p.paint(bold, Clean(title)))
	d.doc(doc, "  ")
}

func (d describer) doc(doc, indent string) {
	if doc == "" {
		return
	}
	for _, l := range wrap(Clean(strings.Join(strings.Fields(doc), " ")), 96-len(indent)) {
		d.b.WriteString(indent + l + "\n")
	}
}

func (d describer) activity(a schema.Activity) {
	per := "one task for every device"
	if a.Scope == schema.ScopeDomain {
		per = "one task for every device and domain"
	}
	fmt.Fprintf(d.b, "  %s; quiesce: %s", per, Clean(strings.Join(append([]string{"none"}, a.Quiesce...), ", ")))
	if a.Exclusive {
		d.b.WriteString("; takes the device alone")
	}
	d.b.WriteString("\n")
	d.block(a.Config, "  ")
}

func (d describer) block(s schema.Block, indent string) {
	if len(s.Attributes) == 0 && len(s.Blocks) == 0 {
		d.b.WriteString(indent + "config takes no arguments.\n")
		return
	}
	for _, a := range s.Attributes {
		fmt.Fprintf(d.b, "%s%s  %s\n", indent, d.p.paint(bold, Clean(a.Name)), traits(a))
		d.doc(a.Doc, indent+"    ")
	}
	for _, g := range s.ExactlyOne {
		fmt.Fprintf(d.b, "%sExactly one of %s.\n", indent, Clean(strings.Join(g, ", ")))
	}
	for _, g := range s.AtMostOne {
		fmt.Fprintf(d.b, "%sAt most one of %s.\n", indent, Clean(strings.Join(g, ", ")))
	}
	for _, n := range s.Blocks {
		fmt.Fprintf(d.b, "%s%s  block, %s\n", indent, d.p.paint(bold, Clean(n.Name)+" { }"), n.Often())
		d.doc(n.Block.Doc, indent+"    ")
		d.block(n.Block, indent+"    ")
	}
}

// traits are the type, default and bounds of an argument, as the author of a plan sees
// them.
func traits(a schema.Attribute) string {
	parts := []string{a.TypeName()}
	switch {
	case a.Required:
		parts = append(parts, "required")
	case a.Default != "":
		parts = append(parts, "default "+Clean(a.Default))
	}
	if len(a.OneOf) > 0 {
		parts = append(parts, "one of "+Clean(strings.Join(a.OneOf, " | ")))
	}
	if a.Min != nil {
		parts = append(parts, "at least "+strconv.FormatFloat(*a.Min, 'f', -1, 64))
	}
	if a.Max != nil {
		parts = append(parts, "at most "+strconv.FormatFloat(*a.Max, 'f', -1, 64))
	}
	if a.Sensitive {
		parts = append(parts, "sensitive")
	}
	if a.Deprecated != "" {
		parts = append(parts, "deprecated: "+Clean(a.Deprecated))
	}
	return strings.Join(parts, ", ")
}

func (h *Human) showNewPlugin(b *strings.Builder, p painter, n report.NewPlugin) {
	fmt.Fprintf(b, "%s has a plugin of its own now: %s.\n\n", p.paint(bold, Clean(n.Directory)), Clean(strings.Join(n.Files, ", ")))
	fmt.Fprintf(b, "  cd %s\n  go mod tidy\n  go test ./...\n\nIt works and keeps every rule for plugins. Make it yours from there; README.md says the rest.\n", Clean(n.Directory))
}

func (h *Human) showPluginRule(b *strings.Builder, p painter, r report.PluginRule) {
	switch r.Result {
	case report.RuleHolds:
		fmt.Fprintf(b, "%s  %s %s\n", p.paint(green, "holds    "), Clean(r.Block), Clean(r.Rule))
		return
	case report.RuleNotAsked:
		fmt.Fprintf(b, "%s  %s %s: %s\n", p.paint(faint, "not asked"), Clean(r.Block), Clean(r.Rule), Clean(r.NotAsked))
		return
	}
	fmt.Fprintf(b, "%s  %s %s\n", p.paint(alarm, "BROKEN   "), Clean(r.Block), Clean(r.Rule))
	d := describer{b, p}
	d.doc("Must hold: "+r.Holds, "    ")
	for _, f := range r.Found {
		d.doc("Found: "+f, "    ")
	}
	d.doc("Why: "+r.Why, "    ")
	d.doc("What to do: "+r.Remedy, "    ")
}

func (h *Human) showPluginTest(b *strings.Builder, p painter, t report.PluginTest) {
	verdict := p.paint(green, "keeps the rules that were looked at")
	if t.Broken > 0 {
		verdict = p.paint(alarm, "breaks "+plural(t.Broken, "rule", "rules")) + "; do not store backups with it before that is mended"
	}
	fmt.Fprintf(b, "\nThe plugin %s %s %s: %d held, %d broken, %d not asked", Clean(t.Plugin), Clean(t.Version), verdict, t.Held, t.Broken, t.NotAsked)
	if t.ReadOnly {
		b.WriteString("; rules that write to the destination were left out")
	}
	b.WriteString(".\n")
}
