package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
)

// Diff implements [View].
func (h *Human) Diff(d report.Diff) {
	h.print(func(b *strings.Builder, p painter) {
		for _, s := range []struct {
			sign string
			side report.DiffSide
		}{{"---", d.A}, {"+++", d.B}} {
			fmt.Fprintf(b, "%s %s: %s\n", s.sign, Clean(s.side.File), origin(s.side.Device, s.side.Made))
		}
		domain := ""
		for _, x := range d.Differences {
			if x.Domain != domain {
				domain = x.Domain
				fmt.Fprintf(b, "domain %s\n", Clean(domain))
			}
			writeDifference(b, p, x)
		}
		if d.Withheld > 0 {
			fmt.Fprintf(b, "Of %s only the names are exported, and are in both: whether the content changed cannot be known.\n", plural(d.Withheld, "file", "files"))
		}
		if d.Same {
			b.WriteString("They do not differ.\n")
			return
		}
		fmt.Fprintf(b, "%d added, %d removed, %d changed", d.Added, d.Removed, d.Changed)
		if d.Omitted > 0 {
			fmt.Fprintf(b, ", and %d more that are not told", d.Omitted)
		}
		b.WriteString(".\n")
	})
}

// signs are what begins a line about a change, and its colour.
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
		more = append(more, fmt.Sprintf("%s -> %s", size(x.OldSize), size(x.NewSize)))
	default:
		more = append(more, size(x.OldSize+x.NewSize))
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

// values gives what a property was and is.
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
