// Package event holds the structs that the machines, the journal and the views
// share: what came back from the outside world ([Event]), and what the
// machines made of it ([Status]).
//
// Both are serialised into the journal: fields are added, never renamed.
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
	// Started is journalled before the call of an action that must not be
	// repeated. Without a later Finished its outcome is unknown.
	Started Kind = "started"
	// NotBegun takes a Started back: the action was not begun after all, because
	// what had to be written down before it could not be.
	NotBegun Kind = "not_begun"
	// Progressed is a running action's news that a machine must know: a lock
	// is waited for, the device has done its part, files were left on it.
	Progressed Kind = "progressed"
	// Finished ends an action: with Failure, or with its result.
	Finished Kind = "finished"
	// CancelRequested is the user's wish to stop.
	CancelRequested Kind = "cancel_requested"
	// JournalFailed says that nothing more can be written down: only what is owed is still done.
	JournalFailed Kind = "journal_failed"
	// Interrupted is added by recovery after the replay of a run that died.
	Interrupted Kind = "interrupted"
	// Faulted is an internal error in the work for one task.
	Faulted Kind = "faulted"
)

// Event is something that happened at a time. Task is empty for the run
// itself; Action is the ID of the action that it belongs to.
type Event struct {
	V      int       `json:"v"`
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Task   string    `json:"task,omitempty"`
	Action string    `json:"action,omitempty"`

	Failure *failure.Error `json:"failure,omitempty"`
	Result  *Result        `json:"result,omitempty"`
	Notice  *Notice        `json:"notice,omitempty"`
	// Reason says who asked, for CancelRequested: the name of a signal.
	Reason string `json:"reason,omitempty"`
	// Recovered is what recovery has settled before Interrupted.
	Recovered []Recovered `json:"recovered,omitempty"`
}

// Recovered is one obligation of an interrupted run that was settled from its
// pending file, or was tried to.
type Recovered struct {
	Task    string `json:"task"`
	ID      string `json:"id"`                // of the obligation
	Trouble string `json:"trouble,omitempty"` // empty: done; else why it is still owed
	// Unwell is true of a target that is in service, and whose objects are not up.
	Unwell bool `json:"unwell,omitempty"`
}

// Result holds what an action brought back; the field follows from its kind.
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
	Peers       []Peer                 `json:"peers,omitempty"`  // that were not seen in service
	// Copy is what a stored manifest has made whole. The journal has a row for it,
	// in the same transaction, instead of keeping it with the event: no machine
	// looks at it.
	Copy *backups.Copy `json:"-"`
}

// Denial is why something must not be quiesced. It does not pass by waiting.
type Denial struct {
	By  DenialBy `json:"by"`
	Why string   `json:"why"` // for the operator, with what to do
}

// DenialBy is what denies.
type DenialBy string

// What denies a permit for good.
const (
	ByBreaker DenialBy = "breaker" // a device did not come back
	ByHold    DenialBy = "hold"    // somebody has stopped every quiesce
)

// Peer is a member of a device's group and why it does not count as serving.
type Peer struct {
	Device string `json:"device"`
	Why    string `json:"why"`
}

// Captured is a capture that stands in staging: measured and hashed by the
// host, synced and read-only.
type Captured struct {
	Variant   string     `json:"variant"`
	Artifacts []Artifact `json:"artifacts"`
	Warnings  []string   `json:"warnings,omitempty"`
	Token     string     `json:"token,omitempty"`
	// Withheld names the files that the device does not give out.
	Withheld []string `json:"withheld,omitempty"`
	// Objects are the states of objects, with the first capture of a task; see [backups.Manifest].
	Objects []backups.Objects `json:"objects,omitempty"`
}

// Artifact is one staged file and where it goes.
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
	// Name is the set's name: its files and its manifest begin with it.
	Name string `json:"name"`
	// Sets is the set's directory at each destination, by the destination's address.
	Sets map[string]string `json:"sets,omitempty"`
}

// Notice is news of a running action.
type Notice struct {
	Waiting    string `json:"waiting,omitempty"` // what a lock or a permit is waited for
	DeviceDone bool   `json:"device_done,omitempty"`
	Token      string `json:"token,omitempty"`
}

// Status is one entry of a task's (or, with an empty Task, a run's) history.
type Status struct {
	V        int       `json:"v"`
	Run      string    `json:"run"`
	Task     string    `json:"task,omitempty"`
	Seq      int       `json:"seq"` // from 1 within its history
	Plan     string    `json:"plan,omitempty"`
	Activity string    `json:"activity,omitempty"`
	Device   string    `json:"device,omitempty"`
	Domain   string    `json:"domain,omitempty"`
	Code     string    `json:"code"`
	Final    bool      `json:"final"`
	Time     time.Time `json:"time"`
	Message  string    `json:"message,omitempty"`
	// Causes are the other failures beside the deciding one; only on a final status.
	Causes []Cause `json:"causes,omitempty"`
	// Warnings stand beside a result, on a final status; and on the start of a
	// run's tasks, where they say what its destinations cannot do.
	Warnings []string `json:"warnings,omitempty"`
}

// Cause is one failure of a task.
type Cause struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}
