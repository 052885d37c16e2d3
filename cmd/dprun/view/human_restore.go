package view

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// effects are the effects of a restore, the most important first.
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

// changesShown is how many changes of a kind are listed unless all are requested.
const changesShown = 20

func (h *Human) showRehearsal(b *strings.Builder, p painter, r report.Rehearsal) {
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
}

// ends describes the results of a restore for a person.
var ends = map[string]struct {
	says string
	tone tone
}{
	"restored":             {"Restored: the domain is as the archive has it, and that is saved.", green},
	"restored_with_faults": {"Restored and saved, and not everything is as it should be.", yellow},
	"nothing_to_do":        {"Not restored: nothing was sent, as it would have changed nothing.", green},
	"refused":              {"Not restored: nothing was sent.", yellow},
	"unchanged":            {"Not restored: the domain is proven to be as it was before.", yellow},
	"not_saved":            {"The domain is as the archive has it, and that is NOT SAVED: a restart of the domain brings the old state back.", alarm},
	"unknown":              {"What the domain is now is NOT PROVEN: it is neither as before nor as the archive has it, or could not be read.", alarm},
	"acknowledged":         {"What became of it was not proven; somebody has taken responsibility.", yellow},
	"superseded":           {"What became of it was not proven; a later restore of the domain was.", yellow},
	"":                     {"It has not ended: it is under way, or its process is gone. `dprun owed` says whether it is left to somebody.", yellow},
}

func (h *Human) showRestore(b *strings.Builder, p painter, r report.Restore) {
	fmt.Fprintf(b, "\n%s of %s into domain %s of %s, run %s\n", p.paint(bold, "Restore"), Clean(r.Archive), Clean(r.Domain), Clean(r.Device), Clean(r.Run))
	e := ends[r.End]
	fmt.Fprintf(b, "  %s\n", p.paint(e.tone, e.says))
	if r.Why != "" && r.End != "restored" {
		fmt.Fprintf(b, "  %s\n", Clean(r.Why))
	}
	by := "by " + r.By
	if r.Emergency {
		by += ", in an emergency"
	}
	if r.Reason != "" {
		by += ": " + r.Reason
	}
	fmt.Fprintf(b, "  %s\n", Clean(by))
	for _, s := range r.Steps {
		fmt.Fprintf(b, "  %s  %s %s", stamp(s.Time), Clean(s.Phase), Clean(s.Answer))
		if s.Why != "" && s.Answer != "good" {
			fmt.Fprintf(b, ": %s", Clean(s.Why))
		}
		b.WriteString("\n")
	}
	if r.WayBack != "" {
		fmt.Fprintf(b, "  What was there before is set %s: dprun backups show %s\n", Clean(r.WayBack), Clean(r.WayBack))
	}
}

// AskName shows what a restore replaces and asks a person to type the name of its
// device. Any other answer returns false, and so does the end of ctx.
func AskName(ctx context.Context, in io.Reader, out io.Writer, r report.Rehearsal) bool {
	fmt.Fprintf(out, "An import into a domain at work is an outage. Domain %s of %s gets what %s holds.\n", Clean(r.Domain), Clean(r.Device), Clean(r.Archive))
	fmt.Fprint(out, "Type the name of the device to go on: ")
	name := answered(ctx, in, out)
	return name != "" && name == r.Device
}

func subject(s string) string {
	if s == "" {
		return ""
	}
	return " " + Clean(s)
}

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

// leftOut holds the reasons for which sets are not drilled, in the order in which they
// are shown.
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
