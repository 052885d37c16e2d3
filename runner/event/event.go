// Package event holds the structs that the machines, the journal and the views share:
// the answers of the outside world ([Event]), and what the machines make of them
// ([Status]).
//
// Both are stored in the journal as JSON. Fields may be added but never renamed.
package event

import (
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Version is the version of the JSON form of Event and Status.
const Version = 1

// Kind says what happened.
type Kind string

// The kinds of events.
const (
	// RunStarted is the first event of every run.
	RunStarted Kind = "run_started"
	// Started is journalled before the call of an action that must not be repeated.
	// Without a later Finished, the outcome of the action is unknown.
	Started Kind = "started"
	// NotBegun takes back a Started: the action did not begin, because something could
	// not be written down first.
	NotBegun Kind = "not_begun"
	// Progressed is news of a running action that a machine must know: the action waits
	// for a lock, the device has done its part, or files were left on the device.
	Progressed Kind = "progressed"
	// Finished ends an action, with its result or its failure.
	Finished Kind = "finished"
	// CancelRequested says that somebody asked to stop.
	CancelRequested Kind = "cancel_requested"
	// JournalFailed says that nothing more can be written down. From then on only what
	// must be undone is still done.
	JournalFailed Kind = "journal_failed"
	// Interrupted is added by a recovery after it has replayed a run that died.
	Interrupted Kind = "interrupted"
	// Faulted reports an internal error in the work for one task.
	Faulted Kind = "faulted"
)

// Event is something that happened at a time. Task is empty for the run itself. Action
// is the ID of the action that the event belongs to.
type Event struct {
	V      int       `json:"v"`
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Task   string    `json:"task,omitempty"`
	Action string    `json:"action,omitempty"`

	Failure *failure.Error `json:"failure,omitempty"`
	Result  *Result        `json:"result,omitempty"`
	Notice  *Notice        `json:"notice,omitempty"`
	// Reason names the signal of a CancelRequested.
	Reason string `json:"reason,omitempty"`
	// Recovered lists what a recovery settled before Interrupted.
	Recovered []Recovered `json:"recovered,omitempty"`
}

// Recovered is an obligation of an interrupted run that a recovery settled from its
// pending file, or tried to settle.
type Recovered struct {
	Task    string `json:"task"`
	ID      string `json:"id"`                // of the obligation
	Trouble string `json:"trouble,omitempty"` // empty: done; otherwise why it is still pending
	// Unwell says that the target is in service but its objects are not up.
	Unwell bool `json:"unwell,omitempty"`
}

// Result holds the result of an action. The kind of the action decides which field is
// set.
type Result struct {
	Inspection  *sdk.Inspection        `json:"inspection,omitempty"`
	Check       *sdk.CheckReport       `json:"check,omitempty"`
	Destination *sdk.DestinationReport `json:"destination,omitempty"`
	Quiesce     *sdk.QuiesceReport     `json:"quiesce,omitempty"`
	Health      *sdk.HealthReport      `json:"health,omitempty"`
	Capture     *Captured              `json:"capture,omitempty"`
	Store       *sdk.StoreReport       `json:"store,omitempty"`
	Script      *sdk.RunReport         `json:"script,omitempty"`
	Prepared    *Prepared              `json:"prepared,omitempty"`
	Denial      *Denial                `json:"denial,omitempty"` // of a permit; nil: granted
	Peers       []Peer                 `json:"peers,omitempty"`  // not seen in service
	// Copy is the copy that a stored manifest has completed. The journal keeps it in a
	// row of its own, written in the same transaction, instead of with the event: no
	// machine reads it.
	Copy *backups.Copy `json:"-"`
}

// Denial is the reason why something must not be quiesced. Waiting does not end it.
type Denial struct {
	By  DenialBy `json:"by"`
	Why string   `json:"why"` // for the operator, with advice on what to do
}

// DenialBy says what denies a permit.
type DenialBy string

// The causes of a denial.
const (
	ByBreaker DenialBy = "breaker" // a device did not come back
	ByHold    DenialBy = "hold"    // somebody has stopped every quiesce
)

// Peer is a member of a device's group that does not count as in service, with the
// reason.
type Peer struct {
	Device string `json:"device"`
	Why    string `json:"why"`
}

// Captured is a finished capture in staging. The host has measured, hashed and synced
// it, and made it read-only.
type Captured struct {
	Variant   string     `json:"variant"`
	Artifacts []Artifact `json:"artifacts"`
	Warnings  []string   `json:"warnings,omitempty"`
	Token     string     `json:"token,omitempty"`
	// Withheld names the files that the device does not give out.
	Withheld []string `json:"withheld,omitempty"`
	// Objects are the states of objects, present in the first capture of a task; see
	// [backups.Manifest].
	Objects []backups.Objects `json:"objects,omitempty"`
}

// Artifact is a staged file with its path at the destinations.
type Artifact struct {
	Name   string `json:"name"`   // within the capture, slash-separated
	Staged string `json:"staged"` // relative to the staging directory
	File   string `json:"file"`   // relative to the set's directory at every destination
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Prepared is what is computed when a task starts.
type Prepared struct {
	Stamp string `json:"stamp"`
	// Name is the name of the set. The names of its files and its manifest begin with
	// it.
	Name string `json:"name"`
	// Sets holds the set's directory at each destination, by the destination's address.
	Sets map[string]string `json:"sets,omitempty"`
}

// Notice is news of a running action.
type Notice struct {
	Waiting    string `json:"waiting,omitempty"` // what the action waits for: a lock or a permit
	DeviceDone bool   `json:"device_done,omitempty"`
	Token      string `json:"token,omitempty"`
}

// Status is an entry in the history of a task, or of a run if Task is empty.
type Status struct {
	V        int       `json:"v"`
	Run      string    `json:"run"`
	Task     string    `json:"task,omitempty"`
	Seq      int       `json:"seq"` // starts at 1 in each history
	Plan     string    `json:"plan,omitempty"`
	Activity string    `json:"activity,omitempty"`
	Device   string    `json:"device,omitempty"`
	Domain   string    `json:"domain,omitempty"`
	Code     string    `json:"code"`
	Final    bool      `json:"final"`
	Time     time.Time `json:"time"`
	Message  string    `json:"message,omitempty"`
	// Causes are failures in addition to the deciding one. Only a final status has
	// them.
	Causes []Cause `json:"causes,omitempty"`
	// Warnings accompany the result on a final status. On the start of a run's tasks
	// they say what the run's destinations cannot do.
	Warnings []string `json:"warnings,omitempty"`
}

// Cause is one failure of a task.
type Cause struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}
