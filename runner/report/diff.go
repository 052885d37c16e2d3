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
