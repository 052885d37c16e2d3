package sdk

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Preflighter is a source that finds out beforehand what would keep activities
// from doing their work.
//
// Unstable in protocol version 1.
type Preflighter interface {
	// Preflight reads what the activities will need, each thing by itself, and
	// changes nothing on the device. It returns a finding for everything that
	// the device refuses or lacks, and an error only if the device cannot be
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
	Domains  []string  // of an activity on domains
	Quiesce  string    // "none", "domain" or "device"
}

// PreflightReport is what was found.
type PreflightReport struct {
	Findings []Finding `json:"findings"` // what is well too
	// Objects counts the objects that the account is shown.
	Objects []ObjectCount `json:"objects,omitempty"`
}

// ObjectCount is how many objects of a class a domain has.
type ObjectCount struct {
	Domain string `json:"domain"` // its name
	Class  string `json:"class"`  // as the device names it
	Count  int    `json:"count"`  // of those that the account may see
}

// Finding is one thing that was looked at.
type Finding struct {
	Check   string `json:"check"`             // a stable word for what was looked at, such as "permission"
	Level   Level  `json:"level"`             // how it is meant
	Subject string `json:"subject,omitempty"` // which one of several
	Message string `json:"message"`           // what was found, a sentence
	Remedy  string `json:"remedy,omitempty"`  // what to do about it
}

// Level says how a finding is meant.
type Level string

// The levels, the worst first.
const (
	LevelError     Level = "error"      // the activity would fail, or do harm
	LevelWarning   Level = "warning"    // it would work; somebody should look
	LevelNotProven Level = "not_proven" // it cannot be known without doing it
	LevelOK        Level = "ok"         // as it should be
)
