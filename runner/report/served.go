package report

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// ServedPlan is a plan that a server serves, or an invalid plan file from which it
// serves nothing.
type ServedPlan struct {
	Plan     string         `json:"plan,omitempty"` // empty: the file was never valid
	File     string         `json:"file"`           // the file that holds the plan
	Rules    []ScheduleRule `json:"schedules"`
	Next     *DueTime       `json:"next,omitempty"`    // absent: it is not due
	Window   string         `json:"window,omitempty"`  // the name of its window
	Running  string         `json:"running,omitempty"` // the run of this server that is under way, or "beginning"
	LastRun  *Run           `json:"last_run,omitempty"`
	Broken   *BrokenPlan    `json:"broken,omitempty"`    // its file is not valid now
	Quiesces []string       `json:"quiesces,omitempty"`  // the names of its activities that take something out of service
	FourEyes bool           `json:"four_eyes,omitempty"` // requests wait for a second person
	// Devices holds the labels of its devices, by name. They decide who may see the
	// plan.
	Devices map[string]map[string]string `json:"-"`
}

// PlansFor returns the served plans for somebody with limited access. The reason why a
// file is invalid stays only if every plan from that file is visible as a whole.
func PlansFor(all []ServedPlan, whole func(plan string) bool) []ServedPlan {
	out := slices.Clone(all)
	for i, p := range out {
		if p.Broken != nil && slices.ContainsFunc(all, func(o ServedPlan) bool {
			return o.Broken != nil && o.Broken.Path == p.Broken.Path && !whole(o.Plan)
		}) {
			b := *p.Broken
			b.Why = "somebody who may see all of it can read why"
			out[i].Broken = &b
		}
	}
	return out
}

// Started is a run that somebody has asked a server for.
type Started struct {
	Run    string    `json:"run"` // its ID, known before it begins
	Plan   string    `json:"plan"`
	File   string    `json:"file"`
	Only   string    `json:"only,omitempty"`
	At     time.Time `json:"asked"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Change string    `json:"change,omitempty"`
	// Ended is when the run was over, or when it was clear that it does not begin;
	// absent: it is under way.
	Ended    time.Time `json:"ended,omitzero"`
	ExitCode int       `json:"exit_code"`
	Message  string    `json:"message,omitempty"`
}

// The actions that may wait for a second person.
const (
	ActionStart       = "start"       // of a plan
	ActionCancel      = "cancel"      // of a run that keeps something quiesced
	ActionAcknowledge = "acknowledge" // of pending recoveries, and of what stops quiesces
	ActionRelease     = "release"     // of a hold
)

// ApprovalWaits is the state of a request that a second person can approve.
const ApprovalWaits = "waiting"

// Approval is a request to a server that a second person must approve.
type Approval struct {
	ID      string    `json:"id"`
	Action  string    `json:"action"`           // start, cancel, acknowledge, release
	Plan    string    `json:"plan,omitempty"`   // the plan to start, or whose run is to be cancelled
	File    string    `json:"file,omitempty"`   // the file that holds the plan
	Only    string    `json:"only,omitempty"`   // the part of the plan to start; empty: all
	Run     string    `json:"run,omitempty"`    // the run to cancel; after an approved start, the run that was started
	Target  string    `json:"target,omitempty"` // the device or run to acknowledge
	Plans   []string  `json:"plans,omitempty"`  // the plans that it concerns, of those that the caller may see; absent: every gateway, or none of those
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"` // the end of the time for an approval
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
	Change  string    `json:"change,omitempty"`
	State   string    `json:"state"` // waiting, approved, refused, withdrawn, expired
	Decided time.Time `json:"decided,omitzero"`
	// DecidedBy is who approved, refused or withdrew it. Why is the reason that this
	// person gave.
	DecidedBy string `json:"decided_by,omitempty"`
	Why       string `json:"why,omitempty"`
	Message   string `json:"message,omitempty"` // why an approved request was not carried out, or that this is not known; absent: it was
	// Who is a stable and unique name of the caller, for the server only.
	Who string `json:"-"`
}

// Title describes the request in a few words.
func (a Approval) Title() string {
	switch a.Action {
	case ActionStart:
		text := "start plan " + a.Plan
		if a.Only != "" {
			text += ", only " + a.Only
		}
		return text
	case ActionCancel:
		return "cancel run " + a.Run + " of plan " + a.Plan
	case ActionAcknowledge:
		return "acknowledge " + a.Target
	case ActionRelease:
		return "release the hold"
	}
	return a.Action
}

// Cancelled says who asked to cancel a run.
type Cancelled struct {
	At     time.Time `json:"asked"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Change string    `json:"change,omitempty"`
}

// Pause says that a server starts nothing new.
type Pause struct {
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Change string    `json:"change,omitempty"`
}

// RecoveredRun is a run that died and was finished without a person.
type RecoveredRun struct {
	Run     string    `json:"run"`
	Plan    string    `json:"plan"`
	File    string    `json:"file"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Code    string    `json:"code"`
	Final   bool      `json:"final"` // false: it is not finished yet
	// Out is what the run had quiesced, and when that was seen back.
	Out []OutOfService `json:"out_of_service"`
}

// Refusal says why a server does not do what it was asked for. It is the cause of an
// error, whose text explains it in full.
type Refusal string

// The refusals.
const (
	NotServed    Refusal = "not_served"    // there is no such plan or run
	Runs         Refusal = "runs"          // a run of the plan, or a recovery, is under way
	Stopping     Refusal = "stopping"      // the server starts nothing any more
	NotReady     Refusal = "not_ready"     // it has not yet brought back what earlier runs left
	OnHold       Refusal = "on_hold"       // somebody has stopped new starts
	OtherRequest Refusal = "other_request" // the key stands for another request
	NotOurs      Refusal = "not_ours"      // another process does that run
	AskedBefore  Refusal = "asked_before"  // the run is being cancelled already
	OverAlready  Refusal = "over_already"  // the run has ended, or the request does not wait any more
	Unwritten    Refusal = "unwritten"     // the journal cannot be written
	TooSlow      Refusal = "too_slow"      // the reader of a stream does not keep up
	SecondPerson Refusal = "second_person" // it waits until a second person has approved it
	SamePerson   Refusal = "same_person"   // nobody may approve a request of their own
)

func (r Refusal) Error() string { return string(r) }

// Plain returns the text of an error without the word of its refusal, which is
// meant for programs.
func Plain(err error) string {
	why := Refusal("")
	errors.As(err, &why)
	return strings.TrimSuffix(err.Error(), ": "+string(why))
}
