package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/dprun/dprun/sdk/schema"
)

const pluginsIntro = "For people who write plans: the plugins that come with dprun, and the arguments of their `config` blocks. The same text for any installed plugin is printed by\n" +
	"`dprun plugin describe NAME`.\n"

// pluginsPage renders what plugins offer: types of devices with their
// activities, types of destinations, types of scripts.
func pluginsPage(b *bytes.Buffer, plugins ...schema.Plugin) {
	generated(b, "Plugins")
	b.WriteString(pluginsIntro)
	for _, p := range plugins {
		fmt.Fprintf(b, "\n## Plugin %s\n", p.Name)
		paragraph(b, p.Doc)
		if len(p.Env) > 0 {
			fmt.Fprintf(b, "\nEnvironment variables passed on to it: `%s`.\n", strings.Join(p.Env, "`, `"))
		}
		for _, t := range p.Sources {
			fmt.Fprintf(b, "\n### device \"%s\"\n", t.Name)
			paragraph(b, t.Doc)
			block(b, "config", t.Config)
			usage(b, "device", t.Name)
			for _, a := range t.Activities {
				activity(b, a)
			}
		}
		for _, t := range p.Destinations {
			fmt.Fprintf(b, "\n### destination \"%s\"\n", t.Name)
			paragraph(b, t.Doc)
			block(b, "config", t.Config)
			usage(b, "destination", t.Name)
		}
		for _, t := range p.Hooks {
			fmt.Fprintf(b, "\n### script \"%s\"\n", t.Name)
			paragraph(b, t.Doc)
			block(b, "config", t.Config)
			usage(b, "script", t.Name)
		}
	}
}

func activity(b *bytes.Buffer, a schema.Activity) {
	fmt.Fprintf(b, "\n### activity \"%s\"\n", a.Name)
	paragraph(b, a.Doc)
	per := "One task for every device."
	if a.Scope == schema.ScopeDomain {
		per = "One task for every device and domain."
	}
	fmt.Fprintf(b, "\n%s `quiesce`: `none`", per)
	for _, q := range a.Quiesce {
		fmt.Fprintf(b, ", `%s`", q)
	}
	b.WriteString(".")
	if a.Exclusive {
		b.WriteString(" Takes the device alone.")
	}
	b.WriteString("\n")
	block(b, "config", a.Config)
	usage(b, "activity", a.Name)
}

func paragraph(b *bytes.Buffer, doc string) {
	if doc != "" {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(doc))
	}
}

// block renders the arguments of a block as a table, then its nested blocks.
func block(b *bytes.Buffer, path string, s schema.Block) {
	if len(s.Attributes) == 0 && len(s.Blocks) == 0 {
		fmt.Fprintf(b, "\n`%s` takes no arguments.\n", path)
		return
	}
	if len(s.Attributes) > 0 {
		fmt.Fprintf(b, "\n| Argument of `%s` | Type | Default | Meaning |\n|---|---|---|---|\n", path)
		for _, a := range s.Attributes {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, a.TypeName(), preset(a), cell(meaning(a)))
		}
	}
	for _, g := range s.ExactlyOne {
		fmt.Fprintf(b, "\nExactly one of `%s`.\n", strings.Join(g, "`, `"))
	}
	for _, g := range s.AtMostOne {
		fmt.Fprintf(b, "\nAt most one of `%s`.\n", strings.Join(g, "`, `"))
	}
	for _, n := range s.Blocks {
		fmt.Fprintf(b, "\nBlock `%s`, %s.", n.Name, n.Often())
		if n.Block.Deprecated != "" {
			fmt.Fprintf(b, " Deprecated: %s", n.Block.Deprecated)
		}
		b.WriteString("\n")
		paragraph(b, n.Block.Doc)
		block(b, path+"."+n.Name, n.Block)
	}
}

func preset(a schema.Attribute) string {
	switch {
	case a.Required:
		return "required"
	case a.Default != "":
		return "`" + cell(a.Default) + "`"
	}
	return ""
}

func meaning(a schema.Attribute) string {
	parts := []string{strings.Join(strings.Fields(a.Doc), " ")}
	if len(a.OneOf) > 0 {
		parts = append(parts, "One of `"+strings.Join(a.OneOf, "`, `")+"`.")
	}
	switch {
	case a.Min != nil && a.Max != nil:
		parts = append(parts, "From "+bound(a, *a.Min)+" to "+bound(a, *a.Max)+".")
	case a.Min != nil:
		parts = append(parts, "At least "+bound(a, *a.Min)+".")
	case a.Max != nil:
		parts = append(parts, "At most "+bound(a, *a.Max)+".")
	}
	if a.Sensitive {
		parts = append(parts, "Sensitive.")
	}
	if a.Deprecated != "" {
		parts = append(parts, "Deprecated: "+a.Deprecated)
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// bound writes a limit with the unit that the argument's format implies.
func bound(a schema.Attribute, n float64) string {
	s := strconv.FormatFloat(n, 'f', -1, 64)
	switch a.Format {
	case schema.FormatDuration:
		return s + " s"
	case schema.FormatSize:
		return s + " bytes"
	}
	return s
}
