// Package evidence holds the evidence of what was done: one record for each run,
// chained by digests, and the verification of such a chain. It is pure: it reads no
// files, no clock and no journal.
package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/dprun/dprun/runner/signing"
)

// Dir is the directory of the records at a destination. In it, each state directory has
// its own directory, named by its ID.
const Dir = "evidence"

// Version is the version of the format of a record.
const Version = 1

// The kinds of records.
const (
	Apply   = "apply"   // a run
	Recover = "recover" // a run that died and was finished by another process

	Acknowledge = "acknowledge" // somebody took responsibility for what dprun cannot see
	Prune       = "prune"       // sets were deleted
	Restore     = "restore"
	Drill       = "drill"
)

// Record describes one run. It holds no secrets: its texts were redacted before, or
// name things of the plan.
type Record struct {
	Version  int    `json:"version"`
	State    string `json:"state"`    // ID of the state directory that counts the sequence
	Sequence int64  `json:"sequence"` // starts at 1
	// Previous is the SHA-256 of the file of the record before; empty in the first
	// record.
	Previous string    `json:"previous,omitempty"`
	Kind     string    `json:"kind"`
	Written  time.Time `json:"written"`

	User    string    `json:"user"` // who ran dprun, on which host
	Host    string    `json:"host"`
	Change  string    `json:"change,omitempty"` // the change number that this person gave
	Reason  string    `json:"reason,omitempty"` // the reason that this person gave
	Program Program   `json:"program"`
	Plugins []Program `json:"plugins,omitempty"` // the plugins that were present

	Run     string    `json:"run,omitempty"`
	Plan    string    `json:"plan,omitempty"`
	Files   []File    `json:"plan_files,omitempty"` // the plan's text
	Only    string    `json:"only,omitempty"`       // the part of the plan that the run was for
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Exit    int       `json:"exit_code"`
	Code    string    `json:"code,omitempty"`
	History []Status  `json:"history,omitempty"` // of the run itself
	Tasks   []Task    `json:"tasks,omitempty"`
	Outages []Outage  `json:"out_of_service,omitempty"`
	Copies  []Copy    `json:"copies,omitempty"`
	Actions []Action  `json:"actions,omitempty"` // actions outside a run of a plan
}

// Action is what was done to one thing outside a run of a plan.
type Action struct {
	Device      string `json:"device,omitempty"`
	Domain      string `json:"domain,omitempty"`
	Run         string `json:"run,omitempty"` // the run that was acknowledged
	Set         string `json:"set,omitempty"`
	Destination string `json:"destination,omitempty"`
	Outcome     string `json:"outcome"`
	Why         string `json:"why,omitempty"`
}

// Program is a program that took part.
type Program struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of its file; empty: it is a part of dprun
}

// File is a file with its content's size and hash.
type File struct {
	File   string `json:"file"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Status is one entry of a history.
type Status struct {
	Time    time.Time `json:"time"`
	Code    string    `json:"code"`
	Message string    `json:"message,omitempty"` // only of the last entry
}

// Task is the result of one task.
type Task struct {
	Task    string   `json:"task"`
	Device  string   `json:"device"`
	Domain  string   `json:"domain,omitempty"` // empty: the whole device
	Code    string   `json:"code"`
	History []Status `json:"history"`
}

// Outage is a time in which something may have been out of service because of the run:
// from right before its quiesce until it was seen back in service.
type Outage struct {
	Device  string    `json:"device"`
	Domain  string    `json:"domain,omitempty"`
	From    time.Time `json:"from"`
	Back    time.Time `json:"back,omitzero"` // absent: it was not back when this was written
	Seconds float64   `json:"seconds,omitempty"`
}

// Copy is a set at one destination.
type Copy struct {
	Set         string `json:"set"`
	Device      string `json:"device"`
	Domain      string `json:"domain,omitempty"`
	Destination string `json:"destination"` // the address in the plan
	Root        string `json:"root"`        // the destination's own name for itself
	Path        string `json:"path"`        // of the manifest, below the root
	SHA256      string `json:"manifest_sha256"`
	SignedBy    string `json:"signed_by,omitempty"` // fingerprint of the key that signed the manifest
	Verified    string `json:"verified"`            // how every file was verified: read_back, sent
	Durable     bool   `json:"durable"`
	Files       []File `json:"files"` // without the manifest
}

// Head identifies the last record of a chain.
type Head struct {
	Sequence int64
	Digest   string // of the record, lower-case hex
}

// Encode returns the bytes of a record that follows after, and the new head. For the
// first record, after is the zero Head.
func (r *Record) Encode(after Head) ([]byte, Head, error) {
	r.Version, r.Sequence, r.Previous = Version, after.Sequence+1, after.Digest
	body, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, Head{}, fmt.Errorf("encode record %d: %w", r.Sequence, err)
	}
	body = append(body, '\n')
	return body, Head{r.Sequence, Digest(body)}, nil
}

// Digest returns the SHA-256 of a record's bytes, in hex.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// FileName returns the name of a record's file.
func FileName(sequence int64) string { return fmt.Sprintf("%08d.json", sequence) }

var (
	fileName = regexp.MustCompile(`(?:^|/)([0-9]{8,18})\.json$`)
	place    = regexp.MustCompile(`^` + Dir + `/[A-Z2-7]{26}/[0-9]{8,18}\.json(?:\` + signing.Suffix + `)?$`)
)

// Sequence returns the number in the name of a record's file; 0: it has none.
func Sequence(name string) int64 {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // 18 digits fit
	return n
}

// Is reports whether the path of an object at a destination is that of a record, or of
// the signature of one. Such an object belongs to no set.
func Is(path string) bool { return place.MatchString(path) }
