package report

import "github.com/dprun/dprun/sdk"

// Rehearsal is what a restore would do.
type Rehearsal struct {
	Device   string        `json:"device"`
	Domain   string        `json:"domain"`
	Archive  string        `json:"archive"`
	Refused  bool          `json:"refused"` // a finding of level error forbids the restore
	Findings []sdk.Finding `json:"findings"`
	Changes  []sdk.Change  `json:"changes"`
}
