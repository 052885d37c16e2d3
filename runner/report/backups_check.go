package report

// BackupFault is one thing that is wrong with what stands at a destination.
type BackupFault struct {
	Destination string `json:"destination"`
	Kind        string `json:"kind"` // missing, altered, truncated, moved, planted, unknown_set, foreign_set, stray, partial, elsewhere, not_checked
	// Grave is false where nobody knows whether anything is wrong: strays, partials, sets of another state directory, copies elsewhere.
	Grave  bool   `json:"grave"`
	Set    string `json:"set,omitempty"`    // the set that it is a fault of
	Device string `json:"device,omitempty"` // the set's
	Domain string `json:"domain,omitempty"` // the set's
	Path   string `json:"path,omitempty"`   // relative to the destination
	Why    string `json:"why"`
	Remedy string `json:"remedy,omitempty"`
}

// CheckedDestination says how the backups at one destination stand.
type CheckedDestination struct {
	Destination string `json:"destination"`
	Root        string `json:"root,omitempty"` // as it names itself; absent: it was not reached
	Copies      int    `json:"copies"`         // that should be there
	Whole       int    `json:"whole"`
	Missing     int    `json:"missing"`
	Altered     int    `json:"altered"`
	NotChecked  int    `json:"not_checked"`
	Untrusted   int    `json:"untrusted,omitempty"` // of the whole ones, those that were found there and carry no signature that counts
	Faults      int    `json:"faults"`              // all that were named
	Read        int    `json:"read"`                // copies of which every byte was read
	ReadBytes   int64  `json:"read_bytes"`          // of them
}

// FetchedBackup is a set that was fetched.
type FetchedBackup struct {
	Set         string   `json:"set"`
	Device      string   `json:"device"`
	Domain      string   `json:"domain,omitempty"`
	Captured    string   `json:"captured"`              // RFC 3339, UTC
	Destination string   `json:"destination,omitempty"` // where it came from; absent: all of it was there already
	Dir         string   `json:"dir"`
	Files       []string `json:"files"`                 // below dir, the manifest last
	Encrypted   bool     `json:"encrypted,omitempty"`   // the files are encrypted, as they are stored
	Existed     bool     `json:"existed,omitempty"`     // all of it was there already
	NoManifest  bool     `json:"no_manifest,omitempty"` // it was compared with what the import found: no checksum is known from the time of the backup
}
