package report

import (
	"time"

	"github.com/dprun/dprun/runner/evidence"
)

// EvidenceRecord is one record of the list.
type EvidenceRecord struct {
	Sequence int64     `json:"sequence"`
	Digest   string    `json:"digest"` // SHA-256 of its file
	Signed   bool      `json:"signed"` // there is a signature beside it, by anybody
	Kind     string    `json:"kind"`   // apply, recover, restore, drill, prune, acknowledge
	Written  time.Time `json:"written"`
	User     string    `json:"user"`
	Host     string    `json:"host"`
	Change   string    `json:"change,omitempty"`
	Plan     string    `json:"plan,omitempty"`
	Run      string    `json:"run,omitempty"`
	Code     string    `json:"code,omitempty"`
	ExitCode int       `json:"exit_code"`
}

// EvidenceDetail is a record with everything that it holds.
type EvidenceDetail struct {
	Digest string `json:"digest"`
	evidence.Record
}

// ExportedEvidence says which records were copied.
type ExportedEvidence struct {
	Dir     string `json:"dir"`
	Records int    `json:"records"`
	Last    int64  `json:"last"`   // number of the newest; 0: there is none
	Digest  string `json:"digest"` // of the newest
}

// VerifiedEvidence is the verdict on records.
type VerifiedEvidence struct {
	ExitCode int             `json:"exit_code"` // 0: all is as it was written, 3: something is not, 1: there is nothing to verify
	Chains   []EvidenceChain `json:"chains"`
	Faults   []EvidenceFault `json:"faults,omitempty"`
	// Proves says what this verification proves and what it does not.
	Proves string `json:"proves"`
}

// EvidenceChain is the records of one state directory.
type EvidenceChain struct {
	StateID string   `json:"state_id"`
	First   int64    `json:"first"`
	Last    int64    `json:"last"`
	Records int      `json:"records"`
	Digest  string   `json:"digest"`         // of the last record
	Signed  int      `json:"signed"`         // records with a correct signature
	Trusted int64    `json:"trusted_to"`     // the last record covered by a signature that counts; 0: none
	Keys    []string `json:"keys,omitempty"` // fingerprints of the keys that signed
}

// EvidenceFault is one thing that is wrong with records.
type EvidenceFault struct {
	Kind string `json:"kind"` // altered, unconfirmed, missing, misplaced, forked, cut, unexpected, signature, unsigned
	File string `json:"file,omitempty"`
	Why  string `json:"why"`
}
