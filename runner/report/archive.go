package report

import "github.com/dprun/dprun/plugins/datapower/archive"

// Archive is the verdict on one archive.
type Archive struct {
	File  string `json:"file"`
	Whole bool   `json:"whole"`
	// Error says why it could not be read to its end.
	Error  string          `json:"error,omitempty"`
	Report *archive.Report `json:"report,omitempty"`
}
