package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showDrilledSet(b *strings.Builder, p painter, s report.DrilledSet) {
	verdict := map[string]string{"proven": p.paint(green, "proven"), "failed": p.paint(red, "FAILED"), "undecided": p.paint(yellow, "not decided")}[s.Verdict]
	fmt.Fprintf(b, "%s: %s, set %s of %s", Clean(s.Device+"/"+s.Domain), verdict, Clean(s.Set), stamp(s.Captured))
	if s.Excused > 0 {
		b.WriteString(excusedText(s.Excused))
	}
	b.WriteString("\n")
	if s.Running {
		fmt.Fprintf(b, "  %s\n", p.paint(alarm, "Something was enabled on the drill gateway that a drill disables. Look there for what it may have done."))
	}
	shown := s.Why
	if more := len(shown) - 10; more > 0 && !h.o.EveryTask {
		shown = append(shown[:10:10], fmt.Sprintf("and %d more", more))
	}
	indented(b, "  ", shown)
	if s.Left != "" {
		fmt.Fprintf(b, "  %s %s\n  What to do: dprun recover removes it; dprun owed says more\n", p.paint(alarm, Clean("Domain "+s.As+" may still be there:")), Clean(s.Left))
	}
}

// excusedText says how many objects a verdict leaves out.
func excusedText(n int) string {
	return fmt.Sprintf("; %s not judged, for want of what a drill disables or of files that no export holds", plural(n, "object is", "objects are"))
}

// leftOut says why sets are not drilled, in the order of the reasons.
var leftOut = []struct{ why, text string }{
	{"proven", "proven not long ago"},
	{"later", "left for the next drill"},
	{"default", "of domain default, which is never drilled"},
	{"encrypted", "encrypted: nothing here can read them"},
	{"all_domains", "of all domains together, which are not imported as one"},
	{"foreign", "found at a destination, and nobody vouches for what they hold"},
}

func (h *Human) showDrill(b *strings.Builder, p painter, d report.Drill) {
	t := table{head: []string{"SET", "CAPTURED", "DEVICE", "DOMAIN", "ACTIVITY"}}
	for _, s := range d.Sets {
		if s.Verdict == "" {
			t.add(text(s.Set), text(stamp(s.Captured)), text(s.Device), text(s.Domain), text(s.Activity))
		}
	}
	if d.Stopped != "" {
		fmt.Fprintf(b, "%s %s\n", p.paint(red, "Stopped:"), Clean(d.Stopped))
	}
	if len(t.rows) > 0 {
		if !d.DryRun {
			b.WriteString("Not drilled:\n")
		}
		t.write(b, p, "")
	}
	for _, l := range leftOut {
		if n := d.Left[l.why]; n > 0 {
			fmt.Fprintf(b, "%s %s\n", plural(n, "set is", "sets are"), l.text)
		}
	}
	where := Clean(fmt.Sprintf("%s, drill %s on %s", d.Plan, d.Drill, d.Device))
	switch {
	case len(d.Sets) == 0:
		fmt.Fprintf(b, "%s: nothing is to be drilled now.\n", where)
	case d.DryRun:
		fmt.Fprintf(b, "%s: %s would be imported. Nothing was.\n", where, plural(len(d.Sets), "set", "sets"))
	default:
		colour := red
		if d.Proven == len(d.Sets) {
			colour = green
		}
		fmt.Fprintf(b, "%s\n", p.paint(colour, fmt.Sprintf("%s: %d of %d proven, %d failed, %d not decided.", where, d.Proven, len(d.Sets), d.Failed, d.Undecided)))
	}
}
