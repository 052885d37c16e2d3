package report

import "time"

// PrunedBackups is what retention made of a plan's sets at one destination.
type PrunedBackups struct {
	Destination string      `json:"destination"`
	Root        string      `json:"root,omitempty"`      // the destination as it names itself
	Retention   string      `json:"retention,omitempty"` // absent: none is set, and all sets stay
	DryRun      bool        `json:"dry_run,omitempty"`
	Sets        []PrunedSet `json:"sets"`            // by device, domain and activity, the newest first
	Error       string      `json:"error,omitempty"` // why nothing more was done there
}

// PrunedSet is what became of one set, and why.
type PrunedSet struct {
	Set      string    `json:"set"`
	Device   string    `json:"device"`
	Domain   string    `json:"domain,omitempty"` // absent: the whole device
	Activity string    `json:"activity"`
	Captured time.Time `json:"captured"`
	Bytes    int64     `json:"bytes"`
	Outcome  Outcome   `json:"outcome"`
	Why      []string  `json:"why"`             // the rules that keep it, why it goes, or who uses it
	Error    string    `json:"error,omitempty"` // why it is not deleted although it goes
}

// Outcome is what became of a set.
type Outcome string

// The outcomes.
const (
	Stays      Outcome = "stays"
	Goes       Outcome = "goes" // a dry run: it would be deleted
	DeletedSet Outcome = "deleted"
	InUse      Outcome = "in_use"     // somebody reads it: the next prune deletes it
	Left       Outcome = "left"       // it could not be deleted, and stands as before
	Unfinished Outcome = "unfinished" // its manifest is gone, or may be; the next prune goes on
)
