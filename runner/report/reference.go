package report

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
	Version      string   `json:"version,omitempty"` // empty: it is not known
	Bundled      bool     `json:"bundled"`
	File         string   `json:"file,omitempty"`    // of an installed one
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
	NotAsked string   `json:"not_asked,omitempty"` // why it could not be looked at
	Found    []string `json:"found,omitempty"`     // of one that is broken: what was seen
	Why      string   `json:"why,omitempty"`       // likewise: what an operator suffers
	Remedy   string   `json:"remedy,omitempty"`    // likewise: what the plugin's author does
}

// PluginTest is the result of a test of a plugin.
type PluginTest struct {
	Plugin   string `json:"plugin"`
	Version  string `json:"version"`
	File     string `json:"file"`
	ReadOnly bool   `json:"read_only"` // only rules were looked at that write nothing
	Held     int    `json:"held"`      // how many rules hold
	Broken   int    `json:"broken"`
	NotAsked int    `json:"not_asked"`
	ExitCode int    `json:"exit_code"`
}

// NewPlugin says which files of a plugin to begin with were written.
type NewPlugin struct {
	Plugin    string   `json:"plugin"`
	Kind      string   `json:"kind"` // destination or hook
	Directory string   `json:"directory"`
	Files     []string `json:"files"` // below the directory
}
