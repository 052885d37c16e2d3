package report

import "time"

// CoverageState says whether something has a backup that is young enough.
type CoverageState string

// The states of what a plan should back up.
const (
	CoverageFresh    CoverageState = "fresh"
	CoverageStale    CoverageState = "stale"    // the last good one is too old
	CoverageNone     CoverageState = "none"     // there is no good one
	CoverageExcluded CoverageState = "excluded" // it is never backed up, and Why says why
)

// Coverage says what of a plan has a good backup that is young enough.
type Coverage struct {
	Plan     string            `json:"plan"`
	At       time.Time         `json:"at"`
	MaxAge   time.Duration     `json:"max_age_ns"`
	Fresh    int               `json:"fresh"`
	Stale    int               `json:"stale"`
	None     int               `json:"none"`
	Excluded int               `json:"excluded"`
	Failed   int               `json:"failed"` // whose last import failed, whatever their state
	ExitCode int               `json:"exit_code"`
	Rooms    []Room            `json:"rooms,omitempty"` // of the plan's destinations, as the last run saw them
	Subjects []CoverageSubject `json:"-"`               // objects of their own
}

// CoverageSubject is what one activity should back up of one device.
type CoverageSubject struct {
	Activity string        `json:"activity"`
	Device   string        `json:"device"`
	Domain   string        `json:"domain,omitempty"` // absent: the whole device
	State    CoverageState `json:"state"`
	Set      string        `json:"set,omitempty"` // the last good one
	Captured time.Time     `json:"captured,omitzero"`
	Age      time.Duration `json:"age_ns,omitempty"`
	Copies   int           `json:"copies,omitempty"` // that are whole
	Places   int           `json:"destinations"`     // of the plan
	// Proof is the best that is known of a copy: checksum_verified (it was read again
	// and hashed), sent (what was sent was hashed), manifest (it was only found).
	Proof  string `json:"proof,omitempty"`
	Origin string `json:"origin,omitempty"` // own, imported, foreign
	// Unopened is a later good set that none of the given identities opens.
	Unopened string `json:"unopened,omitempty"`
	// Import is what the last import of a set of it has shown, this one or an older one.
	Import *Proof `json:"import,omitempty"`
	// Code and Why are how the last whole run ended for it, where that brought no backup.
	Code string `json:"code,omitempty"`
	Why  string `json:"why,omitempty"`
}

// Proof is what came of the import of a set.
type Proof struct {
	Set    string    `json:"set"`
	Same   bool      `json:"same"` // it is the set that this stands with, with the same bytes
	At     time.Time `json:"at"`
	Drill  bool      `json:"drill"`  // on a gateway for drills; else it was restored
	Device string    `json:"device"` // that it was imported on
	Run    string    `json:"run"`
	// Verdict is proven, failed, or undecided: something else than the set was in the way.
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"` // it is not proven
	// Excused is how many objects the verdict leaves out: they are down for want of
	// something that a drill disables, or of a file that no export holds.
	Excused int `json:"excused,omitempty"`
}
