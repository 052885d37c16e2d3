package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// effects say what a restore does, the most important first.
var effects = []struct {
	effect sdk.Effect
	says   string
	tone   tone
}{
	{sdk.EffectAbsent, "would be lacking: the archive names it and does not hold it, and the domain does not have it", alarm},
	{sdk.EffectChanged, "would be replaced", yellow},
	{sdk.EffectNew, "would be new", green},
	{sdk.EffectStays, "would stay: the archive does not have it, and a restore removes nothing", bold},
}

// changesShown is how many of a kind are listed unless all are asked for.
const changesShown = 20

// Rehearsal implements [View].
func (h *Human) Rehearsal(r report.Rehearsal) {
	h.print(func(b *strings.Builder, p painter) {
		fmt.Fprintf(b, "%s of %s into domain %s of %s. dprun asked for no change.\n", p.paint(bold, "Rehearsal of a restore"), Clean(r.Archive), Clean(r.Domain), Clean(r.Device))
		for _, f := range r.Findings {
			w := checkWords[f.Level]
			fmt.Fprintf(b, "  %s %s%s: %s\n", p.paint(w.tone, w.word), Clean(f.Check), subject(f.Subject), Clean(f.Message))
			if f.Remedy != "" {
				fmt.Fprintf(b, "    To do: %s.\n", Clean(f.Remedy))
			}
		}
		for _, e := range effects {
			var names []string
			for _, c := range r.Changes {
				if c.Effect == e.effect {
					names = append(names, strings.TrimSpace(Clean(c.Class)+" "+Clean(c.Name)))
				}
			}
			if len(names) == 0 {
				continue
			}
			fmt.Fprintf(b, "\n%s, %s:\n", p.paint(e.tone, plural(len(names), "object or file", "objects and files")), e.says)
			shown := len(names)
			if !h.o.EveryTask {
				shown = min(shown, changesShown)
			}
			for _, n := range names[:shown] {
				fmt.Fprintf(b, "  %s\n", n)
			}
			if more := len(names) - shown; more > 0 {
				fmt.Fprintf(b, "  and %d more; --all lists them\n", more)
			}
		}
		switch {
		case r.Refused:
			fmt.Fprintf(b, "\n%s\n", p.paint(alarm, "This restore is refused."))
		case len(r.Changes) == 0:
			b.WriteString("\nThe domain holds what the archive holds: a restore would change nothing.\n")
		default:
			b.WriteString("\nNothing was found that forbids the restore.\n")
		}
	})
}

func subject(s string) string {
	if s == "" {
		return ""
	}
	return " " + Clean(s)
}
