package report

import (
	"time"

	"github.com/dprun/dprun/sdk"
)

// Restore is a restore that changed something, or was meant to.
type Restore struct {
	Run       string        `json:"run"` // the run that stored the way back
	Device    string        `json:"device"`
	Domain    string        `json:"domain"`
	Set       string        `json:"set,omitempty"` // the restored set; empty: a file
	Archive   string        `json:"archive"`       // the same in words
	WayBack   string        `json:"way_back,omitempty"`
	By        string        `json:"by"` // user@host
	Reason    string        `json:"reason,omitempty"`
	Emergency bool          `json:"emergency,omitempty"` // outside the window
	Began     time.Time     `json:"began"`
	Ended     time.Time     `json:"ended,omitzero"`
	End       string        `json:"end,omitempty"` // restored, restored_with_faults, nothing_to_do, refused, unchanged, not_saved, unknown, acknowledged, superseded; absent: it has not ended
	Why       string        `json:"why,omitempty"`
	Pending   bool          `json:"pending,omitempty"` // neither the old nor the new state is proven and saved
	Steps     []RestoreStep `json:"steps,omitempty"`
}

// RestoreStep is one completed phase of a restore.
type RestoreStep struct {
	Phase  string    `json:"phase"`
	Time   time.Time `json:"time"`
	Answer string    `json:"answer"`
	Why    string    `json:"why,omitempty"`
}

// Drill is a drill: the sets that were imported on its gateway, and what the imports
// showed.
type Drill struct {
	Plan   string `json:"plan"`
	Drill  string `json:"drill"`
	Device string `json:"device"` // the drill gateway
	Run    string `json:"run"`    // the ID of this drill
	DryRun bool   `json:"dry_run,omitempty"`
	// Left counts the sets that were not drilled, by reason: proven (a recent import
	// has proven a set of the same subject), later (the sample is full), default,
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
	Device   string    `json:"device"` // the device that it is a backup of
	Domain   string    `json:"domain"`
	As       string    `json:"as,omitempty"` // the domain that it was imported as
	// Verdict is proven, failed, undecided (something other than the set was in the
	// way), or absent: it was not drilled, or not yet.
	Verdict string   `json:"verdict,omitempty"`
	Why     []string `json:"why,omitempty"` // why it is not proven
	Excused int      `json:"excused,omitempty"`
	// Running says that something was enabled although a drill disables it.
	Running bool `json:"running,omitempty"`
	// Left says why the domain may still exist.
	Left string `json:"left,omitempty"`
}

// Preview is what a run would do now.
type Preview struct {
	Plan         string                            `json:"plan"`
	Only         string                            `json:"only,omitempty"`   // the part of the plan that it is for; empty: all
	Window       string                            `json:"window,omitempty"` // the state of the window
	WindowOpen   bool                              `json:"window_open"`
	TooShort     string                            `json:"window_too_short,omitempty"` // what the window has no time for, judged by earlier runs
	DryNight     bool                              `json:"dry_night,omitempty"`        // every step of each task was tried, except those that change something
	Tasks        []PreviewTask                     `json:"tasks"`
	Destinations map[string]*sdk.DestinationReport `json:"destinations,omitempty"`
	Unusable     map[string]PreviewUnusable        `json:"unusable,omitempty"`  // destinations, with the reasons
	Retention    []PreviewRetention                `json:"retention,omitempty"` // destinations from which sets would be deleted
	// Encrypted names the recipients of each encrypted destination.
	Encrypted map[string][]string `json:"encrypted_for,omitempty"`
	Contacted bool                `json:"-"` // devices and destinations were asked
}

// PreviewUnusable says why a destination cannot be used and what to do. Tasks still
// store to the other destinations. The code is the one in which each task would end.
type PreviewUnusable struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Action  string `json:"action"`
}

// PreviewRetention is how many sets at a destination a prune would delete now, as far
// as the journal knows.
type PreviewRetention struct {
	Destination string    `json:"destination"`
	Retention   string    `json:"retention"`
	Sets        int       `json:"sets"`
	Bytes       int64     `json:"bytes"`
	Oldest      time.Time `json:"oldest"` // when it was captured
	Newest      time.Time `json:"newest"`
}

// PreviewTask is a task that would run, or the reason why it would not.
type PreviewTask struct {
	Task       string            `json:"task"`
	Activity   string            `json:"activity"`
	Device     string            `json:"device"`
	Domain     string            `json:"domain,omitempty"`
	Code       string            `json:"code,omitempty"` // if it would not run
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
