package view

import (
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk/schema"
)

// Version is which dprun this is.
type Version struct {
	Dprun          string `json:"dprun"`
	Format         int    `json:"format"` // of this JSON output
	PluginProtocol int    `json:"plugin_protocol"`
	Go             string `json:"go"`
	OS             string `json:"os"`
	Arch           string `json:"arch"`
}

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

// Archive is the verdict on one archive.
type Archive struct {
	File  string `json:"file"`
	Whole bool   `json:"whole"`
	// Error says why it could not be read to its end.
	Error  string          `json:"error,omitempty"`
	Report *archive.Report `json:"report,omitempty"`
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
	Version      string   `json:"version,omitempty"` // empty: it is not known
	Bundled      bool     `json:"bundled"`
	File         string   `json:"file,omitempty"`    // of an installed one
	Problem      string   `json:"problem,omitempty"` // why it cannot be used, and what to do
	Sources      []string `json:"sources,omitempty"`
	Activities   []string `json:"activities,omitempty"`
	Destinations []string `json:"destinations,omitempty"`
	Hooks        []string `json:"hooks,omitempty"`
}

// PluginOf makes a list's row of a plugin's schema.
func PluginOf(s schema.Plugin) Plugin {
	p := Plugin{Name: s.Name, Version: s.Version}
	for _, t := range s.Sources {
		p.Sources = append(p.Sources, t.Name)
		for _, a := range t.Activities {
			p.Activities = append(p.Activities, a.Name)
		}
	}
	for _, t := range s.Destinations {
		p.Destinations = append(p.Destinations, t.Name)
	}
	for _, t := range s.Hooks {
		p.Hooks = append(p.Hooks, t.Name)
	}
	return p
}

// RunRow is one run of a list.
type RunRow struct {
	Run       string    `json:"run"`
	Plan      string    `json:"plan"`
	Narrowed  bool      `json:"narrowed,omitempty"` // by --only
	Only      string    `json:"only,omitempty"`     // by what; of a single run
	Code      string    `json:"code,omitempty"`     // the last status
	Final     bool      `json:"final"`
	ExitCode  *int      `json:"exit_code,omitempty"` // of a run that ended
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	Tasks     int       `json:"tasks"`
	Succeeded int       `json:"succeeded"`
}

// RunDetail is one run with every task's history.
type RunDetail struct {
	RunRow
	History []event.Status `json:"history"` // the run's own
	Details []TaskDetail   `json:"-"`       // objects of their own
	// Staged is what is still kept in the staging directory.
	Staged []Staged `json:"staged,omitempty"`
}

// TaskDetail is one task with its history.
type TaskDetail struct {
	Run      string         `json:"run"`
	Task     string         `json:"task"`
	Activity string         `json:"activity"`
	Device   string         `json:"device"`
	Domain   string         `json:"domain,omitempty"`
	Code     string         `json:"code"`
	Final    bool           `json:"final"`
	Files    []string       `json:"files,omitempty"`
	History  []event.Status `json:"history"`
}

// Staged is what is kept of one task.
type Staged struct {
	Run   string `json:"run"`
	Task  string `json:"task"`
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Pruned says what was removed.
type Pruned struct {
	DryRun bool      `json:"dry_run,omitempty"` // nothing was: this is what would be
	Runs   []string  `json:"runs"`
	Kept   []KeptRun `json:"kept,omitempty"`
	Staged []Staged  `json:"staged"`
}

// KeptRun is an old run that stays.
type KeptRun struct {
	Run string `json:"run"`
	Why string `json:"why"` // owes, last_good
}

// Acknowledged says that somebody looked at a device, or at what a run owes
// to none.
type Acknowledged = runner.Acknowledged

// Failure says why a command could not do what was asked.
type Failure struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}
