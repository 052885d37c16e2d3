// Package backups holds what a backup is once it is stored: a set is what one
// task captured, a copy is a set at one destination, and the manifest beside a
// copy says what belongs to it. It reads and writes nothing itself.
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

// State says what is known of a copy.
type State string

// The states of a copy. It is whole from the moment that its manifest was
// stored; the others are what a check or a delete found or did later.
const (
	Whole State = "whole"
	// Deleting is a copy that dprun is deleting, or was when it died: the manifest
	// goes first. It is entered before anything is deleted.
	Deleting State = "deleting"
	Deleted  State = "deleted" // by dprun, as the plan's retention says
	Missing  State = "missing" // something of it is not at the destination
	Altered  State = "altered" // something of it is not what was stored
)

// Copy is a set at one destination. Its key is Set and Root.
type Copy struct {
	Set  string // see [ID]
	Root string // the destination as it names itself, such as sftp://vault/srv/backups

	Destination string // address in the plan, such as sftp.vault
	Plan        string
	Path        string // of the manifest, relative to Root
	SHA256      string // of the manifest; lower-case hex; empty: it has none, see [Copy.HasManifest]
	Run, Task   string
	Device      string
	Identity    string // of the box itself, where its facts are known
	Domain      string // empty: the whole device
	Activity    string
	Type        string    // of the activity, such as domain_export
	Stamp       string    // when the task began, as in the names of files
	Captured    time.Time // the same, as a time
	Bytes       int64     // of all files
	Files       []File
	Withheld    []string        // files that the device did not give out
	Warnings    []string        // of the capture and of the store
	Facts       json.RawMessage // of the device at that time, an sdk.Facts; nil: not known
	Verified    string          // how it was verified when it was stored, an sdk.Verify
	Durable     bool
	StateID     string // of the state directory that stored it; empty: not known
	// Imported is true of a copy that was found at a destination. Without a signature
	// that counts, nothing but the destination vouches for it, and it never takes
	// the place of one that is trusted: see [Copy.Trust].
	Imported bool
	// Signature is the file beside the manifest that signs it; nil: there is none.
	Signature *Signature

	State  State
	Stored time.Time // when it became whole; of an imported copy, when it was entered
	// Checked is when every byte was last read and compared, or when a look found it
	// missing or altered; zero: not since it was stored. A look that reads no
	// data does not touch it.
	Checked time.Time
}

// EncryptedFor names the recipients of a copy, see [Encrypted]; nil: it is not encrypted.
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

// ID is the set of a task: a ULID of the stamp's millisecond whose other bytes
// come from the run and the task, so that it can be computed from every
// manifest. An error says that the stamp is none.
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

// FirstID is the least ID that a set of a time can have, to the millisecond.
func FirstID(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(max(at.UnixMilli(), 0))) // years after 10889 have none: all sets are older
	return id.String()
}

// secondsLayout is what a stamp begins with; the milliseconds follow.
const secondsLayout = "2006-01-02-15-04-05"

// ParseStamp reads a task's start as it stands in names and manifests:
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
