package view

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestEveryFormatNamesEveryNode(t *testing.T) {
	t.Parallel()
	g := report.Graph{Plan: "p", Nodes: []report.GraphNode{{ID: "inspect/a", Kind: report.GraphInspect, Label: "inspect a"}, {ID: "expand/x/a", Kind: report.GraphExpand, Label: "expand x on a"},
		{ID: "task/x/a", Kind: report.GraphTask, Label: "x a"}}, Edges: []report.GraphEdge{{From: "inspect/a", To: "expand/x/a"}, {From: "expand/x/a", To: "task/x/a"}}}
	for _, f := range []GraphFormat{GraphDOT, GraphMermaid, GraphJSON} {
		var b strings.Builder
		need.Done(t, writeGraph(&b, g, f))
		for _, n := range g.Nodes {
			if !strings.Contains(b.String(), n.Label) {
				t.Errorf("%s lacks %q", f, n.Label)
			}
		}
	}
	if err := writeGraph(&strings.Builder{}, g, "png"); err == nil {
		t.Error("an unknown format is accepted")
	}
}
