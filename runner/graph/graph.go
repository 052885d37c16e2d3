// Package graph draws what a run will do: the inspection of the devices, the expansion
// into tasks, the plan gate, the tasks with their dependencies, and the plan's
// post-script. It draws the spec that the run machine uses for its decisions, so the
// graph shows what really runs. Steps inside a task belong to the task machine and are
// not drawn.
package graph

import (
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// Of draws a run before its devices are contacted. A domain-scoped activity appears as
// an expansion node and one task node, named by its patterns, for all tasks that it
// will expand to.
func Of(spec lifecycle.RunSpec) report.Graph {
	b := builder{g: report.Graph{Plan: spec.Plan}, spec: spec, tasks: map[[2]string][]string{}}
	b.inspections()
	b.gate(func() {
		for _, a := range spec.Activities {
			for _, d := range a.Devices {
				domain := a.Unexpanded(d)
				if domain == "" && a.Scope == schema.ScopeDomain {
					domain = "*"
				}
				b.task(a, d, domain, "expand/"+a.Name+"/"+d)
			}
		}
	})
	return b.g
}

type builder struct {
	g       report.Graph
	spec    lifecycle.RunSpec
	expands []string
	tasks   map[[2]string][]string // by activity and device
	all     []string
	start   string // the node that every task waits for
}

func (b *builder) node(n report.GraphNode) { b.g.Nodes = append(b.g.Nodes, n) }

func (b *builder) edge(from, to string) {
	b.g.Edges = append(b.g.Edges, report.GraphEdge{From: from, To: to})
}

func (b *builder) inspections() {
	seen := map[string]bool{}
	for _, a := range b.spec.Activities {
		for _, d := range a.Devices {
			if !seen[d] {
				seen[d] = true
				b.node(report.GraphNode{ID: "inspect/" + d, Kind: report.GraphInspect, Label: "inspect " + d, Device: d})
			}
		}
	}
	for _, a := range b.spec.Activities {
		for _, d := range a.Devices {
			id := "expand/" + a.Name + "/" + d
			b.node(report.GraphNode{ID: id, Kind: report.GraphExpand, Label: "expand " + a.Name + " on " + d, Device: d, Activity: a.Name})
			b.edge("inspect/"+d, id)
			b.expands = append(b.expands, id)
		}
	}
}

// gate draws the plan's scripts around the tasks.
func (b *builder) gate(tasks func()) {
	if s := b.spec.PreScript; s != nil {
		b.start = "pre_script"
		b.node(report.GraphNode{ID: b.start, Kind: report.GraphPreScript, Label: "script " + s.Address})
		for _, e := range b.expands {
			b.edge(e, b.start)
		}
	}
	tasks()
	if s := b.spec.PostScript; s != nil {
		b.node(report.GraphNode{ID: "post_script", Kind: report.GraphPostScript, Label: "script " + s.Address})
		for _, t := range b.all {
			b.edge(t, "post_script")
		}
	}
}

func (b *builder) task(a lifecycle.Activity, device, domain, expand string) {
	id := "task/" + a.Name + "/" + device
	label := a.Name + " " + device
	if domain != "" {
		id += "/" + domain
		label += " " + domain
	}
	b.node(report.GraphNode{ID: id, Kind: report.GraphTask, Label: label, Device: device, Activity: a.Name, Domain: domain})
	if b.start != "" {
		b.edge(b.start, id)
	} else {
		b.edge(expand, id)
	}
	for _, dep := range a.DependsOn {
		for _, t := range b.tasks[[2]string{dep, device}] {
			b.edge(t, id)
		}
	}
	key := [2]string{a.Name, device}
	b.tasks[key] = append(b.tasks[key], id)
	b.all = append(b.all, id)
}
