package lifecycle

import (
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
)

// ActionKind is one kind of thing asked of the outside world.
type ActionKind string

// The kinds of actions.
const (
	ActTimer            ActionKind = "timer"             // finishes at NotBefore
	ActInspect          ActionKind = "inspect"           // a device's facts and domains
	ActCheckDestination ActionKind = "check_destination" // reachable, there, room
	ActScript           ActionKind = "script"            // runs a hook
	ActPrepare          ActionKind = "prepare"           // computes the stamp and the sets' directories
	ActProbe            ActionKind = "probe"             // is the device up: reads the quiesce state
	ActLock             ActionKind = "lock"              // finishes when held; released when it is no longer pending
	ActCheck            ActionKind = "check"             // the source's Check of activity and target
	ActQuiesce          ActionKind = "quiesce"
	ActQuiesceState     ActionKind = "quiesce_state"
	ActUnquiesce        ActionKind = "unquiesce"
	ActCapture          ActionKind = "capture"  // finishes when staged
	ActStore            ActionKind = "store"    // one captured variant to one destination
	ActManifest         ActionKind = "manifest" // the set's manifest to one destination, last
	ActDiscard          ActionKind = "discard"  // removes files left on the device
)

// Action is something that should be in flight now. ID is stable and unique
// within its task (or within the run, with an empty Task).
type Action struct {
	ID   string     `json:"id"`
	Task string     `json:"task,omitempty"`
	Kind ActionKind `json:"kind"`
	// NotBefore is when to start; zero is at once. For a timer it is when to fire.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Timeout bounds one request; zero: the engine's default for the kind.
	Timeout time.Duration `json:"timeout,omitempty"`

	Device      string `json:"device,omitempty"`
	Domain      string `json:"domain,omitempty"`
	Destination string `json:"destination,omitempty"`
	Script      string `json:"script,omitempty"` // address
	Hook        string `json:"hook,omitempty"`   // which script it is: pre, post, before_quiesce, after_unquiesce
	Variant     string `json:"variant,omitempty"`
	Token       string `json:"token,omitempty"`
	Exclusive   bool   `json:"exclusive,omitempty"` // of a lock
	// DeviceTimeout is what the device itself is told to wait before it forces a quiesce.
	DeviceTimeout time.Duration `json:"device_timeout,omitempty"`
	// Outcome is the code and message so far, for scripts.
	Outcome        Code   `json:"outcome,omitempty"`
	OutcomeMessage string `json:"outcome_message,omitempty"`
}

// Once reports whether the action must not be repeated: its start is
// journalled before the call, and started-without-result means that its
// outcome is unknown.
func (a Action) Once() bool {
	switch a.Kind {
	case ActQuiesce, ActScript:
		return true
	case ActCapture:
		return a.Variant == sdk.VariantSecureBackup
	}
	return false
}

// Owed reports whether the action pays something that is owed to the outside
// world: it is done even when the journal cannot be written.
func (a Action) Owed() bool {
	switch a.Kind {
	case ActUnquiesce, ActDiscard:
		return true
	case ActQuiesceState:
		return strings.HasPrefix(a.ID, "unquiesce_state/")
	case ActTimer:
		return strings.HasPrefix(a.ID, "timer/unquiesce")
	}
	return false
}

// The IDs of obligations.
const (
	OwedUnquiesce      = "unquiesce"
	OwedAfterUnquiesce = "after_unquiesce"
	OwedPostScript     = "post_script"
	OwedPlanPostScript = "plan_post_script"
)

// HookOf is which hook an owed script is: part of its action's ID, and told
// to the script.
func HookOf(obligation string) string {
	switch obligation {
	case OwedPostScript:
		return hookPost
	case OwedPlanPostScript:
		return hookPlanPost
	}
	return hookAfter
}

// owedDiscard is the ID of the obligation to remove a variant's files from the device.
func owedDiscard(variant string) string { return "discard/" + variant }

// Obligation is something owed to the outside world until it is paid.
type Obligation struct {
	ID     string         `json:"id"` // stable within its task
	Kind   ObligationKind `json:"kind"`
	Task   string         `json:"task"`
	Device string         `json:"device"`
	Domain string         `json:"domain,omitempty"` // empty: the whole device
	Token  string         `json:"token,omitempty"`  // of a discard
	Script string         `json:"script,omitempty"` // of a post-script
	// Debt says how the target of an unquiesce comes back.
	Debt *DebtSpec `json:"debt,omitempty"`
	// DueBack is when the target should be back at the latest; zero: not known.
	DueBack time.Time `json:"due_back,omitzero"`
}

// ObligationKind is what is owed.
type ObligationKind string

// The kinds of obligations.
const (
	OweUnquiesce  ObligationKind = "unquiesce"
	OweDiscard    ObligationKind = "discard"
	OwePostScript ObligationKind = "post_script"
)

// DeviceOf is the device that the ID of an inspect action names.
func DeviceOf(id string) string {
	_, rest, _ := strings.Cut(id, "/")
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		return rest[:i]
	}
	return rest
}
