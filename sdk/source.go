package sdk

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/failure"
)

// Source is one configured device. Its methods may be called concurrently.
// Every error is a *failure.Error (anything else reaches the host as
// internal). One call is one request: the deadline is the context's; polling,
// retries and phase limits are the host's.
//
// Unstable in protocol version 1.
type Source interface {
	// Inspect reads facts and domains. It changes nothing on the device.
	Inspect(ctx context.Context, r InspectRequest) (*Inspection, error)
	// Check reads what decides whether and how an activity can run on a
	// target right now. It changes nothing on the device. Findings that
	// forbid the activity are failures with the reason; findings that the
	// host weighs (state, space, busy) are fields of the report.
	Check(ctx context.Context, r CheckRequest) (*CheckReport, error)
	// Quiesce asks the target to quiesce and returns when the device has
	// accepted; the state is then read with QuiesceState. deviceTimeout is
	// how long the device itself waits before it forces. A failure of kind
	// timeout or unavailable leaves open whether the device has accepted.
	Quiesce(ctx context.Context, t Target, deviceTimeout time.Duration) error
	// Unquiesce asks the target to come back and returns when the device has
	// accepted. On a target that is not quiesced it succeeds.
	Unquiesce(ctx context.Context, t Target) error
	// QuiesceState reads the state of the target. For a whole device it is
	// the state furthest from normal among its domains. Normal is said only of
	// what the device itself says it of: a domain that the answer leaves out,
	// and a word that is not known, are unknown.
	QuiesceState(ctx context.Context, t Target) (*QuiesceReport, error)
	// Capture makes one artifact set in r.Dir, an empty private directory,
	// and verifies it as far as the source can. On failure what is left in
	// r.Dir is discarded by the host. emit reports progress; it may be
	// called from one goroutine at a time and never after Capture returned.
	Capture(ctx context.Context, r CaptureRequest, emit func(CaptureProgress)) (*Capture, error)
	// Discard removes the files that a capture left on the device.
	Discard(ctx context.Context, token string) error
	// Close releases the instance.
	Close() error
}

// Target is a domain of the device, or the whole device.
type Target struct {
	Domain string `json:"domain,omitempty"` // empty: the whole device
}

// Device reports whether the target is the whole device.
func (t Target) Device() bool { return t.Domain == "" }

// QuiesceState is the state of a domain or device as the appliance tells it.
type QuiesceState string

// The quiesce states.
const (
	StateNormal      QuiesceState = "normal"      // in service
	StateQuiescing   QuiesceState = "quiescing"   // on its way down
	StateQuiesced    QuiesceState = "quiesced"    // out of service
	StateUnquiescing QuiesceState = "unquiescing" // on its way back
	StateError       QuiesceState = "error"       // the device says that a quiesce or unquiesce failed
	StateUnknown     QuiesceState = "unknown"     // not readable; counts as not in service
)

// QuiesceReport is a reading of quiesce states.
type QuiesceReport struct {
	State QuiesceState `json:"state"` // of the target
	// Domains holds the state of every domain that the device listed and that
	// belongs to the target. A domain that is missing here was not listed:
	// whoever saw it down compares.
	Domains map[string]QuiesceState `json:"domains,omitempty"`
	// Detail says what the device left out or what it said instead, if a state
	// is unknown.
	Detail string `json:"detail,omitempty"`
}

// InspectRequest says what of a device matters.
type InspectRequest struct {
	// Domains are globs, in which * stands for any text: whether API Connect
	// manages a domain is read of those that one fits, and taken to be false of
	// all others. All domains are listed.
	Domains []string
	// Drill says that the device is about to be drilled on: whether it is marked
	// for that is read.
	Drill bool
}

// Inspection is what a device says about itself. Sizes are bytes.
type Inspection struct {
	Facts   Facts    `json:"facts"`   // what identifies the device
	Domains []Domain `json:"domains"` // all of them, each once
	// Unread lists what could not be read, and why. A fact that stands here
	// is unknown, whatever its field says.
	Unread []Unread `json:"unread,omitempty"`
}

// Unread is a fact that could not be read.
type Unread struct {
	Fact    Fact           `json:"fact"`             // which one
	Domain  string         `json:"domain,omitempty"` // empty: of the device
	Failure *failure.Error `json:"failure"`          // why
}

// Fact names what an inspection reads beside the domains.
type Fact string

// The facts that may be unread.
const (
	FactFirmware   Fact = "firmware"      // serial, model, firmware, build
	FactSpace      Fact = "space"         // free and total space
	FactSettings   Fact = "settings"      // device name, backup mode, whether it is a container
	FactAPIConnect Fact = "api_connect"   // whether API Connect manages a domain
	FactDrill      Fact = "drill_gateway" // whether the device is marked for drills
)

// Facts identify a device and tell what it can do.
type Facts struct {
	// Identity names the box itself, whatever name a plan gives it: serial
	// number and device name, or the TLS certificate's SHA-256 for
	// containers, which all share one serial number.
	Identity       string         `json:"identity"`
	DeviceName     string         `json:"device_name,omitempty"`     // what its administrators call it
	Serial         string         `json:"serial,omitempty"`          // "0000000" on what is no appliance
	Model          string         `json:"model,omitempty"`           // the machine type
	Firmware       string         `json:"firmware,omitempty"`        // the version
	FirmwareBuild  string         `json:"firmware_build,omitempty"`  // the build's number
	Container      bool           `json:"container,omitempty"`       // it runs as one
	BackupMode     string         `json:"backup_mode,omitempty"`     // "normal", "secure" or empty when not readable
	Space          Space          `json:"space"`                     // its file systems
	CurrentCommand string         `json:"current_command,omitempty"` // a command that runs on the device
	Clock          time.Time      `json:"clock,omitzero"`            // the device's clock
	TLSFingerprint string         `json:"tls_fingerprint,omitempty"` // SHA-256 of the certificate, hex
	Extra          map[string]any `json:"extra,omitempty"`           // more, for reports
	// DrillGateway says that the device itself holds the object by which its
	// administrators mark it for drills: backups of others may be imported there
	// for a trial. It is read where that is asked for.
	DrillGateway bool `json:"drill_gateway,omitempty"`
}

// Space is the device's file systems, in bytes; a negative value is unknown.
type Space struct {
	FreeTemporary  int64 `json:"free_temporary"`  // of temporary:, bytes
	TotalTemporary int64 `json:"total_temporary"` // bytes
	FreeInternal   int64 `json:"free_internal"`   // of the internal disk, bytes
	TotalInternal  int64 `json:"total_internal"`  // bytes
}

// Domain is one domain of a device.
type Domain struct {
	Name           string       `json:"name"`                      // unique on the device
	QuiesceState   QuiesceState `json:"quiesce_state"`             // now
	SaveNeeded     bool         `json:"save_needed,omitempty"`     // it has changes that are not saved
	APIConnect     bool         `json:"api_connect,omitempty"`     // see [InspectRequest]
	CurrentCommand string       `json:"current_command,omitempty"` // a command that runs in it; empty: none
}

// CheckRequest asks whether an activity can run on a target.
type CheckRequest struct {
	Activity string    // the activity's type
	Config   cty.Value // of the activity's schema
	Target   Target    // the domain, or the whole device
	// Quiesce says that the target is to be quiesced: the report then also says
	// what speaks against that. Without it nothing of that is read.
	Quiesce bool
	// LastSize is the size of the last good backup of this target, in bytes; 0:
	// unknown.
	LastSize int64
}

// FailoverRole is the part that a target has in the groups of devices that
// stand in for each other: standby groups, gateway peerings, quota enforcement.
type FailoverRole string

// The roles. Empty: the target is in no such group.
const (
	RoleStandby FailoverRole = "standby" // another member has the work
	RoleActive  FailoverRole = "active"  // active member or primary of one group at least
	RoleUnknown FailoverRole = "unknown" // not readable; counts as active
)

// CheckReport is the state of a target right before an activity.
type CheckReport struct {
	Quiesce        QuiesceReport `json:"quiesce"`                   // the state now
	SaveNeeded     bool          `json:"save_needed,omitempty"`     // there are changes that are not saved
	CurrentCommand string        `json:"current_command,omitempty"` // a command that runs there; empty: none
	Space          Space         `json:"space"`                     // what is free now
	// Variants are the captures to make, in order: "persisted" and "running"
	// for exports, "secure_backup".
	Variants []string `json:"variants"`
	// Estimate is the expected size of all captures together, in bytes; 0: unknown.
	Estimate int64 `json:"estimate,omitempty"`
	// KeepTemporary is how many bytes of temporary space must stay free: the
	// device's own limit, below which it turns traffic away and restarts. 0: none.
	KeepTemporary int64 `json:"keep_temporary,omitempty"`
	// Leftovers name the files that dprun itself left on the device, with their
	// size. They are read where room is short.
	Leftovers []string `json:"leftovers,omitempty"`
	// Token names what a capture that is not repeated (a secure backup) will
	// leave on the device, for Discard; empty: nothing. It is owed from before
	// the capture is asked for, so that nothing is left however the run ends.
	Token string `json:"token,omitempty"`
	// Warnings end up beside a SUCCESS.
	Warnings []string `json:"warnings,omitempty"`

	// The following fields answer a request with Quiesce only.

	// Role is the target's part in failover groups: of a domain, in its own and
	// in those of the device; of a device, in all. RoleDetail says which group
	// decides it, or why it could not be read.
	Role       FailoverRole `json:"role,omitempty"`
	RoleDetail string       `json:"role_detail,omitempty"`
	// APIConnect lists the domains of a device that API Connect manages: they go
	// down with it. APIConnectUnknown says why some domain could not be read;
	// empty: all were.
	APIConnect        []string `json:"api_connect,omitempty"`
	APIConnectUnknown string   `json:"api_connect_unknown,omitempty"`
	// Busy says that the device does other work that ends: the host waits.
	// BusyWith says in one sentence each what the device does, waited for or not.
	Busy     bool     `json:"busy,omitempty"`
	BusyWith []string `json:"busy_with,omitempty"`
}

// The capture variants that the status table knows.
const (
	VariantPersisted    = "persisted"     // the saved configuration
	VariantRunning      = "running"       // the running configuration
	VariantSecureBackup = "secure_backup" // a secure backup
)

// CaptureRequest asks for one variant of an activity's artifacts.
type CaptureRequest struct {
	Activity string    // its type
	Config   cty.Value // of the activity's schema
	Target   Target    // the domain, or the whole device
	Variant  string    // one of those that Check named
	Dir      string    // absolute, empty, private to this capture
	// Owner marks what the capture leaves on the device as ours: run and task.
	Owner string
	// MaxBytes bounds what may be written to Dir; 0: no bound.
	MaxBytes int64
}

// CaptureProgress is one event of a running capture.
type CaptureProgress struct {
	// Bytes written to Dir so far, and the total where it is known (else 0).
	Bytes int64 `json:"bytes,omitempty"`
	Total int64 `json:"total,omitempty"` // see Bytes
	// DeviceDone is true from the moment the device itself has nothing more
	// to do (a secure backup's manifest is there): it may come back.
	DeviceDone bool `json:"device_done,omitempty"`
	// Token, once not empty, names files on the device that Discard removes.
	Token string `json:"token,omitempty"`
	// Message is one line for the log.
	Message string `json:"message,omitempty"`
}

// Capture is the result of a capture: regular files below the directory.
type Capture struct {
	Artifacts []Artifact `json:"artifacts"`          // every file below the directory
	Warnings  []string   `json:"warnings,omitempty"` // end up beside a SUCCESS
	Token     string     `json:"token,omitempty"`    // as in [CaptureProgress]
	// Withheld names the files that the device has and does not give out, such
	// as keys: whoever restores must bring them along.
	Withheld []string `json:"withheld,omitempty"`
}

// Artifact is one captured file. The host measures and hashes it itself; a
// difference is corrupt.
type Artifact struct {
	Name   string `json:"name"`   // slash-separated, relative to the directory
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}
