package report

import "time"

// Restore is one restore that changed something, or was to.
type Restore struct {
	Run       string        `json:"run"` // that has stored the way back
	Device    string        `json:"device"`
	Domain    string        `json:"domain"`
	Set       string        `json:"set,omitempty"` // what was restored; empty: a file
	Archive   string        `json:"archive"`       // the same in words
	WayBack   string        `json:"way_back,omitempty"`
	By        string        `json:"by"` // user@host
	Reason    string        `json:"reason,omitempty"`
	Emergency bool          `json:"emergency,omitempty"` // outside of the window
	Began     time.Time     `json:"began"`
	Ended     time.Time     `json:"ended,omitzero"`
	End       string        `json:"end,omitempty"` // restored, restored_with_faults, nothing_to_do, refused, unchanged, not_saved, unknown, acknowledged, superseded; absent: it has not ended
	Why       string        `json:"why,omitempty"`
	Pending   bool          `json:"pending,omitempty"` // neither the old nor the new state is proven and saved
	Steps     []RestoreStep `json:"steps,omitempty"`
}

// RestoreStep is one phase that a restore has passed.
type RestoreStep struct {
	Phase  string    `json:"phase"`
	Time   time.Time `json:"time"`
	Answer string    `json:"answer"`
	Why    string    `json:"why,omitempty"`
}
