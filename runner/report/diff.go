package report

import "github.com/dprun/dprun/plugins/datapower/archive"

// Diff is how one export differs from another.
type Diff struct {
	A    DiffSide `json:"a"`
	B    DiffSide `json:"b"`
	Same bool     `json:"same"`
	// Differences are what B has otherwise than A.
	Differences []archive.Difference `json:"-"` // objects of their own
	Added       int                  `json:"added"`
	Removed     int                  `json:"removed"`
	Changed     int                  `json:"changed"`
	// Omitted is how many more there are than are told.
	Omitted int `json:"omitted,omitempty"`
	// Withheld is how many files of both the gateway exports only the names of: whether they changed cannot be known.
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

// DriftState is how a device or domain stands to its last good backup.
type DriftState string

// The states.
const (
	DriftSame    DriftState = "same"
	DriftDiffers DriftState = "differs"
	DriftSkipped DriftState = "skipped" // it cannot be compared by its nature
	DriftUnknown DriftState = "unknown" // it could not be compared
)

// Drift is how what a device or domain runs differs from its last good backup.
type Drift struct {
	Activity    string               `json:"activity"`
	Device      string               `json:"device"`
	Domain      string               `json:"domain,omitempty"`
	State       DriftState           `json:"state"`
	Why         string               `json:"why,omitempty"` // of skipped and unknown
	Set         string               `json:"set,omitempty"`
	Captured    string               `json:"captured,omitempty"` // the set, RFC 3339, UTC
	Differences []archive.Difference `json:"differences,omitempty"`
	Omitted     int                  `json:"omitted,omitempty"`
	Withheld    int                  `json:"withheld,omitempty"`
}
