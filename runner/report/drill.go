package report

import "time"

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
