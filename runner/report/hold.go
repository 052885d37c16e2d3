package report

import "time"

// Stop is what forbids quiesces: a device that did not come back, or a hold that
// somebody has set.
type Stop struct {
	Device string `json:"device,omitempty"` // empty: a hold
	// Environment is among whose devices nothing is quiesced, as label=value; empty: all.
	Environment string    `json:"environment,omitempty"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason,omitempty"`
	Run         string    `json:"run,omitempty"` // that saw it
	By          string    `json:"by,omitempty"`  // who set a hold: user@host
	Closed      time.Time `json:"closed,omitzero"`
	ClosedBy    string    `json:"closed_by,omitempty"`
}

// Hold is what forbids quiesces now.
type Hold struct {
	Released bool // the hold was released just now
	Stops    []Stop
}
