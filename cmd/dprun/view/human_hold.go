package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showHold(b *strings.Builder, p painter, v report.Hold) {
	if v.Released {
		b.WriteString("The hold is released.\n")
	}
	writeStops(b, p, v.Stops)
}

// writeStops writes what forbids quiesces, or did.
func writeStops(b *strings.Builder, p painter, stops []report.Stop) {
	for _, s := range stops {
		of := "Every quiesce"
		if s.Environment != "" {
			of += " of " + s.Environment
		}
		if s.Device == "" {
			fmt.Fprintf(b, "%s is on hold, since %s by %s%s. dprun hold --release ends that.\n", p.paint(alarm, of), stamp(s.Since), Clean(s.By), because(s.Reason))
			continue
		}
		is := "is stopped"
		if !s.Closed.IsZero() {
			is = "was stopped"
		}
		fmt.Fprintf(b, "%s %s, since %s: %s did not come back.", p.paint(alarm, of), is, stamp(s.Since), Clean(s.Device)) // its task says more
		if s.Closed.IsZero() {
			b.WriteString(" dprun recover ends that once it is back.\n")
		} else {
			fmt.Fprintf(b, " Ended %s by %s.\n", stamp(s.Closed), Clean(s.ClosedBy))
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + Clean(reason) + ")"
}
