package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

func (h *Human) showVersion(b *strings.Builder, _ painter, v report.Version) {
	fmt.Fprintf(b, "dprun %s (%s %s/%s, plugin protocol %d)\n", v.Dprun, v.Go, v.OS, v.Arch, v.PluginProtocol)
}

func (h *Human) showCodes(b *strings.Builder, p painter, all []report.Explanation) {
	t := table{head: []string{"CODE", "OF", "CLASS", "MEANING"}}
	for _, e := range all {
		of, meaning := e.Level, e.Meaning
		switch e.Kind {
		case "diagnostic":
			of, meaning = "plan file", e.Summary
		case "exit":
			of = "exit code"
		}
		t.add(text(e.Code), text(of), toned(e.Class, classTone(e)), text(meaning))
	}
	t.write(b, p, "")
}

func classTone(e report.Explanation) tone {
	switch e.Class {
	case "error", string(status.ClassFailed):
		return red
	case string(status.ClassCritical):
		return alarm
	case "warning":
		return yellow
	}
	return toneOf(e.Code)
}

func (h *Human) showExplanation(b *strings.Builder, p painter, e report.Explanation) {
	columns := 78
	if h.o.Size != nil {
		if c, _ := h.o.Size(); c > 20 {
			columns = min(c, 100)
		}
	}
	fmt.Fprintf(b, "%s\n", p.paint(bold, Clean(e.Code)))
	if e.Summary != "" {
		fmt.Fprintf(b, "  %s\n", Clean(e.Summary))
	}
	fmt.Fprintf(b, "  %s\n\n", p.paint(classTone(e), kindOf(e)))
	type part struct{ head, body string }
	parts := []part{{"Meaning", e.Meaning}, {"Usual cause", e.Cause}, {"What to do", e.Action}}
	if e.Class == string(status.ClassCritical) { // somebody should act now and read later
		parts = append(parts[2:], parts[:2]...)
	}
	for _, part := range parts {
		fmt.Fprintf(b, "%s\n", p.paint(bold, part.head))
		for _, l := range wrap(Clean(part.body), columns-2) {
			fmt.Fprintf(b, "  %s\n", l)
		}
	}
}

// kindOf names the kind of a code in words.
func kindOf(e report.Explanation) string {
	switch e.Kind {
	case "diagnostic":
		return e.Class + " about a plan file"
	case "exit":
		return "exit code"
	}
	s := e.Class + " status of a " + e.Level
	if names := status.Doing(e.Phases...); len(names) > 0 {
		s += ", entered while " + strings.Join(names, ", ")
	}
	if e.Neutral {
		s += "; does not count for the exit code"
	}
	if e.Origin == "dprun" {
		s += " (dprun's own)"
	}
	return s
}

func wrap(s string, columns int) []string {
	var out []string
	var current string
	for _, word := range strings.Fields(s) {
		if current != "" && width(current)+1+width(word) > columns {
			out, current = append(out, current), ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(out, current)
}

func (h *Human) showArchive(b *strings.Builder, p painter, a report.Archive) {
	verdict := p.paint(green, "whole")
	if !a.Whole {
		verdict = p.paint(alarm, notWhole(a))
	}
	fmt.Fprintf(b, "%s: %s\n", Clean(a.File), verdict)
	if a.Error != "" {
		fmt.Fprintf(b, "  %s %s\n", p.paint(red, "error:"), Clean(a.Error))
	}
	if a.Report != nil {
		writeReport(b, p, a.Report)
	}
}

// notWhole is the verdict on an archive that is damaged, is of another kind or was not
// read at all.
func notWhole(a report.Archive) string {
	switch {
	case a.Report == nil:
		return "NOT VERIFIED"
	case a.Report.Kind == "" && slices.ContainsFunc(a.Report.Findings, func(f archive.Finding) bool { return f.Code == archive.CodeNoExport }):
		return "NO EXPORT"
	}
	return "NOT WHOLE"
}

// origin tells where and when an archive was made.
func origin(d archive.Device, made string) string {
	var parts []string
	for _, part := range []string{d.Product, d.Model, d.Name, d.Serial, d.Firmware, d.Build} {
		if part != "" {
			parts = append(parts, Clean(part))
		}
	}
	if made != "" {
		parts = append(parts, "made "+Clean(made))
	}
	return strings.Join(parts, ", ")
}

func writeReport(b *strings.Builder, p painter, r *archive.Report) {
	var what []string
	kind := string(r.Kind)
	if len(r.Domains) > 0 {
		kind = strings.TrimSpace(kind + " of " + Clean(strings.Join(r.Domains, ", ")))
	}
	if kind != "" {
		what = append(what, kind)
	}
	if r.Entries > 0 {
		what = append(what, fmt.Sprintf("%s, %s (%s unpacked), %s right", plural(r.Entries, "entry", "entries"), Size(r.Compressed), Size(r.Uncompressed),
			plural(r.Hashed, "hash", "hashes")))
	}
	if len(what) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(what, ", "))
	}
	if from := origin(r.Device, r.Made); from != "" {
		fmt.Fprintf(b, "  from %s\n", from)
	}
	if len(r.AsListedIn) > 0 {
		fmt.Fprintf(b, "  as listed in %s\n", Clean(strings.Join(r.AsListedIn, ", ")))
	}
	for _, f := range r.Findings {
		t := plain
		switch f.Severity {
		case archive.Problem:
			t = red
		case archive.Warning:
			t = yellow
		}
		b.WriteString("  " + p.paint(t, string(f.Severity)+":"))
		if f.Entry != "" {
			b.WriteString(" " + Clean(f.Entry) + ":")
		}
		b.WriteString(" " + Clean(f.Text) + "\n")
	}
	if r.Omitted > 0 {
		fmt.Fprintf(b, "  and %s more\n", plural(r.Omitted, "finding", "findings"))
	}
}
