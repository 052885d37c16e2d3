package report

import "github.com/dprun/dprun/plan/diag"

// Validation is the content of a valid plan file.
type Validation struct {
	Valid    bool           `json:"valid"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Plans    []PlanCount    `json:"plans,omitempty"`
	Devices  int            `json:"devices"`
	Labels   []LabelCount   `json:"labels,omitempty"`
	Groups   map[string]int `json:"groups,omitempty"`
	// Single lists the groups with one member: nothing protects that member.
	Single []string `json:"groups_of_one,omitempty"`
}

// Posted is the content of a text that somebody sent, and what is wrong with it.
type Posted struct {
	Validation
	Diagnostics diag.List `json:"diagnostics"`
}

// PlanCount is one plan of the file.
type PlanCount struct {
	Plan         string `json:"plan"`
	Activities   int    `json:"activities"`
	Destinations int    `json:"destinations"`
	Devices      int    `json:"devices"`
}

// LabelCount is how many devices carry a value of a label.
type LabelCount struct {
	Label   string `json:"label"`
	Value   string `json:"value"`
	Devices int    `json:"devices"`
}

// Format is what fmt found in one file.
type Format struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	Diff    string `json:"diff,omitempty"`
	// Text is the formatted text, if it was read from standard input.
	Text *string `json:"text,omitempty"`
}

// Init is what was done so that a plan has the plugins that it requires.
type Init struct {
	LockFile string       `json:"lock_file"`
	Changed  bool         `json:"lock_file_changed"`
	Plugins  []InitPlugin `json:"plugins"`
}

// InitPlugin is one of those plugins.
type InitPlugin struct {
	Name    string `json:"name"`
	Source  string `json:"source"`
	Version string `json:"version"`
	Before  string `json:"version_before,omitempty"` // the version that was locked before
	// Installed says that it was copied to the plugin directory now; otherwise it was
	// there already.
	Installed bool     `json:"installed"`
	Platforms []string `json:"platforms"` // those for which the lock file has a digest
}

// GraphKind is the kind of a node.
type GraphKind string

// The kinds of nodes.
const (
	GraphInspect    GraphKind = "inspect"     // read a device's facts and domains
	GraphExpand     GraphKind = "expand"      // turn an activity on a device into tasks
	GraphPreScript  GraphKind = "pre_script"  // the plan gate
	GraphTask       GraphKind = "task"        // one task, or all tasks of an expansion that is not known yet
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

// Graph is acyclic. Its nodes are in the order in which they come up.
type Graph struct {
	Plan  string      `json:"plan"`
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`
}

// Explanation explains a status code, a diagnostic's code or an exit code.
type Explanation struct {
	Kind    string `json:"kind"` // status, diagnostic or exit
	Code    string `json:"code"`
	Origin  string `json:"origin,omitempty"`  // of a status: dpod or dprun
	Level   string `json:"level,omitempty"`   // of a status: task or run
	Phases  []int  `json:"phases,omitempty"`  // of a status
	Class   string `json:"class"`             // a status's class; error or warning
	Final   bool   `json:"final,omitempty"`   // of a status: a history can end in it
	Neutral bool   `json:"neutral,omitempty"` // of a status: does not count for the exit code
	Summary string `json:"summary,omitempty"` // of a diagnostic
	Meaning string `json:"meaning"`           // one sentence
	Cause   string `json:"cause"`             // what usually leads to it
	Action  string `json:"action"`            // what to do
}

// Plugin is one plugin of a list, or a file that should be one.
type Plugin struct {
	Name         string   `json:"name"`
	Version      string   `json:"version,omitempty"` // empty: it is unknown
	Bundled      bool     `json:"bundled"`
	File         string   `json:"file,omitempty"`    // of an installed plugin
	Problem      string   `json:"problem,omitempty"` // why it cannot be used, and what to do
	Sources      []string `json:"sources,omitempty"`
	Activities   []string `json:"activities,omitempty"`
	Destinations []string `json:"destinations,omitempty"`
	Hooks        []string `json:"hooks,omitempty"`
}

// The results of a [PluginRule].
const (
	RuleHolds    = "holds"
	RuleBroken   = "broken"
	RuleNotAsked = "not_asked"
)

// PluginRule is what a test found about one rule for plugins.
type PluginRule struct {
	Block    string   `json:"block"`               // of the configuration, such as destination.webdav.vault
	Rule     string   `json:"rule"`                // the rule's ID
	Result   string   `json:"result"`              // holds, broken or not_asked
	Holds    string   `json:"holds"`               // what must hold
	NotAsked string   `json:"not_asked,omitempty"` // why it could not be tested
	Found    []string `json:"found,omitempty"`     // of a broken rule: what was seen
	Why      string   `json:"why,omitempty"`       // of a broken rule: how an operator suffers
	Remedy   string   `json:"remedy,omitempty"`    // of a broken rule: what the plugin's author must do
}

// PluginTest is the result of a test of a plugin.
type PluginTest struct {
	Plugin   string `json:"plugin"`
	Version  string `json:"version"`
	File     string `json:"file"`
	ReadOnly bool   `json:"read_only"` // only rules that write nothing were tested
	Held     int    `json:"held"`      // how many rules hold
	Broken   int    `json:"broken"`
	NotAsked int    `json:"not_asked"`
	ExitCode int    `json:"exit_code"`
}

// NewPlugin says which files of a new plugin were written.
type NewPlugin struct {
	Plugin    string   `json:"plugin"`
	Kind      string   `json:"kind"` // destination or hook
	Directory string   `json:"directory"`
	Files     []string `json:"files"` // below the directory
}
