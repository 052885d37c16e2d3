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
