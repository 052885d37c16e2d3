// Package evidence holds what a run leaves as evidence: one record for each run,
// chained by their digests, and the verification of such a chain. It is pure: it
// reads no file, no clock and no journal.
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

// Dir is the directory of the records at a destination. Below it, each state
// directory has one of its own, named by its ID.
const Dir = "evidence"

// Version is that of the form of a record.
const Version = 1

// Kinds of records.
const (
	Apply   = "apply"   // a run
	Recover = "recover" // a run that had died, and was finished by another process

	Acknowledge = "acknowledge" // somebody took responsibility for what dprun cannot see
	Prune       = "prune"       // sets were deleted
	Restore     = "restore"
	Drill       = "drill"
)

// Record is what stands about one run. It holds no secret: everything in it was
// redacted before, or names things of the plan.
type Record struct {
	Version  int    `json:"version"`
	State    string `json:"state"`    // ID of the state directory, of which the sequence is
	Sequence int64  `json:"sequence"` // from 1
	// Previous is the SHA-256 of the record before, as the bytes of its file; empty of the first.
	Previous string    `json:"previous,omitempty"`
	Kind     string    `json:"kind"`
	Written  time.Time `json:"written"`

	User    string    `json:"user"` // who ran dprun, on which host
	Host    string    `json:"host"`
	Change  string    `json:"change,omitempty"` // what that person gave as the reason: a change number
	Reason  string    `json:"reason,omitempty"` // and in words
	Program Program   `json:"program"`
	Plugins []Program `json:"plugins,omitempty"` // that were there

	Run     string    `json:"run,omitempty"`
	Plan    string    `json:"plan,omitempty"`
	Files   []File    `json:"plan_files,omitempty"` // the plan's text
	Only    string    `json:"only,omitempty"`       // what narrowed the run
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Exit    int       `json:"exit_code"`
	Code    string    `json:"code,omitempty"`
	History []Status  `json:"history,omitempty"` // the run's own
	Tasks   []Task    `json:"tasks,omitempty"`
	Outages []Outage  `json:"out_of_service,omitempty"`
	Copies  []Copy    `json:"copies,omitempty"`
	Actions []Action  `json:"actions,omitempty"` // of what is no run of a plan
}

// Action is what was done to one thing outside of a run of a plan.
type Action struct {
	Device      string `json:"device,omitempty"`
	Domain      string `json:"domain,omitempty"`
	Run         string `json:"run,omitempty"` // that was acknowledged
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

// File is a file and its content.
type File struct {
	File   string `json:"file"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Status is one entry of a history.
type Status struct {
	Time    time.Time `json:"time"`
	Code    string    `json:"code"`
	Message string    `json:"message,omitempty"` // of the last one
}

// Task is what became of one task.
type Task struct {
	Task    string   `json:"task"`
	Device  string   `json:"device"`
	Domain  string   `json:"domain,omitempty"` // empty: the whole device
	Code    string   `json:"code"`
	History []Status `json:"history"`
}

// Outage is a time in which something may have been out of service because of the
// run: from right before it was quiesced until it was seen back.
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
	Destination string `json:"destination"` // its address in the plan
	Root        string `json:"root"`        // as it names itself
	Path        string `json:"path"`        // of the manifest, below the root
	SHA256      string `json:"manifest_sha256"`
	SignedBy    string `json:"signed_by,omitempty"` // fingerprint of the key that signed the manifest
	Verified    string `json:"verified"`            // how every file was: read_back, sent
	Durable     bool   `json:"durable"`
	Files       []File `json:"files"` // beside the manifest
}

// Head is where a chain ends.
type Head struct {
	Sequence int64
	Digest   string // of the record, lower-case hex
}

// Encode gives the bytes of a record that follows another one; the zero Head: none.
func (r *Record) Encode(after Head) ([]byte, Head, error) {
	r.Version, r.Sequence, r.Previous = Version, after.Sequence+1, after.Digest
	body, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, Head{}, fmt.Errorf("encode record %d: %w", r.Sequence, err)
	}
	body = append(body, '\n')
	return body, Head{r.Sequence, Digest(body)}, nil
}

// Digest is the SHA-256 of a record's bytes, in hex.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// FileName is the name of a record's file.
func FileName(sequence int64) string { return fmt.Sprintf("%08d.json", sequence) }

var (
	fileName = regexp.MustCompile(`(?:^|/)([0-9]{8,18})\.json$`)
	place    = regexp.MustCompile(`^` + Dir + `/[A-Z2-7]{26}/[0-9]{8,18}\.json(?:\` + signing.Suffix + `)?$`)
)

// Sequence is the number in the name of a record's file; 0: there is none.
func Sequence(name string) int64 {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // of 18 digits it fits
	return n
}

// Is reports whether an object of a destination is a record, or the signature of
// one, by its path: it belongs to no set, and to no other.
func Is(path string) bool { return place.MatchString(path) }
