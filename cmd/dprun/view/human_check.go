package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// checkWords say how a finding is meant.
var checkWords = map[sdk.Level]struct {
	word string
	tone tone
}{
	sdk.LevelError:     {"error", alarm},
	sdk.LevelWarning:   {"warning", yellow},
	sdk.LevelNotProven: {"not proven", bold},
	sdk.LevelOK:        {"ok", green},
}

// Check implements [View].
func (h *Human) Check(c *report.Check) {
	h.print(func(b *strings.Builder, p painter) {
		fmt.Fprintf(b, "%s %s%s\n", p.paint(bold, "Check of plan"), Clean(c.Plan), narrowed(c.Only))
		for _, s := range c.Subjects {
			writeChecked(b, p, s, h.o.EveryTask)
		}
		fmt.Fprintf(b, "\n%s, %s, %d not proven, %d ok.\n", p.paint(count(alarm, c.Errors), plural(c.Errors, "error", "errors")),
			p.paint(count(yellow, c.Warnings), plural(c.Warnings, "warning", "warnings")), c.NotProven, c.OK)
	})
}

// count is the tone of a number of things that should be none.
func count(t tone, n int) tone {
	if n == 0 {
		return plain
	}
	return t
}

// writeChecked writes one thing with what was found about it. What is well is
// counted, unless all is shown.
func writeChecked(b *strings.Builder, p painter, s report.CheckSubject, all bool) {
	n := s.Counts()
	fmt.Fprintf(b, "\n%s %s", s.Kind, p.paint(bold, Clean(s.Name)))
	if n.OK > 0 && !all {
		fmt.Fprintf(b, " (%d ok)", n.OK)
	}
	b.WriteString("\n")
	for _, f := range s.Findings {
		if f.Level == sdk.LevelOK && !all {
			continue
		}
		w, known := checkWords[f.Level]
		if !known {
			w = checkWords[sdk.LevelError]
		}
		fmt.Fprintf(b, "  %s %s: ", p.paint(w.tone, fmt.Sprintf("%-10s", w.word)), Clean(f.Check))
		if f.Subject != "" {
			b.WriteString(Clean(f.Subject) + ": ")
		}
		b.WriteString(Clean(f.Message) + "\n")
		if f.Remedy != "" && (f.Level == sdk.LevelError || f.Level == sdk.LevelWarning) {
			fmt.Fprintf(b, "             to do: %s\n", Clean(f.Remedy))
		}
	}
}
