package lifecycle

import (
	"fmt"
	"strconv"
	"strings"
)

// ActionKind is one kind of thing asked of the outside world.
type ActionKind string

// The kinds of actions.
const (
	ActInspect          ActionKind = "inspect"           // a device's facts and domains
	ActCheckDestination ActionKind = "check_destination" // reachable, there, room
	ActScript           ActionKind = "script"            // runs a hook
	ActPrepare          ActionKind = "prepare"           // computes the stamp and the sets' directories
	ActProbe            ActionKind = "probe"             // is the device up: reads the quiesce state
	ActLock             ActionKind = "lock"              // finishes when held; released when it is no longer pending
	ActPermit           ActionKind = "permit"            // the same, of the right to quiesce
	ActValidate         ActionKind = "validate"          // the source's Check of activity and target, before the plan gate
	ActCheck            ActionKind = "check"             // the same, once the lock is held
	ActRecheck          ActionKind = "recheck"           // the same, right before the quiesce
	ActConfirm          ActionKind = "confirm"           // the permit still stands: asked right before the quiesce
	ActPeers            ActionKind = "peers"             // the other members of the group serve: read right before the quiesce
	ActQuiesce          ActionKind = "quiesce"
	ActQuiesceState     ActionKind = "quiesce_state" // on the way down
	ActUnquiesce        ActionKind = "unquiesce"
	ActUnquiesceState   ActionKind = "unquiesce_state" // on the way back
	ActHealth           ActionKind = "health"          // which objects are up, with the check
	ActHealthAgain      ActionKind = "health_again"    // the same, right before the quiesce
	ActHealthBack       ActionKind = "health_back"     // the same, on the way back
	ActCapture          ActionKind = "capture"         // finishes when staged
	ActStore            ActionKind = "store"           // one captured variant to one destination
	ActManifest         ActionKind = "manifest"        // the set's manifest to one destination, last
	ActDiscard          ActionKind = "discard"         // removes files left on the device
)

// The kinds of timers: each finishes at its NotBefore.
const (
	ActRunTimer         ActionKind = "timer/run"         // the long-running clock of a task
	ActQueueTimer       ActionKind = "timer/queue"       // the wait for a lock, or to be dispatched
	ActWindowTimer      ActionKind = "timer/window"      // the window's end
	ActQuiesceTimer     ActionKind = "timer/quiesce"     // the way down
	ActUnquiesceTimer   ActionKind = "timer/unquiesce"   // the way back
	ActStoreTimer       ActionKind = "timer/store"       // the stores at a destination
	ActAgainTimer       ActionKind = "timer/again"       // the pause before a store is tried again
	ActDestinationTimer ActionKind = "timer/destination" // when a destination that was away may be tried
)

// form is what the ID of an action has besides its kind.
type form struct{ target, variant, attempt bool }

var forms = map[ActionKind]form{
	ActInspect:          {target: true, attempt: true}, // a device
	ActCheckDestination: {target: true, attempt: true}, // a destination
	ActScript:           {target: true},                // a hook
	ActPrepare:          {attempt: true},
	ActProbe:            {attempt: true},
	ActLock:             {target: true},
	ActPermit:           {},
	ActValidate:         {attempt: true},
	ActCheck:            {attempt: true},
	ActRecheck:          {attempt: true},
	ActConfirm:          {attempt: true},
	ActPeers:            {attempt: true},
	ActQuiesce:          {attempt: true},
	ActQuiesceState:     {attempt: true},
	ActUnquiesce:        {attempt: true},
	ActUnquiesceState:   {attempt: true},
	ActHealth:           {attempt: true},
	ActHealthAgain:      {attempt: true},
	ActHealthBack:       {attempt: true},
	ActCapture:          {variant: true, attempt: true},
	ActStore:            {target: true, variant: true, attempt: true}, // a destination
	ActManifest:         {target: true, attempt: true},                // a destination
	ActDiscard:          {variant: true, attempt: true},
	ActRunTimer:         {},
	ActQueueTimer:       {},
	ActWindowTimer:      {},
	ActQuiesceTimer:     {},
	ActUnquiesceTimer:   {},
	ActStoreTimer:       {target: true},                // a destination
	ActAgainTimer:       {target: true, attempt: true}, // a destination
	ActDestinationTimer: {target: true},                // a destination
}

// Held reports whether an action stays in flight after it was granted, until it
// is no longer pending. Only then does it give back what it holds.
func (k ActionKind) Held() bool { return k == ActLock || k == ActPermit }

// Timer reports whether an action only waits for its time.
func (k ActionKind) Timer() bool {
	switch k {
	case ActRunTimer, ActQueueTimer, ActWindowTimer, ActQuiesceTimer, ActUnquiesceTimer, ActStoreTimer, ActAgainTimer, ActDestinationTimer:
		return true
	}
	return false
}

// ActionID identifies an action among all actions of its task. Outside the
// machine (in events, in the journal, in what is shown) it is a text, which
// [ParseActionID] reads.
type ActionID struct {
	Kind    ActionKind
	Target  string // a device, a destination or a hook
	Variant string // of a capture
	Attempt int    // from 1
}

// The actions that a task has only one of.
var (
	deviceLock = ActionID{Kind: ActLock, Target: "device"}
	thePermit  = ActionID{Kind: ActPermit}
	theQuiesce = ActionID{Kind: ActQuiesce, Attempt: 1}
)

// String is the ID as it stands in an event: kind, target, variant and attempt,
// as far as the kind has them, with slashes between.
func (id ActionID) String() string {
	f, s := forms[id.Kind], string(id.Kind)
	if f.target {
		s += "/" + id.Target
	}
	if f.variant {
		s += "/" + id.Variant
	}
	if f.attempt {
		s += "/" + strconv.Itoa(id.Attempt)
	}
	return s
}

// ParseActionID reads the ID of an event. A target may have slashes in it.
func ParseActionID(s string) (ActionID, error) {
	kind, rest, _ := strings.Cut(s, "/")
	if kind == "timer" {
		of, more, _ := strings.Cut(rest, "/")
		kind, rest = kind+"/"+of, more
	}
	id := ActionID{Kind: ActionKind(kind)}
	f := forms[id.Kind]
	last := func() (part string) {
		i := strings.LastIndexByte(rest, '/')
		part, rest = rest[i+1:], rest[:max(i, 0)]
		return part
	}
	if f.attempt {
		id.Attempt, _ = strconv.Atoi(last())
	}
	if f.variant {
		id.Variant = last()
	}
	if f.target {
		id.Target = rest
	}
	if _, known := forms[id.Kind]; !known || id.String() != s {
		return ActionID{}, fmt.Errorf("%q does not name an action", s)
	}
	return id, nil
}
