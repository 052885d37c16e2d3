package report

import (
	"time"

	"github.com/dprun/dprun/sdk"
)

// Restore is one restore that changed something, or was to.
type Restore struct {
	Run       string        `json:"run"` // that has stored the way back
	Device    string        `json:"device"`
	Domain    string        `json:"domain"`
	Set       string        `json:"set,omitempty"` // what was restored; empty: a file
	Archive   string        `json:"archive"`       // the same in words
	WayBack   string        `json:"way_back,omitempty"`
	By        string        `json:"by"` // user@host
	Reason    string        `json:"reason,omitempty"`
	Emergency bool          `json:"emergency,omitempty"` // outside of the window
	Began     time.Time     `json:"began"`
	Ended     time.Time     `json:"ended,omitzero"`
	End       string        `json:"end,omitempty"` // restored, restored_with_faults, nothing_to_do, refused, unchanged, not_saved, unknown, acknowledged, superseded; absent: it has not ended
	Why       string        `json:"why,omitempty"`
	Pending   bool          `json:"pending,omitempty"` // neither the old nor the new state is proven and saved
	Steps     []RestoreStep `json:"steps,omitempty"`
}

// RestoreStep is one phase that a restore has passed.
type RestoreStep struct {
	Phase  string    `json:"phase"`
	Time   time.Time `json:"time"`
	Answer string    `json:"answer"`
	Why    string    `json:"why,omitempty"`
}

// Drill is a drill: which sets were imported on its gateway, and what that has shown.
type Drill struct {
	Plan   string `json:"plan"`
	Drill  string `json:"drill"`
	Device string `json:"device"` // the drill gateway
	Run    string `json:"run"`    // the ID of this drill
	DryRun bool   `json:"dry_run,omitempty"`
	// Left counts the sets that are not drilled, by why: proven (an import has proven
	// a set of the same, and that is young enough), later (the sample is full), default,
	// encrypted, all_domains, foreign (nobody vouches for it).
	Left      map[string]int `json:"left"`
	Proven    int            `json:"proven"`
	Failed    int            `json:"failed"`
	Undecided int            `json:"undecided"`
	// Stopped says why the rest of the sample was not drilled.
	Stopped  string       `json:"stopped,omitempty"`
	ExitCode int          `json:"exit_code"`
	Sets     []DrilledSet `json:"-"` // objects of their own
}

// DrilledSet is one set of a drill.
type DrilledSet struct {
	Set      string    `json:"set"`
	Captured time.Time `json:"captured"`
	Activity string    `json:"activity"`
	Device   string    `json:"device"` // that it is a backup of
	Domain   string    `json:"domain"`
	As       string    `json:"as,omitempty"` // the domain that it was imported as
	// Verdict is proven, failed, undecided (something else than the set was in the
	// way), or absent: it was not drilled, or not yet.
	Verdict string   `json:"verdict,omitempty"`
	Why     []string `json:"why,omitempty"` // of one that is not proven
	Excused int      `json:"excused,omitempty"`
	// Running says that something was enabled that a drill disables.
	Running bool `json:"running,omitempty"`
	// Left says why the domain may still be there.
	Left string `json:"left,omitempty"`
}

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

// Rehearsal is what a restore would do.
type Rehearsal struct {
	Device   string        `json:"device"`
	Domain   string        `json:"domain"`
	Archive  string        `json:"archive"`
	Refused  bool          `json:"refused"` // a finding of level error forbids the restore
	Findings []sdk.Finding `json:"findings"`
	Changes  []sdk.Change  `json:"changes"`
}
