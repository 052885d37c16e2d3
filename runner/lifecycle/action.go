package lifecycle

import (
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
)

// Action is something that should be in flight now. Its ID is stable and
// unique within its task (or within the run, with an empty Task).
type Action struct {
	ActionID
	Task string
	// NotBefore is when to start; zero is at once. For a timer it is when to fire.
	NotBefore time.Time
	// Timeout bounds one request; zero: the engine's default for the kind.
	Timeout time.Duration

	Device string
	Domain string
	// Domains are, for an inspection, globs of the domains that the run may have
	// tasks for. For a reading of objects they are the domains of a device to
	// read, if not all are read.
	Domains     []string
	Destination string
	Script      string // address
	Hook        string // which script it is: pre, post, before_quiesce, after_unquiesce
	Token       string
	Exclusive   bool // of a lock
	// Owe is the obligation that a permit enters: that of the quiesce that it is
	// for.
	Owe *Obligation
	// DeviceTimeout is what the device itself is told to wait before it forces a quiesce.
	DeviceTimeout time.Duration
	// Outcome is the code and message so far, for scripts.
	Outcome        status.Code
	OutcomeMessage string
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

// Owed reports whether the action settles an obligation. Such an action is done
// even when the journal cannot be written.
func (a Action) Owed() bool {
	switch a.Kind {
	case ActUnquiesce, ActUnquiesceState, ActHealthBack, ActUnquiesceTimer, ActDiscard:
		return true
	}
	return false
}

// idOf returns the action that an event belongs to, or the zero ID, which no
// action has, if the event names none.
func idOf(e event.Event) ActionID {
	id, err := ParseActionID(e.Action)
	if err != nil {
		return ActionID{}
	}
	return id
}

// actionOf finds the action that an event has ended among those that are pending.
func actionOf(pending []Action, e event.Event) (Action, bool) {
	id := idOf(e)
	i := slices.IndexFunc(pending, func(a Action) bool { return a.ActionID == id })
	if i < 0 {
		return Action{}, false
	}
	return pending[i], true
}

// The IDs of obligations.
const (
	OwedUnquiesce      = "unquiesce"
	OwedAfterUnquiesce = "after_unquiesce"
	OwedPostScript     = "post_script"
	OwedPlanPostScript = "plan_post_script"
)

// HookOf returns which hook an owed script is. The name is part of its action's
// ID, and the script is told it.
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

// Obligation is something that must be done to the outside world until it is
// settled.
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
	OweDrop       ObligationKind = "drop_domain" // that a drill has made
	OweRestore    ObligationKind = "restore"     // no machine here owes it: a restore whose end is not proven
)
