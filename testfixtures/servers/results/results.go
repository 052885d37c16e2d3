// Package results holds the results of the tests with each server.
package results

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed results.json
var committed []byte

// Result is what was seen of one server.
type Result struct {
	Server   string `json:"server"`
	Version  string `json:"version"`
	Date     string `json:"date"`     // year-month-day
	Protocol string `json:"protocol"` // of the destination: sftp, nfs
	How      string `json:"how"`      // how it was run
	// Built says that it is no package of Debian's, and not part of every test run.
	Built bool `json:"built,omitempty"`
	// Set are arguments of the destination beyond those that every server needs.
	Set map[string]string `json:"set,omitempty"`

	Stored     int   `json:"stored"`         // files of Of that stood there whole and were read back
	Of         int   `json:"of"`             //
	Durable    bool  `json:"durable"`        // it says that files and their names were flushed to disk on request
	Late       bool  `json:"late,omitempty"` // it says that a file is stored before the file stands in the served directory
	ModeKept   bool  `json:"mode"`           // the stored files have the mode 0600 that was asked for
	SpaceKnown bool  `json:"space"`          // it says how much room is left
	SFTP       *SFTP `json:"sftp,omitempty"`
}

// SFTP is what was seen of a server's protocol, request by request.
type SFTP struct {
	Banner     string   `json:"banner"`
	Extensions []string `json:"extensions"`
	// LongestRead is how much it gives to one request for 255 KiB;
	// LongestWrite is the longest request of those tried that it takes.
	LongestRead  int    `json:"longestRead"`
	LongestWrite int    `json:"longestWrite"`
	OpenExisting string `json:"openExisting"` // with CREAT and EXCL
	OpenNew      string `json:"openNew"`      // with CREAT and EXCL, without TRUNC
	RenameOver   string `json:"renameOver"`   // a file that exists
	LstatMissing string `json:"lstatMissing"` // a name that does not exist
	Keepalive    string `json:"keepalive"`    // the global request keepalive@openssh.com
}

// Read gives the committed results.
func Read() ([]Result, error) {
	var all []Result
	if err := json.Unmarshal(committed, &all); err != nil {
		return nil, fmt.Errorf("read results.json: %w", err)
	}
	return all, nil
}
