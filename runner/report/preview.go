package report

import (
	"time"

	"github.com/dprun/dprun/sdk"
)

// Preview is what a run would do now.
type Preview struct {
	Plan         string                            `json:"plan"`
	Only         string                            `json:"only,omitempty"`   // what narrows it
	Window       string                            `json:"window,omitempty"` // how the window stands
	WindowOpen   bool                              `json:"window_open"`
	TooShort     string                            `json:"window_too_short,omitempty"` // what the window has no time for, by what tasks took so far
	DryNight     bool                              `json:"dry_night,omitempty"`        // each task was gone through but for what changes something
	Tasks        []PreviewTask                     `json:"tasks"`
	Destinations map[string]*sdk.DestinationReport `json:"destinations,omitempty"`
	Unusable     map[string]PreviewUnusable        `json:"unusable,omitempty"`  // destinations, and why
	Retention    []PreviewRetention                `json:"retention,omitempty"` // where sets would go
	// Encrypted names for each encrypted destination its recipients.
	Encrypted map[string][]string `json:"encrypted_for,omitempty"`
	Contacted bool                `json:"-"` // devices and destinations were asked
}

// PreviewUnusable is why a destination cannot be used, and what to do. Tasks
// still store to the others; the code is what each of them would end in.
type PreviewUnusable struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Action  string `json:"action"`
}

// PreviewRetention is how many sets at a destination a prune would delete now,
// by what the journal knows.
type PreviewRetention struct {
	Destination string    `json:"destination"`
	Retention   string    `json:"retention"`
	Sets        int       `json:"sets"`
	Bytes       int64     `json:"bytes"`
	Oldest      time.Time `json:"oldest"` // captured
	Newest      time.Time `json:"newest"`
}

// PreviewTask is one task that would run, or why it would not.
type PreviewTask struct {
	Task       string            `json:"task"`
	Activity   string            `json:"activity"`
	Device     string            `json:"device"`
	Domain     string            `json:"domain,omitempty"`
	Code       string            `json:"code,omitempty"` // when it would not run
	Message    string            `json:"message,omitempty"`
	Disruptive string            `json:"disruptive,omitempty"` // what is quiesced
	Paths      map[string]string `json:"paths,omitempty"`      // by destination; ${stamp} stands for the time
}
