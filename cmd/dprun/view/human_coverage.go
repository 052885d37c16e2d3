package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// freshShown is how many subjects are shown although they have a good backup.
const freshShown = 40

// Coverage implements [View].
func (h *Human) Coverage(c *report.Coverage) {
	h.print(func(b *strings.Builder, p painter) {
		every := h.o.EveryTask || len(c.Subjects) <= freshShown
		t := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "LAST GOOD", "AGE", "COPIES", "PROOF", "SET"}}
		never := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "WHY"}}
		for _, s := range c.Subjects {
			switch {
			case s.State == report.CoverageExcluded:
				never.add(text(s.Activity), text(s.Device), text(s.Domain), text(s.Why))
			case s.State != report.CoverageFresh || every:
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
		colour := green
		if c.Stale+c.None > 0 {
			colour = red
		}
		fmt.Fprintf(b, "%s\n", p.paint(colour, verdict+"."))
	})
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
	return append(cells, toned(stamp(s.Captured), colour), number(span(s.Age)), number(fmt.Sprintf("%d/%d", s.Copies, s.Places)), text(proof), text(s.Set))
}
