package sdk

import "context"

// Restorer is a source that imports artifacts, and proves what became of the
// target. It can also rehearse.
//
// Unstable in protocol version 1.
type Restorer interface {
	Rehearser
	// Import sends the artifact to the target, once, and reads all of the
	// device's results. Nobody repeats it. Before it sends anything it makes
	// sure that the target still is as r.Before has it, and that the artifact is
	// whole; if not, it fails.
	//
	// A failure of kind precondition, denied, not_found or corrupt says that
	// nothing was sent, or that the device applied nothing. Any other failure
	// leaves open whether the device has applied all, some or nothing of it: the
	// caller then looks with Resembles. If the device reports errors of the
	// import, that is not a failure: they are findings of level error.
	Import(ctx context.Context, r ImportRequest) (*ImportReport, error)
	// Resembles exports the target and says how it differs from each of the
	// artifacts, as far as an import of that artifact goes. It changes nothing on
	// the device.
	Resembles(ctx context.Context, r ResembleRequest) (*ResembleReport, error)
	// Save makes the running configuration of the target the saved one, and reads
	// that it is.
	Save(ctx context.Context, t Target) error
	// Create makes a domain that is not there yet, and waits until it can be used.
	// It marks it as made by dprun, and saves nothing: a domain that nobody saves
	// goes with the next restart of the device.
	Create(ctx context.Context, t Target) error
	// Drop removes a domain that Create made, with all that is in it, and reads
	// that it is gone. One that is not there is gone; one without the mark of
	// Create is not removed. It saves nothing.
	Drop(ctx context.Context, t Target) error
}

// ImportRequest says what is imported, and where.
type ImportRequest struct {
	Target Target // a domain that is there
	File   string // absolute path of the artifact
	Dir    string // an empty private directory for what is read meanwhile; the host discards it
	// Before is the path of an export of the target that the import replaces, the
	// way back; empty: the target is a domain that Create has just made.
	Before string
	// Policy is the path of a file with the statements of a deployment policy, in
	// the device's own form; empty: none. Variables are for it.
	Policy    string
	Variables map[string]string
	// Disabled is for a drill: whatever listens, polls, schedules, joins a group or
	// sends data out is disabled or left out before it can start. Not with Policy.
	Disabled bool
	// RewriteLocalIP makes local addresses those of the interfaces of the same name here.
	RewriteLocalIP bool
}

// ImportReport is what an import has done, by the device's own results and by
// the state of its objects afterwards.
type ImportReport struct {
	// Findings of level error say that the import is not to be called good; of a
	// drill also that something may be running that must not.
	Findings []Finding `json:"findings,omitempty"`
	Objects  int       `json:"objects"` // that the device says it has configured
	Files    int       `json:"files"`   // that the device says it has copied
	// Down are the objects that were up before, or are new, and are down for
	// another reason than that they are disabled, with the reason.
	Down []string `json:"down,omitempty"`
	// Skipped are the objects that the artifact holds and that are not there
	// afterwards, although nothing reports an error.
	Skipped    []string `json:"skipped,omitempty"`
	SaveNeeded bool     `json:"save_needed,omitempty"` // the target has changes that are not saved
	// Excused counts the objects that are down, and not among Down, because they
	// need a file that the artifact does not hold, or refer to something that is down.
	Excused int `json:"excused,omitempty"`
}

// ResembleRequest asks how a target differs from artifacts.
type ResembleRequest struct {
	Target Target   // a domain that is there
	Files  []string // absolute paths of the artifacts
	Dir    string   // an empty private directory for what is read meanwhile; the host discards it
	// WayBack says that the first of the files is an export of the target from
	// before the import: every difference from it counts.
	WayBack bool
	// Policy, Variables, Disabled and RewriteLocalIP are those of the import.
	// What they change and leave out does not count as a difference from the
	// other files.
	Policy         string
	Variables      map[string]string
	Disabled       bool
	RewriteLocalIP bool
}

// ResembleReport is how a target differs from artifacts.
type ResembleReport struct {
	Of         []Resemblance `json:"of"`                    // one for each file, in their order
	SaveNeeded bool          `json:"save_needed,omitempty"` // the target has changes that are not saved
}

// Resemblance is how a target differs from one artifact.
type Resemblance struct {
	Equal       bool     `json:"equal"`                 // everything that the artifact holds is there, as the artifact has it
	Only        bool     `json:"only"`                  // nothing is there that the artifact does not have
	Differences []string `json:"differences,omitempty"` // the first of them, in words; also what an import always changes
}
