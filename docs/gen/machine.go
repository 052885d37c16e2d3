package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/lifecycle"
)

// machinePage draws the tables of the machines.
func machinePage(b *bytes.Buffer, regions []lifecycle.Region) {
	generated(b, "The machines")
	b.WriteString("For people who change dprun. Two machines decide what a run does, one of a task and one of a run ([architecture](architecture.md)). Each is made of regions. " +
		"A region stands in one state, and its table lists what every event makes of every state; the charts are drawn from these tables. " +
		"An event that a table does not list cannot happen. In *idle* nothing has happened yet.\n")
	for _, r := range regions {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n```mermaid\nstateDiagram-v2\n", r.Name, r.About)
		goesOn, named := map[string]bool{}, map[string]bool{}
		for _, m := range r.Moves {
			goesOn[m.From] = true
		}
		name := func(state string) {
			if id := stateID(state); id != state && !named[state] {
				fmt.Fprintf(b, "    state %q as %s\n", state, id)
			}
			named[state] = true
		}
		for _, m := range r.Moves {
			name(m.From)
			name(m.To)
		}
		fmt.Fprintf(b, "    [*] --> %s\n", stateID(r.Moves[0].From))
		ended := map[string]bool{}
		for _, m := range r.Moves {
			fmt.Fprintf(b, "    %s --> %s : %s\n", stateID(m.From), stateID(m.To), strings.ReplaceAll(m.On, ":", ",")) // a colon ends a label
		}
		for _, m := range r.Moves {
			if !goesOn[m.To] && !ended[m.To] {
				ended[m.To] = true
				fmt.Fprintf(b, "    %s --> [*]\n", stateID(m.To))
			}
		}
		b.WriteString("```\n")
		for _, m := range r.Moves {
			if m.Unseen != "" {
				fmt.Fprintf(b, "\nNo test plays *%s* in *%s*: %s.\n", m.On, m.From, m.Unseen)
			}
		}
	}
}

// stateID is a state as a chart's own text names it.
func stateID(state string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == ',' {
			return '_'
		}
		return r
	}, state)
}
