package report

// Validation is what a valid plan file holds.
type Validation struct {
	Valid    bool           `json:"valid"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Plans    []PlanCount    `json:"plans,omitempty"`
	Devices  int            `json:"devices"`
	Labels   []LabelCount   `json:"labels,omitempty"`
	Groups   map[string]int `json:"groups,omitempty"`
	// Single lists the groups that have one member: their member is protected by nobody.
	Single []string `json:"groups_of_one,omitempty"`
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
	// Text is the formatted text, when it was read from standard input.
	Text *string `json:"text,omitempty"`
}
