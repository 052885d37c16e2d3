package report

import "github.com/dprun/dprun/plugins/datapower/archive"

// Diff is the difference between two exports.
type Diff struct {
	A    DiffSide `json:"a"`
	B    DiffSide `json:"b"`
	Same bool     `json:"same"`
	// Differences are the changes from A to B.
	Differences []archive.Difference `json:"-"` // objects of their own
	Added       int                  `json:"added"`
	Removed     int                  `json:"removed"`
	Changed     int                  `json:"changed"`
	// Omitted is how many differences are not listed.
	Omitted int `json:"omitted,omitempty"`
	// Withheld is how many files of both exports are there by name only, because the
	// gateway does not export their content: nobody can know whether they changed.
	Withheld int `json:"withheld,omitempty"`
}

// DiffSide is one of two exports.
type DiffSide struct {
	File    string         `json:"file"`
	Kind    archive.Kind   `json:"kind"`
	Domains []string       `json:"domains"`
	Device  archive.Device `json:"device"`
	Made    string         `json:"made,omitempty"`
}

// DriftState compares a device or domain with its last good backup.
type DriftState string

// The states of drift.
const (
	DriftSame    DriftState = "same"
	DriftDiffers DriftState = "differs"
	DriftSkipped DriftState = "skipped" // it cannot be compared by its nature
	DriftUnknown DriftState = "unknown" // the comparison failed
)

// Drift is the difference between what a device or domain runs and its last good
// backup.
type Drift struct {
	Activity    string               `json:"activity"`
	Device      string               `json:"device"`
	Domain      string               `json:"domain,omitempty"`
	State       DriftState           `json:"state"`
	Why         string               `json:"why,omitempty"` // of skipped and unknown
	Set         string               `json:"set,omitempty"`
	Captured    string               `json:"captured,omitempty"` // of the set, RFC 3339, UTC
	Differences []archive.Difference `json:"differences,omitempty"`
	Omitted     int                  `json:"omitted,omitempty"`
	Withheld    int                  `json:"withheld,omitempty"`
}
