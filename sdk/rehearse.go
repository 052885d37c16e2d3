package sdk

import "context"

// Rehearser is a source that finds out what a restore of an artifact would do.
//
// Unstable in protocol version 1.
type Rehearser interface {
	// Rehearse verifies the artifact, compares it with what the target holds,
	// and has the device try the import as far as it can without doing it. It
	// changes nothing on the device. A finding of level error forbids a restore;
	// something that could not be read forbids it too. It fails if the artifact
	// is not whole, if the device does not answer, and if the device has no such
	// target.
	Rehearse(ctx context.Context, r RehearseRequest) (*RehearseReport, error)
}

// RehearseRequest says what would be restored, and where.
type RehearseRequest struct {
	Target Target // a domain that is there
	File   string // absolute path of the artifact
	Dir    string // an empty private directory for what is read meanwhile; the host discards it
	// Unsaved allows a target with changes that were not saved: a restore would
	// mix with them.
	Unsaved bool
	// Policy, Variables, Disabled and RewriteLocalIP are those of the import that
	// is rehearsed: see [ImportRequest].
	Policy         string
	Variables      map[string]string
	Disabled       bool
	RewriteLocalIP bool
}

// RehearseReport is what a restore would do.
type RehearseReport struct {
	Findings []Finding `json:"findings,omitempty"` // what forbids it, and what somebody should know before
	// Changes are what would differ afterwards, what would stay although the
	// artifact does not have it, and what the artifact does not bring. There are
	// none where a finding forbids the restore.
	Changes []Change `json:"changes,omitempty"`
}

// Change is what a restore means for one object or file.
type Change struct {
	Effect Effect `json:"effect"`          // what would happen to it
	Class  string `json:"class,omitempty"` // of an object; empty: it is a file
	Name   string `json:"name"`            // as the artifact, or the device, has it
}

// Effect is what a restore does to something.
type Effect string

// The effects.
const (
	EffectNew     Effect = "new"     // it is not there, and would be
	EffectChanged Effect = "changed" // it is there, and would be replaced
	EffectStays   Effect = "stays"   // the artifact does not have it: a restore removes nothing
	EffectAbsent  Effect = "absent"  // the artifact names it, does not hold it, and it is not there: what needs it would be down
)
