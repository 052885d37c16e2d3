package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// freshShown is how many subjects are shown although they have a good backup.
const freshShown = 40

func (h *Human) showCoverage(b *strings.Builder, p painter, c report.Coverage) {
	every := h.o.EveryTask || len(c.Subjects) <= freshShown
	t := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "LAST GOOD", "AGE", "COPIES", "PROOF", "SET"}}
	never := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "WHY"}}
	for _, s := range c.Subjects {
		switch {
		case s.State == report.CoverageExcluded:
			never.add(text(s.Activity), text(s.Device), text(s.Domain), text(s.Why))
		case s.State != report.CoverageFresh || every || failed(s):
			t.add(coverageCells(s)...)
		}
	}
	if len(t.rows) > 0 {
		t.write(b, p, "")
		b.WriteString("\n")
	}
	said := map[string]bool{}
	for _, s := range c.Subjects {
		if why := Clean(strings.TrimSpace(s.Code + " " + s.Why)); (s.State == report.CoverageNone || s.State == report.CoverageStale) && why != "" {
			if where := Clean(s.Activity+" "+s.Device) + ": " + why; !said[where] {
				said[where] = true
				fmt.Fprintf(b, "%s\n", where)
			}
		}
	}
	for _, s := range c.Subjects {
		if failed(s) && s.State != report.CoverageExcluded {
			said[""] = true
			fmt.Fprintf(b, "%s: %s\n", Clean(s.Activity+" "+strings.TrimSuffix(s.Device+"/"+s.Domain, "/")), p.paint(red, proofText(*s.Import)))
		}
	}
	if len(said) > 0 {
		b.WriteString("\n")
	}
	if len(never.rows) > 0 {
		fmt.Fprintf(b, "%s\n", p.paint(bold, "Never backed up"))
		never.write(b, p, "  ")
		b.WriteString("\n")
	}
	if len(c.Rooms) > 0 {
		writeRooms(b, p, c.Rooms)
		b.WriteString("\n")
	}
	verdict := fmt.Sprintf("%s: %d of %d have a good backup of the last %s, %d an older one, %d none", Clean(c.Plan), c.Fresh, c.Fresh+c.Stale+c.None, span(c.MaxAge), c.Stale, c.None)
	if c.Failed > 0 {
		verdict += fmt.Sprintf("; of %d the last import FAILED", c.Failed)
	}
	colour := green
	if c.Stale+c.None+c.Failed > 0 {
		colour = red
	}
	fmt.Fprintf(b, "%s\n", p.paint(colour, verdict+"."))
}

func coverageCells(s report.CoverageSubject) []cell {
	colour := map[report.CoverageState]tone{report.CoverageStale: yellow, report.CoverageNone: red}[s.State]
	cells := []cell{text(s.Activity), text(s.Device), text(s.Domain)}
	if s.Set == "" {
		return append(cells, toned("never", colour), number(""), number(""), text(""), text(""))
	}
	proof := strings.ReplaceAll(s.Proof, "_", " ")
	switch s.Proof {
	case "sent":
		proof = "checksum of what was sent"
	case "manifest":
		proof = "found, not verified (" + s.Origin + ")"
	}
	proofColour := plain
	if i := s.Import; i != nil {
		imported := importText(*i)
		switch {
		case i.Verdict != "proven":
			proof, proofColour = imported, red
		case i.Same:
			proof, proofColour = imported, green
		default:
			proof += "; an older set " + imported
		}
	}
	return append(cells, toned(stamp(s.Captured), colour), number(span(s.Age)), number(fmt.Sprintf("%d/%d", s.Copies, s.Places)), toned(proof, proofColour), text(s.Set))
}

// failed reports whether the last import of something has failed.
func failed(s report.CoverageSubject) bool { return s.Import != nil && s.Import.Verdict != "proven" }

// importText is what an import has shown, in a few words.
func importText(i report.Proof) string {
	how := map[bool]string{true: "drill", false: "import"}[i.Drill]
	switch i.Verdict {
	case "proven":
		return how + "-proven on " + stamp(i.At)
	case "undecided":
		return how + " on " + stamp(i.At) + " says nothing of it"
	}
	return how + " FAILED on " + stamp(i.At)
}

// proofText is what an import has shown, in full.
func proofText(i report.Proof) string {
	out := fmt.Sprintf("%s (set %s on %s)", importText(i), i.Set, i.Device)
	if i.Why != "" {
		out += ": " + i.Why
	}
	if i.Excused > 0 {
		out += excusedText(i.Excused)
	}
	return Clean(out)
}
