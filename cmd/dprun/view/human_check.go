package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// checkWords are the words and colours for levels of findings.
var checkWords = map[sdk.Level]struct {
	word string
	tone tone
}{
	sdk.LevelError:     {"error", alarm},
	sdk.LevelWarning:   {"warning", yellow},
	sdk.LevelNotProven: {"not proven", bold},
	sdk.LevelOK:        {"ok", green},
}

// showCheck lists subjects by kind, those with the worst findings first. Findings of
// "not proven" that several subjects share are listed once, at the end.
func (h *Human) showCheck(b *strings.Builder, p painter, c report.Check) {
	fmt.Fprintf(b, "%s %s%s\n", p.paint(bold, "Check of plan"), Clean(c.Plan), narrowed(c.Only))
	subjects := slices.Clone(c.Subjects)
	slices.SortStableFunc(subjects, func(x, y report.CheckSubject) int {
		if x.Kind != y.Kind {
			return 0
		}
		return cmp.Compare(worst(x), worst(y))
	})
	alike := map[sdk.Finding]int{}
	if !h.o.EveryTask {
		alike = provenAlike(subjects)
	}
	for _, s := range subjects {
		writeChecked(b, p, s, h.o.EveryTask, alike)
	}
	writeAlike(b, p, subjects, alike)
	fmt.Fprintf(b, "\n%s, %s, %d not proven, %d ok.\n", p.paint(count(alarm, c.Errors), plural(c.Errors, "error", "errors")),
		p.paint(count(yellow, c.Warnings), plural(c.Warnings, "warning", "warnings")), c.NotProven, c.OK)
}

// worst is the sort key of a subject: errors first, then warnings, then the rest.
func worst(s report.CheckSubject) int {
	switch n := s.Counts(); {
	case n.Errors > 0:
		return 0
	case n.Warnings > 0:
		return 1
	}
	return 2
}

// provenAlike counts the "not proven" findings that at least two subjects share word
// for word.
func provenAlike(subjects []report.CheckSubject) map[sdk.Finding]int {
	n := map[sdk.Finding]int{}
	for _, s := range subjects {
		for _, f := range s.Findings {
			if f.Level == sdk.LevelNotProven {
				n[f]++
			}
		}
	}
	for f := range n {
		if n[f] < 2 {
			delete(n, f)
		}
	}
	return n
}

// count returns the tone for a number that should be 0.
func count(t tone, n int) tone {
	if n == 0 {
		return plain
	}
	return t
}

// writeChecked writes a subject with its findings. Unless all is set, it only counts
// findings that are ok and findings in alike.
func writeChecked(b *strings.Builder, p painter, s report.CheckSubject, all bool, alike map[sdk.Finding]int) {
	var counted []string
	if n := s.Counts().OK; n > 0 && !all {
		counted = append(counted, fmt.Sprintf("%d ok", n))
	}
	shown := slices.DeleteFunc(slices.Clone(s.Findings), func(f sdk.Finding) bool { return alike[f] > 0 || f.Level == sdk.LevelOK && !all })
	if n := len(s.Findings) - len(shown) - s.Counts().OK; n > 0 && !all {
		counted = append(counted, fmt.Sprintf("%d not proven", n))
	}
	fmt.Fprintf(b, "\n%s %s", s.Kind, p.paint(bold, Clean(s.Name)))
	if len(counted) > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(counted, ", "))
	}
	b.WriteString("\n")
	for _, f := range shown {
		writeFinding(b, p, f)
	}
}

// writeAlike writes the "not proven" findings that several subjects share.
func writeAlike(b *strings.Builder, p painter, subjects []report.CheckSubject, alike map[sdk.Finding]int) {
	if len(alike) == 0 {
		return
	}
	b.WriteString("\nthe same of several\n")
	told := map[sdk.Finding]bool{}
	for _, s := range subjects {
		for _, f := range s.Findings {
			if n := alike[f]; n > 0 && !told[f] {
				told[f] = true
				f.Check = fmt.Sprintf("%d × %s", n, f.Check)
				writeFinding(b, p, f)
			}
		}
	}
}

func writeFinding(b *strings.Builder, p painter, f sdk.Finding) {
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
