// Package report holds what the use cases of package runner answer with: the
// structs that the command line shows, as text or as JSON, and that a server
// would send. They decide nothing and import nothing that does.
package report

import (
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
)

// Result is how an operation on the state directory ended.
type Result struct {
	ExitCode    int             `json:"exit_code"`
	Diagnostics diag.List       `json:"diagnostics,omitempty"` // of the plan file, warnings included
	Told        diag.List       `json:"-"`                     // those that the caller was given while it was under way
	Summary     *event.Summary  `json:"summary,omitempty"`     // of a run that was begun
	Recovered   []event.Summary `json:"recovered,omitempty"`   // runs of earlier processes that were finished first
	Owed        []Owed          `json:"owed,omitempty"`        // what is still owed
	Unknown     *Failure        `json:"unknown,omitempty"`     // what else may be owed: it cannot be listed
	Failure     *Failure        `json:"failure,omitempty"`     // why it was not done, or not to its end
}

// Failure says why something could not be done.
type Failure struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}

// Disruption says what a run may take out of service.
type Disruption struct {
	Plan       string   `json:"plan"`
	Activities []string `json:"activities"` // those that quiesce
	Devices    []string `json:"devices"`
}

// Version is which dprun this is.
type Version struct {
	Dprun          string `json:"dprun"`
	Format         int    `json:"format"` // of this JSON output
	PluginProtocol int    `json:"plugin_protocol"`
	Go             string `json:"go"`
	OS             string `json:"os"`
	Arch           string `json:"arch"`
}
