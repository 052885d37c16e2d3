package report

import "github.com/dprun/dprun/sdk"

// Check is what a plan's next run will find.
type Check struct {
	Plan     string         `json:"plan"`
	Only     string         `json:"only,omitempty"` // what narrows it
	Subjects []CheckSubject `json:"-"`              // objects of their own
	ExitCode int            `json:"exit_code"`
	Counts
	// Inventory is how many objects of each class the accounts were shown.
	Inventory Inventory `json:"-"`
}

// Inventory is how many objects an account was shown, by device, domain and
// class. It is a file that a check writes, and that another one compares with.
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

// Counts is how many findings there are of each level.
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

// The kinds of subjects, in the order in which they are told.
const (
	CheckPlan        CheckKind = "plan"
	CheckScript      CheckKind = "script"
	CheckDestination CheckKind = "destination"
	CheckDevice      CheckKind = "device"
)

// CheckSubject is one thing that was looked at, with what was found, the worst first.
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
