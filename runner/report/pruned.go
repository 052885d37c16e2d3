package report

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

// Swept is what was removed at one destination.
type Swept struct {
	Destination string   `json:"destination"`
	Removed     []string `json:"removed"`         // paths below its directory
	Error       string   `json:"error,omitempty"` // why it could not be swept, or not to the end
}
