package sdk

import "context"

// Restorer is a source that can import artifacts and prove what became of the
// target. It can also rehearse.
//
// Unstable in protocol version 1.
type Restorer interface {
	Rehearser
	// Import sends the artifact to the target at most once and reads all of the
	// device's results. The host never repeats it. Before it sends anything it
	// makes sure that the target is still as r.Before has it and that the
	// artifact is whole; if not, it fails.
	//
	// A failure of kind precondition, denied, not_found or corrupt means that
	// nothing was sent or that the device applied nothing. After any other
	// failure the device may have applied all, some or nothing; the caller then
	// looks with Resembles. Errors of the import that the device reports are
	// not a failure: they are findings of level error.
	Import(ctx context.Context, r ImportRequest) (*ImportReport, error)
	// Resembles exports the target and says how it differs from each artifact,
	// looking only at what an import of that artifact would write. It changes
	// nothing on the device.
	Resembles(ctx context.Context, r ResembleRequest) (*ResembleReport, error)
	// Save saves the running configuration of the target and checks that it is
	// saved.
	Save(ctx context.Context, t Target) error
	// Create makes a new domain and waits until it can be used. It marks the
	// domain as made by dprun. It saves nothing, so the next restart of the
	// device removes the domain unless somebody saves it.
	Create(ctx context.Context, t Target) error
	// Drop removes a domain that Create made, with everything in it, and checks
	// that it is gone. It succeeds if there is no such domain, and refuses a
	// domain without Create's mark. It saves nothing.
	Drop(ctx context.Context, t Target) error
}

// ImportRequest says what is imported, and where.
type ImportRequest struct {
	Target Target // an existing domain
	File   string // absolute path of the artifact
	Dir    string // an empty private directory for temporary files; the host discards it
	// Before is the path of an export of the target from before the import: the
	// way back. Empty: Create has just made the target.
	Before string
	// Policy is the path of a file with the statements of a deployment policy,
	// in the device's own form; empty: none. Variables are the policy's.
	Policy    string
	Variables map[string]string
	// Disabled is for a drill: everything that listens, polls, schedules, joins
	// a group or sends data out is disabled or left out before it can start. It
	// excludes Policy.
	Disabled bool
	// RewriteLocalIP replaces local addresses with those of the interfaces of
	// the same name on this device.
	RewriteLocalIP bool
}

// ImportReport says what an import has done, according to the device's own
// results and the state of its objects afterwards.
type ImportReport struct {
	// A finding of level error means that the import must not be called good.
	// In a drill it also means that something may be running that must not run.
	Findings []Finding `json:"findings,omitempty"`
	Objects  int       `json:"objects"` // objects that the device says it configured
	Files    int       `json:"files"`   // files that the device says it copied
	// Down lists, with the reason, the objects that are down although they were
	// up before or are new. Disabled objects are not among them.
	Down []string `json:"down,omitempty"`
	// Skipped lists the objects that the artifact holds and the target lacks
	// afterwards, although the device reports no error.
	Skipped    []string `json:"skipped,omitempty"`
	SaveNeeded bool     `json:"save_needed,omitempty"` // the target has unsaved changes
	// Excused counts the objects that are down but not listed in Down, because
	// they need a file that the artifact does not hold or refer to an object
	// that is down.
	Excused int `json:"excused,omitempty"`
}

// ResembleRequest asks how a target differs from artifacts.
type ResembleRequest struct {
	Target Target   // an existing domain
	Files  []string // absolute paths of the artifacts
	Dir    string   // an empty private directory for temporary files; the host discards it
	// WayBack says that the first file is an export of the target from before
	// the import: every difference from it counts.
	WayBack bool
	// Policy, Variables, Disabled and RewriteLocalIP are those of the import.
	// For the other files, what they change or leave out is not counted as a
	// difference.
	Policy         string
	Variables      map[string]string
	Disabled       bool
	RewriteLocalIP bool
}

// ResembleReport says how a target differs from artifacts.
type ResembleReport struct {
	Of         []Resemblance `json:"of"`                    // one for each file, in the same order
	SaveNeeded bool          `json:"save_needed,omitempty"` // the target has unsaved changes
}

// Resemblance says how a target differs from one artifact.
type Resemblance struct {
	Equal       bool     `json:"equal"`                 // the target has everything that the artifact holds, unchanged
	Only        bool     `json:"only"`                  // the target has nothing that the artifact lacks
	Differences []string `json:"differences,omitempty"` // the first few, in words; also what an import always changes
}
