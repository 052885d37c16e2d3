// Package backups describes stored backups. A set is what one task captured, a
// copy is a set at one destination, and the manifest beside a copy lists its
// files. The package itself reads and writes nothing.
package backups

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
)

// State is the known state of a copy.
type State string

// The states of a copy. A copy is whole as soon as its manifest is stored. A
// later check or deletion brings it into one of the others.
const (
	Whole State = "whole"
	// Deleting is a copy that dprun is deleting, or was deleting when it died. The
	// state is entered before anything is deleted, and the manifest goes first.
	Deleting State = "deleting"
	Deleted  State = "deleted" // dprun deleted it, by the plan's retention
	Missing  State = "missing" // some of its files are not at the destination
	Altered  State = "altered" // some of its files are not as they were stored
)

// Copy is a set at one destination. Set and Root are its key.
type Copy struct {
	Set  string // see [ID]
	Root string // the name that the destination gives itself, such as sftp://vault/srv/backups

	Destination string // address in the plan, such as sftp.vault
	Plan        string
	Path        string // of the manifest, relative to Root
	SHA256      string // of the manifest; lower-case hex; empty: it has no manifest, see [Copy.HasManifest]
	Run, Task   string
	Device      string
	Identity    string // of the box itself, if its facts are known
	Domain      string // empty: the whole device
	Activity    string
	Type        string    // of the activity, such as domain_export
	Stamp       string    // start of the task, as in names of files
	Captured    time.Time // the stamp as a time
	Bytes       int64     // of all files
	Files       []File
	Withheld    []string        // files that the device did not give out
	Warnings    []string        // of the capture and of the store
	Facts       json.RawMessage // of the device at that time, an sdk.Facts; nil: unknown
	Verified    string          // how it was verified when it was stored, an sdk.Verify
	Durable     bool
	StateID     string // of the state directory that stored it; empty: unknown
	// Imported marks a copy that was found at a destination. Only the destination
	// vouches for it, unless it has a signature that counts. It never replaces a
	// trusted copy: see [Copy.Trust].
	Imported bool
	// Signature is the signature file beside the manifest; nil: there is none.
	Signature *Signature

	State  State
	Stored time.Time // when it became whole; for an imported copy, when it was entered
	// Checked is the last time that dprun read and compared every byte, or found the
	// copy missing or altered; zero: not since it was stored. A check that reads no
	// data does not change it.
	Checked time.Time
}

// EncryptedFor returns the recipients of a copy, see [Encrypted]; nil: it is not
// encrypted.
func (c *Copy) EncryptedFor() (all []string) {
	for _, f := range c.Files {
		if f.Encrypted == nil {
			continue
		}
		for _, r := range f.Encrypted.Recipients {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// ID returns the ID of a task's set: a ULID with the stamp's millisecond, whose
// other bytes are derived from the run and the task. So every manifest is enough
// to compute it. It returns an error if the stamp is not valid.
func ID(run, task, stamp string) (string, error) {
	at, err := ParseStamp(stamp)
	if err != nil {
		return "", err
	}
	var id ulid.ULID
	if at.UnixMilli() < 0 {
		return "", fmt.Errorf("the stamp %s is before 1970", stamp)
	}
	if err := id.SetTime(uint64(at.UnixMilli())); err != nil {
		return "", fmt.Errorf("the stamp %s: %w", stamp, err)
	}
	sum := sha256.Sum256([]byte("dprun set\x00" + run + "\x00" + task))
	copy(id[6:], sum[:10])
	return id.String(), nil
}

// FirstID returns the lowest ID that a set captured at this time can have, to the
// millisecond.
func FirstID(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(max(at.UnixMilli(), 0))) // it fails only for years after 10889, and then leaves the lowest ID of all
	return id.String()
}

// secondsLayout is the first part of a stamp; the milliseconds follow.
const secondsLayout = "2006-01-02-15-04-05"

// ParseStamp reads the stamp of a task in names and manifests:
// yyyy-MM-dd-HH-mm-ss-SSS, in UTC.
func ParseStamp(stamp string) (time.Time, error) {
	bad := fmt.Errorf("the stamp %q is not of the form yyyy-MM-dd-HH-mm-ss-SSS", stamp)
	if len(stamp) != len(secondsLayout)+len("-SSS") || stamp[len(secondsLayout)] != '-' {
		return time.Time{}, bad
	}
	at, err := time.Parse(secondsLayout, stamp[:len(secondsLayout)])
	ms, notMS := strconv.ParseUint(stamp[len(secondsLayout)+1:], 10, 16)
	if errors.Join(err, notMS) != nil {
		return time.Time{}, bad
	}
	return at.Add(time.Duration(ms) * time.Millisecond), nil
}
