package report

import "github.com/dprun/dprun/sdk"

// Check is what a plan's next run will find.
type Check struct {
	Plan     string         `json:"plan"`
	Only     string         `json:"only,omitempty"` // the part of the plan that was checked; empty: all
	Subjects []CheckSubject `json:"-"`              // objects of their own
	ExitCode int            `json:"exit_code"`
	Counts
	// Inventory is how many objects of each class the accounts can see.
	Inventory Inventory `json:"-"`
}

// Inventory is how many objects an account can see, by device, domain and class. A
// check writes it to a file, and a later check compares itself with that file.
type Inventory map[string]map[string]map[string]int

// Add adds what one device shows.
func (v Inventory) Add(device string, objects []sdk.ObjectCount) {
	if v[device] == nil {
		v[device] = map[string]map[string]int{}
	}
	for _, o := range objects {
		if v[device][o.Domain] == nil {
			v[device][o.Domain] = map[string]int{}
		}
		v[device][o.Domain][o.Class] = o.Count
	}
}

// Counts is the number of findings of each level.
type Counts struct {
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	NotProven int `json:"not_proven"`
	OK        int `json:"ok"`
}

// Add counts a finding.
func (c *Counts) Add(l sdk.Level) {
	switch l {
	case sdk.LevelOK:
		c.OK++
	case sdk.LevelWarning:
		c.Warnings++
	case sdk.LevelNotProven:
		c.NotProven++
	default:
		c.Errors++
	}
}

// CheckKind says what a finding is about.
type CheckKind string

// The kinds of subjects, in the order in which they are shown.
const (
	CheckPlan        CheckKind = "plan"
	CheckScript      CheckKind = "script"
	CheckDestination CheckKind = "destination"
	CheckDevice      CheckKind = "device"
)

// CheckSubject is one thing that was examined, with its findings, the worst first.
type CheckSubject struct {
	Kind     CheckKind     `json:"kind"`
	Name     string        `json:"name"`
	Findings []sdk.Finding `json:"findings"`
}

// Counts counts the findings of a subject.
func (s CheckSubject) Counts() (c Counts) {
	for _, f := range s.Findings {
		c.Add(f.Level)
	}
	return c
}
