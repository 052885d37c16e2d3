// Package graph draws what a run will do: inspection of the devices, expansion
// into tasks, the plan gate, the tasks with their dependencies, and the
// plan's post-script. It is made from the very spec that the run machine
// decides on, so what is printed is what runs. Steps inside a task belong to
// the task machine and are no nodes.
package graph

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk/schema"
)

// Kind is the kind of a node.
type Kind string

// The kinds of nodes.
const (
	KindInspect    Kind = "inspect"     // read a device's facts and domains
	KindExpand     Kind = "expand"      // turn an activity on a device into tasks
	KindPreScript  Kind = "pre_script"  // the plan gate
	KindTask       Kind = "task"        // one task, or the tasks of an expansion not yet known
	KindPostScript Kind = "post_script" // after all tasks
)

// Node is one step.
type Node struct {
	ID       string `json:"id"`
	Kind     Kind   `json:"kind"`
	Label    string `json:"label"`
	Device   string `json:"device,omitempty"`
	Activity string `json:"activity,omitempty"`
	Domain   string `json:"domain,omitempty"`
}

// Edge says that To waits for From.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Graph is acyclic; nodes stand in the order in which they come up.
type Graph struct {
	Plan  string `json:"plan"`
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Of draws a run before its devices were contacted: a domain-scoped activity
// is an expansion node and one task node for whatever it will expand to, named
// by its patterns.
func Of(spec lifecycle.RunSpec) Graph {
	b := builder{g: Graph{Plan: spec.Plan}, spec: spec, tasks: map[[2]string][]string{}}
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
	g       Graph
	spec    lifecycle.RunSpec
	expands []string
	tasks   map[[2]string][]string // by activity and device
	all     []string
	start   string // what every task waits for
}

func (b *builder) node(n Node) { b.g.Nodes = append(b.g.Nodes, n) }

func (b *builder) edge(from, to string) { b.g.Edges = append(b.g.Edges, Edge{from, to}) }

func (b *builder) inspections() {
	seen := map[string]bool{}
	for _, a := range b.spec.Activities {
		for _, d := range a.Devices {
			if !seen[d] {
				seen[d] = true
				b.node(Node{ID: "inspect/" + d, Kind: KindInspect, Label: "inspect " + d, Device: d})
			}
		}
	}
	for _, a := range b.spec.Activities {
		for _, d := range a.Devices {
			id := "expand/" + a.Name + "/" + d
			b.node(Node{ID: id, Kind: KindExpand, Label: "expand " + a.Name + " on " + d, Device: d, Activity: a.Name})
			b.edge("inspect/"+d, id)
			b.expands = append(b.expands, id)
		}
	}
}

// gate puts the plan's scripts around the tasks.
func (b *builder) gate(tasks func()) {
	if s := b.spec.PreScript; s != nil {
		b.start = "pre_script"
		b.node(Node{ID: b.start, Kind: KindPreScript, Label: "script " + s.Address})
		for _, e := range b.expands {
			b.edge(e, b.start)
		}
	}
	tasks()
	if s := b.spec.PostScript; s != nil {
		b.node(Node{ID: "post_script", Kind: KindPostScript, Label: "script " + s.Address})
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
	b.node(Node{ID: id, Kind: KindTask, Label: label, Device: device, Activity: a.Name, Domain: domain})
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

// Format is an output form.
type Format string

// The output forms.
const (
	DOT     Format = "dot"
	Mermaid Format = "mermaid"
	JSON    Format = "json"
)

// Write renders the graph.
func (g Graph) Write(w io.Writer, f Format) error {
	switch f {
	case DOT:
		return g.writeDOT(w)
	case Mermaid:
		return g.writeMermaid(w)
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(g)
	}
	return fmt.Errorf("unknown graph format %q: use dot, mermaid or json", f)
}

var dotShape = map[Kind]string{KindInspect: "ellipse", KindExpand: "diamond", KindPreScript: "note", KindPostScript: "note", KindTask: "box"}

func (g Graph) writeDOT(w io.Writer) error {
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

func (g Graph) writeMermaid(w io.Writer) error {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	number := map[string]int{}
	for i, n := range g.Nodes {
		number[n.ID] = i
		open, end := "[", "]"
		if n.Kind == KindExpand {
			open, end = "{", "}"
		} else if n.Kind == KindInspect {
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
