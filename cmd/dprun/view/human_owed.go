package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showOwed(b *strings.Builder, p painter, owed []report.Owed) {
	h.owed, h.paying = nil, time.Time{} // this list replaces the one from the summary
	if len(owed) == 0 {
		b.WriteString("Nothing is left to undo" + h.where() + ".\n")
		return
	}
	left := mine(owed)
	if len(left) == 0 {
		fmt.Fprintf(b, "\nNothing is left behind. Live processes are at %s:\n", plural(len(owed), "thing", "things"))
	} else {
		fmt.Fprintf(b, "\n%s\n", p.paint(alarm, plural(len(left), "thing", "things")+" must still be undone:"))
	}
	for _, of := range alikeBy(urgent(owed), owes) {
		h.writeOwes(b, p, of)
	}
	var here []string
	for _, o := range left {
		here = append(here, o.Commands...)
	}
	if here = once(here); len(here) > 0 {
		b.WriteString("\n  to make dprun try again (it sees what was done by hand):\n")
		indented(b, "      ", here)
	}
}

// writeOwes writes the obligations of one device, or of one run without a device: first
// all obligations, then the commands to type, each once.
func (h *Human) writeOwes(b *strings.Builder, p painter, owed []report.Owed) {
	who := owes(owed[0])
	fmt.Fprintf(b, "\n  %s\n", p.paint(bold, Clean(who)))
	same := func(o report.Owed) string { // apart from the domain
		return strings.ReplaceAll(strings.Join(Circumstances(o), "\n"), cmp.Or(o.Domain, "\n"), "\n")
	}
	for _, of := range alikeBy(owed, same) {
		for _, o := range of {
			fmt.Fprintf(b, "    %s", Clean(owedWhat(o)))
			if !o.Since.IsZero() {
				fmt.Fprintf(b, ", since %s (%s)", stamp(o.Since), Span(h.o.Now().Sub(o.Since)))
			}
			b.WriteString("\n")
		}
		indented(b, "      ", Circumstances(of[len(of)-1]))
	}
	left := mine(owed)
	if len(left) == 0 {
		return
	}
	if on := report.OnDevice(left); len(on) > 0 {
		fmt.Fprintf(b, "    by hand, %s:\n", Clean("on "+left[0].Device))
		indented(b, "      ", on)
	}
	var notes, acks []string
	for _, o := range left {
		notes, acks = append(notes, o.Note), append(acks, o.Acknowledge)
	}
	indented(b, "    ", once(notes))
	if acks = once(acks); len(acks) > 0 {
		cannot := "reach it"
		if !slices.ContainsFunc(left, func(o report.Owed) bool { return o.Kind != "post_script" }) {
			cannot = "run it"
		}
		fmt.Fprintf(b, "    only if dprun cannot %s, and you have done everything for %s by hand:\n", cannot, Clean(who))
		indented(b, "      ", acks)
	}
}

// Circumstances tells which run an obligation belongs to, who is working on it, and why
// it is not done.
func Circumstances(o report.Owed) []string {
	run := "run " + o.Run
	if o.Plan != "" {
		run += " of plan " + o.Plan
	}
	out := []string{run}
	if o.HeldBy != "" {
		held := "held by " + o.HeldBy
		switch {
		case o.DueBack.IsZero():
		case o.Held:
			held += ", back by " + stamp(o.DueBack)
		default:
			held += ", which should have brought it back by " + stamp(o.DueBack) + ": look whether that process is stopped or hangs"
		}
		out = append(out, held)
	}
	switch {
	case o.Held:
	case !o.NextTry.IsZero():
		out = append(out, "its guard, "+o.GuardedBy+", tries again at "+stamp(o.NextTry))
	case o.GuardedBy != "":
		out = append(out, "its guard, "+o.GuardedBy+", tries again by itself")
	case o.HeldBy == "" && o.Kind == "unquiesce":
		out = append(out, "no process is working on it")
	}
	if o.LastError != "" {
		out = append(out, "last error: "+o.LastError)
	}
	return out
}

// alikeBy groups obligations by key. Groups and their members keep their order.
func alikeBy(owed []report.Owed, key func(report.Owed) string) (groups [][]report.Owed) {
	at := map[string]int{}
	for _, o := range owed {
		k := key(o)
		if _, there := at[k]; !there {
			at[k] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[k]] = append(groups[at[k]], o)
	}
	return groups
}

// mine returns the obligations that no live process is working on.
func mine(owed []report.Owed) []report.Owed {
	return slices.DeleteFunc(slices.Clone(owed), func(o report.Owed) bool { return o.Held })
}

// once removes repeated and empty lines.
func once(all []string) (out []string) {
	for _, l := range all {
		if l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

func indented(b *strings.Builder, indent string, texts []string) {
	for _, t := range texts {
		fmt.Fprintf(b, "%s%s\n", indent, Clean(t))
	}
}

// urgent sorts obligations: gateways that may be out of service come first.
func urgent(owed []report.Owed) []report.Owed {
	return slices.SortedStableFunc(slices.Values(owed), func(a, b report.Owed) int {
		return cmp.Compare(calm(a), calm(b))
	})
}

// calm returns 0 for an obligation that is worth waking somebody up, and more for
// others.
func calm(o report.Owed) int {
	if o.Kind == "unquiesce" {
		return 0
	}
	return 1
}

// owes names the device or run that an obligation belongs to.
func owes(o report.Owed) string {
	if o.Device == "" {
		return "run " + o.Run
	}
	return "device " + o.Device
}

// owedWhat describes an obligation below the name of its owner.
func owedWhat(o report.Owed) string {
	where := "the device"
	switch {
	case o.Domain != "":
		where = "domain " + o.Domain
	case o.Device == "":
		where = strings.TrimSpace("plan " + o.Plan)
	}
	return owedOf(o, where)
}

// OwedTitle describes an obligation in one line that stands alone.
func OwedTitle(o report.Owed) string {
	where := "device " + o.Device
	switch {
	case o.Device == "":
		where = strings.TrimSpace("plan " + o.Plan)
	case o.Domain != "":
		where = "domain " + o.Domain + " of device " + o.Device
	}
	return Clean(owedOf(o, where))
}

func owedOf(o report.Owed, where string) string {
	switch o.Kind {
	case "unquiesce":
		return where + " may still be quiesced"
	case "restore":
		return "what became of a restore into " + where + " is not proven"
	case "discard":
		return "files left on " + where
	case "drop_domain":
		return where + ", made by a drill, may still be there"
	case "post_script":
		script := "post-script"
		if o.ID == lifecycle.OwedAfterUnquiesce {
			script = "after_unquiesce script"
		}
		return script + " of " + where + " is still to run"
	}
	return o.Kind + " of " + where
}

// writeOwedTexts lists obligations of which only the run's own words are known.
func writeOwedTexts(b *strings.Builder, p painter, owed []string) {
	fmt.Fprintf(b, "\n%s\n", p.paint(alarm, plural(len(owed), "thing", "things")+" must still be undone:"))
	for _, o := range owed {
		for _, l := range lines(o) {
			fmt.Fprintf(b, "  %s\n", l)
		}
	}
}

func (h *Human) showHold(b *strings.Builder, p painter, v report.Hold) {
	if v.Released {
		b.WriteString("The hold is released.\n")
	}
	writeStops(b, p, v.Stops)
}

// writeStops lists what forbids quiesces, or did so.
func writeStops(b *strings.Builder, p painter, stops []report.Stop) {
	for _, s := range stops {
		stopped := "Quiesce stopped for " + Clean(cmp.Or(s.Environment, "the fleet"))
		if s.Device == "" {
			fmt.Fprintf(b, "%s since %s by %s%s: it is on hold. dprun hold --release ends the hold.\n", p.paint(alarm, stopped), stamp(s.Since), Clean(s.By), because(s.Reason))
			continue
		}
		fmt.Fprintf(b, "%s since %s: %s did not come back.", p.paint(alarm, stopped), stamp(s.Since), Clean(s.Device)) // the status of its task says more
		if s.Closed.IsZero() {
			b.WriteString(" dprun recover ends that once the device is back.\n")
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
