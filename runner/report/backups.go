package report

import (
	"encoding/json"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
)

// Backup is one set: the files that one task captured.
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
	// Trusted says that the journal or a signature that counts vouches for the set, and
	// not only the destination that keeps it. Untrusted says why nothing does.
	Trusted   bool         `json:"trusted"`
	Untrusted string       `json:"untrusted,omitempty"`
	Copies    []BackupCopy `json:"copies"`
}

// BackupCopy is a set at one destination.
type BackupCopy struct {
	Destination string    `json:"destination"` // the address in the plan that stored it
	Root        string    `json:"root"`        // the destination's own name for itself
	Path        string    `json:"path"`        // of the manifest, relative to the root; for a set of DPOD, where it would be
	State       string    `json:"state"`       // whole, deleted, missing, altered
	Verified    string    `json:"verified"`    // how, when it was stored: read_back, sent; empty: not verified, a set of DPOD
	Durable     bool      `json:"durable"`
	Stored      time.Time `json:"stored"`
	Checked     time.Time `json:"checked,omitzero"` // absent: not since it was stored
	Imported    bool      `json:"imported,omitempty"`
	SignedBy    string    `json:"signed_by,omitempty"` // the fingerprint of the key that the manifest's signature names; absent: there is no signature
	// EncryptedFor names the recipients; absent: it is not encrypted.
	EncryptedFor []string `json:"encrypted_for,omitempty"`
}

// BackupDetail is one set with everything that is known about it.
type BackupDetail struct {
	Backup
	Identity string          `json:"identity,omitempty"` // of the box itself
	StateID  string          `json:"state_id,omitempty"` // of the state directory that stored it
	SHA256   string          `json:"manifest_sha256"`    // empty: there is no manifest
	Files    []BackupFile    `json:"files"`
	Withheld []string        `json:"withheld,omitempty"` // files that the device does not give out
	Warnings []string        `json:"warnings,omitempty"`
	Facts    json.RawMessage `json:"facts,omitempty"`   // of the device at that time
	Imports  []Proof         `json:"imports,omitempty"` // what imports of the set have shown, the newest first
}

// BackupFile is one file of a set as it was captured. At a destination it may be
// encrypted.
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
	Manifests   int               `json:"manifests"`         // all manifests there
	DPOD        int               `json:"dpod,omitempty"`    // all sets of DPOD there, which have no manifest
	Entered     int               `json:"entered"`           // sets that were not known before
	Foreign     int               `json:"foreign,omitempty"` // those of them from another state directory
	Refused     []RefusedManifest `json:"refused,omitempty"`
	Error       string            `json:"error,omitempty"` // why reading stopped there
}

// RefusedManifest is a manifest, a file or a set of DPOD that does not count, or whose
// set was entered although it is not whole.
type RefusedManifest struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// Pack is a directory with everything that dprun holds for rebuilding a gateway.
type Pack struct {
	Device  string      `json:"device"`
	Dir     string      `json:"dir"`
	Sets    []PackedSet `json:"sets"`
	Missing []Unpacked  `json:"missing,omitempty"`
	Files   int         `json:"files"` // all files, including those that dprun has written
	Bytes   int64       `json:"bytes"`
}

// PackedSet is a backup in a pack.
type PackedSet struct {
	Set      string    `json:"set"`
	Domain   string    `json:"domain,omitempty"` // absent: the whole device
	Activity string    `json:"activity"`
	Captured time.Time `json:"captured"`
	Dir      string    `json:"dir"`   // below the directory of the pack
	Files    []string  `json:"files"` // below Dir, the manifest last
}

// Unpacked is something that the plan should back up of the gateway but that the pack
// does not hold.
type Unpacked struct {
	Domain   string `json:"domain,omitempty"`
	Activity string `json:"activity"`
	Why      string `json:"why"`
}

// Archive is the verdict on one archive.
type Archive struct {
	File  string `json:"file"`
	Whole bool   `json:"whole"`
	// Error says why it could not be read to its end.
	Error  string          `json:"error,omitempty"`
	Report *archive.Report `json:"report,omitempty"`
}

// BackupFault is one thing that is wrong at a destination.
type BackupFault struct {
	Destination string `json:"destination"`
	Kind        string `json:"kind"` // missing, altered, truncated, moved, planted, unknown_set, foreign_set, stray, partial, elsewhere, not_checked
	// Grave is false if nobody knows whether anything is wrong: strays, partials, sets
	// of another state directory, copies elsewhere.
	Grave  bool   `json:"grave"`
	Set    string `json:"set,omitempty"`    // the set that has the fault
	Device string `json:"device,omitempty"` // of the set
	Domain string `json:"domain,omitempty"` // of the set
	Path   string `json:"path,omitempty"`   // relative to the destination
	Why    string `json:"why"`
	Remedy string `json:"remedy,omitempty"`
}

// CheckedDestination is the state of the backups at one destination.
type CheckedDestination struct {
	Destination string `json:"destination"`
	Root        string `json:"root,omitempty"` // the destination's own name for itself; absent: it was not reached
	Copies      int    `json:"copies"`         // copies that should exist
	Whole       int    `json:"whole"`
	Missing     int    `json:"missing"`
	Altered     int    `json:"altered"`
	NotChecked  int    `json:"not_checked"`
	Untrusted   int    `json:"untrusted,omitempty"` // whole copies that were found there and carry no signature that counts
	Faults      int    `json:"faults"`              // all that were listed
	Read        int    `json:"read"`                // copies of which every byte was read
	ReadBytes   int64  `json:"read_bytes"`          // the size of those copies
}

// FetchedBackup is a set that was fetched.
type FetchedBackup struct {
	Set         string   `json:"set"`
	Device      string   `json:"device"`
	Domain      string   `json:"domain,omitempty"`
	Captured    string   `json:"captured"`              // RFC 3339, UTC
	Destination string   `json:"destination,omitempty"` // where it came from; absent: everything existed already
	Dir         string   `json:"dir"`
	Files       []string `json:"files"`                 // below dir, the manifest last
	Encrypted   bool     `json:"encrypted,omitempty"`   // the files are still encrypted, as they are stored
	Existed     bool     `json:"existed,omitempty"`     // everything existed already
	NoManifest  bool     `json:"no_manifest,omitempty"` // compared with what the import found: no checksum from the time of the backup exists
}

// PrunedBackups is the result of retention for a plan's sets at one destination.
type PrunedBackups struct {
	Destination string      `json:"destination"`
	Root        string      `json:"root,omitempty"`      // the destination's own name for itself
	Retention   string      `json:"retention,omitempty"` // absent: none is set, and all sets stay
	DryRun      bool        `json:"dry_run,omitempty"`
	Sets        []PrunedSet `json:"sets"`            // by device, domain and activity, the newest first
	Error       string      `json:"error,omitempty"` // why work stopped there
}

// PrunedSet is the result for one set, with the reasons.
type PrunedSet struct {
	Set      string    `json:"set"`
	Device   string    `json:"device"`
	Domain   string    `json:"domain,omitempty"` // absent: the whole device
	Activity string    `json:"activity"`
	Captured time.Time `json:"captured"`
	Bytes    int64     `json:"bytes"`
	Outcome  Outcome   `json:"outcome"`
	Why      []string  `json:"why"`             // the rules that keep it, why it goes, or who uses it
	Error    string    `json:"error,omitempty"` // why it still exists although it should go
}

// Outcome is the result for a set.
type Outcome string

// The outcomes.
const (
	Stays      Outcome = "stays"
	Goes       Outcome = "goes" // in a dry run: it would be deleted
	DeletedSet Outcome = "deleted"
	InUse      Outcome = "in_use"     // somebody reads it; the next prune deletes it
	Left       Outcome = "left"       // it could not be deleted, and is unchanged
	Unfinished Outcome = "unfinished" // its manifest is gone, or may be gone; the next prune continues
)

// CoverageState says whether a subject has a backup that is young enough.
type CoverageState string

// The states of what a plan should back up.
const (
	CoverageFresh    CoverageState = "fresh"
	CoverageStale    CoverageState = "stale"    // the last good one is too old
	CoverageNone     CoverageState = "none"     // there is no good one
	CoverageExcluded CoverageState = "excluded" // it is never backed up, and Why says why
)

// Coverage says which subjects of a plan have a good backup that is young enough.
type Coverage struct {
	Plan     string            `json:"plan"`
	At       time.Time         `json:"at"`
	MaxAge   time.Duration     `json:"max_age_ns"`
	Fresh    int               `json:"fresh"`
	Stale    int               `json:"stale"`
	None     int               `json:"none"`
	Excluded int               `json:"excluded"`
	Failed   int               `json:"failed"` // subjects whose last import failed, whatever their state
	ExitCode int               `json:"exit_code"`
	Rooms    []Room            `json:"rooms,omitempty"` // of the plan's destinations, as the last run saw them
	Subjects []CoverageSubject `json:"-"`               // objects of their own
}

// Count counts the subjects and sets the exit code: 3 if one has no backup that is
// young enough, or if its last import failed.
func (c *Coverage) Count() {
	c.Fresh, c.Stale, c.None, c.Excluded, c.Failed, c.ExitCode = 0, 0, 0, 0, 0, 0
	for _, s := range c.Subjects {
		*map[CoverageState]*int{CoverageFresh: &c.Fresh, CoverageStale: &c.Stale, CoverageNone: &c.None, CoverageExcluded: &c.Excluded}[s.State]++
		if s.Import != nil && s.Import.Verdict != "proven" && s.State != CoverageExcluded {
			c.Failed++
		}
	}
	if c.Stale+c.None+c.Failed > 0 {
		c.ExitCode = 3
	}
}

// CoverageSubject is something that one activity should back up of one device.
type CoverageSubject struct {
	Activity string        `json:"activity"`
	Device   string        `json:"device"`
	Domain   string        `json:"domain,omitempty"` // absent: the whole device
	State    CoverageState `json:"state"`
	Set      string        `json:"set,omitempty"` // the last good one
	Captured time.Time     `json:"captured,omitzero"`
	Age      time.Duration `json:"age_ns,omitempty"`
	Copies   int           `json:"copies,omitempty"` // whole copies
	Places   int           `json:"destinations"`     // of the plan
	// Proof is the best that is known of a copy: checksum_verified (it was read again
	// and hashed), sent (what was sent was hashed), manifest (it was only found).
	Proof  string `json:"proof,omitempty"`
	Origin string `json:"origin,omitempty"` // own, imported, foreign
	// Unopened is a later good set that none of the given identities opens.
	Unopened string `json:"unopened,omitempty"`
	// Import is what the last import of a set of this subject has shown. The set may be
	// this one or an older one.
	Import *Proof `json:"import,omitempty"`
	// Code and Why say how the last whole run ended for the subject, if it brought no
	// backup.
	Code string `json:"code,omitempty"`
	Why  string `json:"why,omitempty"`
}

// Proof is the result of importing a set.
type Proof struct {
	Set    string    `json:"set"`
	Same   bool      `json:"same"` // it is the set that this belongs to, with the same bytes
	At     time.Time `json:"at"`
	Drill  bool      `json:"drill"`  // on a gateway for drills; otherwise it was restored
	Device string    `json:"device"` // where it was imported
	Run    string    `json:"run"`
	// Verdict is proven, failed, or undecided: something other than the set was in the
	// way.
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"` // why it is not proven
	// Excused is how many objects the verdict leaves out. They are down for lack of
	// something that a drill disables, or of a file that no export holds.
	Excused int `json:"excused,omitempty"`
}
