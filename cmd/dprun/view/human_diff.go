package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showDiff(b *strings.Builder, p painter, d report.Diff) {
	for _, s := range []struct {
		sign string
		side report.DiffSide
	}{{"---", d.A}, {"+++", d.B}} {
		fmt.Fprintf(b, "%s %s: %s\n", s.sign, Clean(s.side.File), origin(s.side.Device, s.side.Made))
	}
	writeDifferences(b, p, d.Differences, "")
	writeWithheld(b, "", d.Withheld)
	if d.Same {
		b.WriteString("They do not differ.\n")
		return
	}
	fmt.Fprintf(b, "%d added, %d removed, %d changed", d.Added, d.Removed, d.Changed)
	if d.Omitted > 0 {
		fmt.Fprintf(b, ", and %d more that are not listed", d.Omitted)
	}
	b.WriteString(".\n")
}

func (h *Human) showDrift(b *strings.Builder, p painter, d report.Drift) {
	what := Clean(strings.TrimSuffix(d.Device+"/"+d.Domain, "/"))
	since := "set " + Clean(d.Set) + " of " + Clean(d.Captured)
	switch d.State {
	case report.DriftSame:
		fmt.Fprintf(b, "%s: as in %s\n", what, since)
	case report.DriftDiffers:
		fmt.Fprintf(b, "%s: %s %s\n", what, p.paint(yellow, "differs from"), since)
	case report.DriftSkipped:
		fmt.Fprintf(b, "%s: %s\n", what, Clean(d.Why))
	default:
		fmt.Fprintf(b, "%s: %s: %s\n", what, p.paint(red, "not compared"), Clean(d.Why))
	}
	writeDifferences(b, p, d.Differences, d.Domain)
	writeWithheld(b, "  ", d.Withheld)
	if d.Omitted > 0 {
		fmt.Fprintf(b, "  … and %d more\n", d.Omitted)
	}
}

func writeWithheld(b *strings.Builder, indent string, n int) {
	if n > 0 {
		fmt.Fprintf(b, "%sOf %s only the names are exported, and are in both: whether the content changed cannot be known.\n", indent, plural(n, "file", "files"))
	}
}

// writeDifferences writes differences with a heading for each domain except the given
// one.
func writeDifferences(b *strings.Builder, p painter, all []archive.Difference, domain string) {
	for _, x := range all {
		if x.Domain != domain {
			domain = x.Domain
			fmt.Fprintf(b, "domain %s\n", Clean(domain))
		}
		writeDifference(b, p, x)
	}
}

// signs are the mark and the colour at the start of a line about a change.
var signs = map[archive.Change]struct {
	sign string
	tone tone
}{archive.Added: {"+", green}, archive.Removed: {"-", red}, archive.Changed: {"~", yellow}}

func writeDifference(b *strings.Builder, p painter, x archive.Difference) {
	what := string(x.What)
	switch x.What {
	case archive.WhatObject:
		what = Clean(x.Class)
	case archive.WhatDomain:
		what = "the whole domain"
	}
	var more []string
	switch {
	case x.What != archive.WhatFile || x.OldSize+x.NewSize == 0:
	case x.Change == archive.Changed:
		more = append(more, fmt.Sprintf("%s -> %s", Size(x.OldSize), Size(x.NewSize)))
	default:
		more = append(more, Size(x.OldSize+x.NewSize))
	}
	if x.LinesAdded+x.LinesRemoved > 0 {
		more = append(more, fmt.Sprintf("%s added, %d removed", plural(x.LinesAdded, "line", "lines"), x.LinesRemoved))
	}
	if x.Text != "" {
		more = append(more, Clean(x.Text))
	}
	line := "  " + signs[x.Change].sign + " " + what
	if x.Name != "" {
		line += " " + Clean(x.Name)
	}
	if len(more) > 0 {
		line += ": " + strings.Join(more, ", ")
	}
	b.WriteString(p.paint(signs[x.Change].tone, line) + "\n")
	for _, y := range x.Properties {
		fmt.Fprintf(b, "      %s %s: %s\n", signs[y.Change].sign, Clean(y.Path), values(y))
	}
	if x.Omitted > 0 {
		fmt.Fprintf(b, "      … and %d more\n", x.Omitted)
	}
}

// values shows the old and the new value of a property.
func values(y archive.Property) string {
	switch {
	case y.Hidden:
		return string(y.Change) + " (not shown)"
	case y.Change == archive.Added:
		return quoted(y.New)
	case y.Change == archive.Removed:
		return quoted(y.Old)
	}
	return quoted(y.Old) + " -> " + quoted(y.New)
}

func quoted(s string) string { return `"` + Clean(s) + `"` }
