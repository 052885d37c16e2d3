package results

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed s3.json
var committedS3 []byte

// S3 is what was seen of a server that speaks the protocol of S3.
type S3 struct {
	Server  string `json:"server"`
	Version string `json:"version"`
	Date    string `json:"date"` // year-month-day
	// Kept are the rules of the conformance suite, of Of, that examples/plugins/s3 keeps there.
	Kept int     `json:"kept"`
	Of   int     `json:"of"`
	Seen []S3Ask `json:"seen"` // the same questions of every server
}

// S3Ask is a question and what a server did.
type S3Ask struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// ReadS3 gives the committed results of S3 servers.
func ReadS3() ([]S3, error) {
	var all []S3
	if err := json.Unmarshal(committedS3, &all); err != nil {
		return nil, fmt.Errorf("read s3.json: %w", err)
	}
	return all, nil
}
