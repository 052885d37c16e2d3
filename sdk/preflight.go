package sdk

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Preflighter is a source that can find out beforehand what would keep
// activities from succeeding.
//
// Unstable in protocol version 1.
type Preflighter interface {
	// Preflight reads everything that the activities will need, each thing on
	// its own, and changes nothing on the device. What the device refuses or
	// lacks becomes a finding. Preflight fails only if the device cannot be
	// asked at all.
	Preflight(ctx context.Context, r PreflightRequest) (*PreflightReport, error)
}

// PreflightRequest names the activities that are to run on a device.
type PreflightRequest struct {
	Now        time.Time           // by the host's clock
	Activities []PreflightActivity // all that are to run there
}

// PreflightActivity is one activity and what it works on.
type PreflightActivity struct {
	Activity string    // its type
	Config   cty.Value // of the activity's schema
	Domains  []string  // for an activity on domains
	Quiesce  string    // "none", "domain" or "device"
}

// PreflightReport holds the findings of a preflight.
type PreflightReport struct {
	Findings []Finding `json:"findings"` // good ones too
	// Objects counts the objects that the account can see.
	Objects []ObjectCount `json:"objects,omitempty"`
}

// ObjectCount is how many objects of a class a domain has.
type ObjectCount struct {
	Domain string `json:"domain"` // its name
	Class  string `json:"class"`  // as the device names it
	Count  int    `json:"count"`  // objects that the account can see
}

// Finding is the result of one check.
type Finding struct {
	Check   string `json:"check"`             // a stable word for the check, such as "permission"
	Level   Level  `json:"level"`             // how serious it is
	Subject string `json:"subject,omitempty"` // which of several things was checked
	Message string `json:"message"`           // what was found, as a sentence
	Remedy  string `json:"remedy,omitempty"`  // what to do about it
}

// Level says how serious a finding is.
type Level string

// The levels, worst first.
const (
	LevelError     Level = "error"      // the activity would fail, or do harm
	LevelWarning   Level = "warning"    // it would work; somebody should look
	LevelNotProven Level = "not_proven" // only doing it would show
	LevelOK        Level = "ok"         // as it should be
)
