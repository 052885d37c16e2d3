package report

import (
	"encoding/json"
	"time"
)

// Backup is one set: what one task captured.
type Backup struct {
	Set          string    `json:"set"`
	Captured     time.Time `json:"captured"` // when its task began
	Plan         string    `json:"plan"`
	Run          string    `json:"run"`
	Task         string    `json:"task"`
	Activity     string    `json:"activity"`
	ActivityType string    `json:"activity_type"`
	Device       string    `json:"device"`
	Domain       string    `json:"domain,omitempty"` // absent: the whole device
	Bytes        int64     `json:"bytes"`
	Origin       string    `json:"origin"` // own, imported, foreign
	// Trusted says that the journal or a signature that counts vouches for it, and
	// not only the destination that keeps it; Untrusted why none does.
	Trusted   bool         `json:"trusted"`
	Untrusted string       `json:"untrusted,omitempty"`
	Copies    []BackupCopy `json:"copies"`
}

// BackupCopy is a set at one destination.
type BackupCopy struct {
	Destination string    `json:"destination"` // its address in the plan that stored it
	Root        string    `json:"root"`        // as it names itself
	Path        string    `json:"path"`        // of the manifest, relative to the root; of a set of DPOD where it would be
	State       string    `json:"state"`       // whole, deleted, missing, altered
	Verified    string    `json:"verified"`    // how, when it was stored: read_back, sent; empty: not, a set of DPOD
	Durable     bool      `json:"durable"`
	Stored      time.Time `json:"stored"`
	Checked     time.Time `json:"checked,omitzero"` // absent: not since it was stored
	Imported    bool      `json:"imported,omitempty"`
	SignedBy    string    `json:"signed_by,omitempty"` // the fingerprint of the key that its manifest's signature names; absent: there is no signature
	// EncryptedFor names the recipients; absent: it is not encrypted.
	EncryptedFor []string `json:"encrypted_for,omitempty"`
}

// BackupDetail is one set with everything that is known of it.
type BackupDetail struct {
	Backup
	Identity string          `json:"identity,omitempty"` // of the box itself
	StateID  string          `json:"state_id,omitempty"` // of the state directory that stored it
	SHA256   string          `json:"manifest_sha256"`    // empty: it has none
	Files    []BackupFile    `json:"files"`
	Withheld []string        `json:"withheld,omitempty"` // files that the device does not give out
	Warnings []string        `json:"warnings,omitempty"`
	Facts    json.RawMessage `json:"facts,omitempty"`   // of the device at that time
	Imports  []Proof         `json:"imports,omitempty"` // what imports of it have shown, the newest first
}

// BackupFile is one file of a set, as it was captured; at a destination it may be encrypted.
type BackupFile struct {
	File    string `json:"file"` // relative to the manifest's directory
	Variant string `json:"variant"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
}

// Imported is what was found at one destination.
type Imported struct {
	Destination string            `json:"destination"`
	Root        string            `json:"root,omitempty"`
	Manifests   int               `json:"manifests"`         // that stand there
	DPOD        int               `json:"dpod,omitempty"`    // sets of DPOD that stand there, without a manifest
	Entered     int               `json:"entered"`           // that were not known before
	Foreign     int               `json:"foreign,omitempty"` // of those entered, from another state directory
	Refused     []RefusedManifest `json:"refused,omitempty"`
	Error       string            `json:"error,omitempty"` // why nothing more was read there
}

// RefusedManifest is a manifest, or a file or set of DPOD, that does not count, or
// whose set is entered and not whole.
type RefusedManifest struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}
