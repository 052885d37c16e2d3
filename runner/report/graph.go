package report

// GraphKind is the kind of a node.
type GraphKind string

// The kinds of nodes.
const (
	GraphInspect    GraphKind = "inspect"     // read a device's facts and domains
	GraphExpand     GraphKind = "expand"      // turn an activity on a device into tasks
	GraphPreScript  GraphKind = "pre_script"  // the plan gate
	GraphTask       GraphKind = "task"        // one task, or the tasks of an expansion not yet known
	GraphPostScript GraphKind = "post_script" // after all tasks
)

// GraphNode is one step.
type GraphNode struct {
	ID       string    `json:"id"`
	Kind     GraphKind `json:"kind"`
	Label    string    `json:"label"`
	Device   string    `json:"device,omitempty"`
	Activity string    `json:"activity,omitempty"`
	Domain   string    `json:"domain,omitempty"`
}

// GraphEdge says that To waits for From.
type GraphEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Graph is acyclic; nodes stand in the order in which they come up.
type Graph struct {
	Plan  string      `json:"plan"`
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`
}
