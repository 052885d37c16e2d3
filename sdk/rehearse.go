package sdk

import "context"

// Rehearser is a source that can find out what restoring an artifact would do.
//
// Unstable in protocol version 1.
type Rehearser interface {
	// Rehearse verifies the artifact, compares it with the content of the
	// target, and has the device try the import as far as it can without
	// importing. It changes nothing on the device. A finding of level error
	// forbids a restore; anything that could not be read forbids it too.
	// Rehearse fails if the artifact is not whole, if the device does not
	// answer, or if the device has no such target.
	Rehearse(ctx context.Context, r RehearseRequest) (*RehearseReport, error)
}

// RehearseRequest says what would be restored, and where.
type RehearseRequest struct {
	Target Target // an existing domain
	File   string // absolute path of the artifact
	Dir    string // an empty private directory for temporary files; the host discards it
	// Unsaved allows a target with unsaved changes. A restore would mix with
	// them.
	Unsaved bool
	// Policy, Variables, Disabled and RewriteLocalIP are those of the rehearsed
	// import: see [ImportRequest].
	Policy         string
	Variables      map[string]string
	Disabled       bool
	RewriteLocalIP bool
}

// RehearseReport says what a restore would do.
type RehearseReport struct {
	Findings []Finding `json:"findings,omitempty"` // what forbids the restore, and what somebody should know before it
	// Changes lists what would differ afterwards, what would stay although the
	// artifact lacks it, and what the artifact does not bring. It is empty if a
	// finding forbids the restore.
	Changes []Change `json:"changes,omitempty"`
}

// Change says what a restore would do to one object or file.
type Change struct {
	Effect Effect `json:"effect"`          // what would happen to it
	Class  string `json:"class,omitempty"` // of an object; empty: this is a file
	Name   string `json:"name"`            // as the artifact or the device names it
}

// Effect is what a restore does to an object or file.
type Effect string

// The effects.
const (
	EffectNew     Effect = "new"     // it is missing and would be added
	EffectChanged Effect = "changed" // it exists and would be replaced
	EffectStays   Effect = "stays"   // the artifact lacks it and it would stay: a restore removes nothing
	EffectAbsent  Effect = "absent"  // the artifact names it without holding it, and the device lacks it: what needs it would be down
)
