package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// GraphFormat is how a graph is written.
type GraphFormat string

// The formats.
const (
	GraphDOT     GraphFormat = "dot"
	GraphMermaid GraphFormat = "mermaid"
	GraphJSON    GraphFormat = "json"
)

// writeGraph writes a graph in a format.
func writeGraph(w io.Writer, g report.Graph, f GraphFormat) error {
	switch f {
	case GraphDOT:
		return writeDOT(w, g)
	case GraphMermaid:
		return writeMermaid(w, g)
	case GraphJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(g)
	}
	return fmt.Errorf("unknown graph format %q: use dot, mermaid or json", f)
}

var dotShape = map[report.GraphKind]string{report.GraphInspect: "ellipse", report.GraphExpand: "diamond", report.GraphPreScript: "note", report.GraphPostScript: "note", report.GraphTask: "box"}

func writeDOT(w io.Writer, g report.Graph) error {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n", quote(g.Plan))
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "  %s [label=%s, shape=%s];\n", quote(n.ID), quote(n.Label), dotShape[n.Kind])
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s -> %s;\n", quote(e.From), quote(e.To))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// quote writes a DOT string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
}

func writeMermaid(w io.Writer, g report.Graph) error {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	number := map[string]int{}
	for i, n := range g.Nodes {
		number[n.ID] = i
		open, end := "[", "]"
		if n.Kind == report.GraphExpand {
			open, end = "{", "}"
		} else if n.Kind == report.GraphInspect {
			open, end = "(", ")"
		}
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s\n", i, open, strings.NewReplacer(`"`, "#quot;", "\n", " ").Replace(n.Label), end)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  n%d --> n%d\n", number[e.From], number[e.To])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
