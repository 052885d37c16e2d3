package sdk

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/failure"
)

// Source is one configured device. Its methods may be called concurrently.
// Every error is a *failure.Error; any other error reaches the host as
// internal. One call is one request, and its deadline is the context's. The
// host does the polling and the retries and sets the limits of phases.
//
// Unstable in protocol version 1.
type Source interface {
	// Inspect reads facts and domains. It changes nothing on the device.
	Inspect(ctx context.Context, r InspectRequest) (*Inspection, error)
	// Check reads what decides whether and how an activity can run on a target
	// right now. It changes nothing on the device. A finding that forbids the
	// activity is a failure with the reason; what the host weighs itself
	// (state, space, busy) is a field of the report.
	Check(ctx context.Context, r CheckRequest) (*CheckReport, error)
	// Quiesce asks the target to quiesce and returns when the device has
	// accepted; QuiesceState then reads the state. deviceTimeout is how long
	// the device itself waits before it forces the quiesce. After a failure of
	// kind timeout or unavailable the device may or may not have accepted.
	Quiesce(ctx context.Context, t Target, deviceTimeout time.Duration) error
	// Unquiesce asks the target to come back and returns when the device has
	// accepted. It succeeds on a target that is not quiesced.
	Unquiesce(ctx context.Context, t Target) error
	// QuiesceState reads the state of the target. The state of a whole device
	// is the one furthest from normal among its domains. A domain is normal
	// only if the device says so: a domain that is missing from the answer is
	// unknown, and so is a state that this code does not know.
	QuiesceState(ctx context.Context, t Target) (*QuiesceReport, error)
	// Capture makes one artifact set in r.Dir, an empty private directory, and
	// verifies it as far as the source can. After a failure the host discards
	// the content of r.Dir. emit reports progress; it may be called from one
	// goroutine at a time, and never after Capture has returned.
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

// QuiesceState is the state of a domain or device as the appliance reports it.
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
	// Domains holds the state of every domain that belongs to the target and
	// that the device listed. The caller compares it with the domains that it
	// saw going down: the device did not list those that are missing here.
	Domains map[string]QuiesceState `json:"domains,omitempty"`
	// If a state is unknown, Detail says what the device left out or what it
	// said instead.
	Detail string `json:"detail,omitempty"`
}

// InspectRequest says which facts of a device the host needs.
type InspectRequest struct {
	// Domains are globs, in which * stands for any text. Only for domains that
	// match one is it read whether API Connect manages them; for all others
	// APIConnect is false. All domains are listed.
	Domains []string
	// Drill asks whether the device is marked for drills.
	Drill bool
}

// Inspection is what a device says about itself. Sizes are bytes.
type Inspection struct {
	Facts   Facts    `json:"facts"`   // what identifies the device
	Domains []Domain `json:"domains"` // all of them, each once
	// Unread lists what could not be read, and why. A fact listed here is
	// unknown, whatever its field says.
	Unread []Unread `json:"unread,omitempty"`
}

// Unread is a fact that could not be read.
type Unread struct {
	Fact    Fact           `json:"fact"`             // which one
	Domain  string         `json:"domain,omitempty"` // empty: of the device
	Failure *failure.Error `json:"failure"`          // why
}

// Fact names what an inspection reads besides the domains.
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
	// Identity identifies the box itself, whatever name a plan gives it. It is
	// made of serial number and device name; for containers, which all share
	// one serial number, it is the SHA-256 of the TLS certificate.
	Identity       string         `json:"identity"`
	DeviceName     string         `json:"device_name,omitempty"`     // what its administrators call it
	Serial         string         `json:"serial,omitempty"`          // "0000000" unless it is an appliance
	Model          string         `json:"model,omitempty"`           // the machine type
	Firmware       string         `json:"firmware,omitempty"`        // the version
	FirmwareBuild  string         `json:"firmware_build,omitempty"`  // the build's number
	Container      bool           `json:"container,omitempty"`       // it runs as a container
	BackupMode     string         `json:"backup_mode,omitempty"`     // "normal", "secure" or empty when not readable
	Space          Space          `json:"space"`                     // its file systems
	CurrentCommand string         `json:"current_command,omitempty"` // a command that runs on the device
	Clock          time.Time      `json:"clock,omitzero"`            // the device's clock
	TLSFingerprint string         `json:"tls_fingerprint,omitempty"` // SHA-256 of the certificate, hex
	Extra          map[string]any `json:"extra,omitempty"`           // more, for reports
	// DrillGateway is true if the device holds the object with which its
	// administrators mark it for drills, which allows trial imports of other
	// devices' backups. It is read only if [InspectRequest] asks for it.
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
	SaveNeeded     bool         `json:"save_needed,omitempty"`     // it has unsaved changes
	APIConnect     bool         `json:"api_connect,omitempty"`     // see [InspectRequest]
	CurrentCommand string       `json:"current_command,omitempty"` // a command that runs in it; empty: none
}

// CheckRequest asks whether an activity can run on a target.
type CheckRequest struct {
	Activity string    // the activity's type
	Config   cty.Value // of the activity's schema
	Target   Target    // the domain, or the whole device
	// Quiesce says that the target is to be quiesced. The report then also says
	// what speaks against it; otherwise none of that is read.
	Quiesce bool
	// LastSize is the size of the last good backup of this target, in bytes; 0:
	// unknown.
	LastSize int64
}

// FailoverRole is the role of a target in the groups whose members stand in for
// each other: standby groups, gateway peerings, quota enforcement.
type FailoverRole string

// The roles. Empty: the target belongs to no such group.
const (
	RoleStandby FailoverRole = "standby" // another member does the work
	RoleActive  FailoverRole = "active"  // active member or primary of at least one group
	RoleUnknown FailoverRole = "unknown" // not readable; counts as active
)

// CheckReport is the state of a target right before an activity.
type CheckReport struct {
	Quiesce        QuiesceReport `json:"quiesce"`                   // the state now
	SaveNeeded     bool          `json:"save_needed,omitempty"`     // there are unsaved changes
	CurrentCommand string        `json:"current_command,omitempty"` // a command that runs there; empty: none
	Space          Space         `json:"space"`                     // what is free now
	// Variants are the captures to make, in order: "persisted" and "running"
	// for exports, "secure_backup".
	Variants []string `json:"variants"`
	// Estimate is the expected size of all captures together, in bytes; 0: unknown.
	Estimate int64 `json:"estimate,omitempty"`
	// KeepTemporary is how many bytes of temporary space must stay free; 0: no
	// limit. Below this limit of its own the device turns traffic away and
	// restarts.
	KeepTemporary int64 `json:"keep_temporary,omitempty"`
	// Leftovers lists the files that dprun itself left on the device, with
	// their sizes. They are read only if room is short.
	Leftovers []string `json:"leftovers,omitempty"`
	// Token names what a capture that is never repeated (a secure backup) will
	// leave on the device, for Discard; empty: nothing. The host records it
	// before it asks for the capture, so that the files are removed however the
	// run ends.
	Token string `json:"token,omitempty"`
	// Warnings are shown beside a SUCCESS.
	Warnings []string `json:"warnings,omitempty"`

	// The following fields are set only if the request has Quiesce.

	// Role is the target's role in failover groups. For a domain it counts the
	// groups of the domain and of the device; for a device, all of them.
	// RoleDetail says which group decides it, or why it could not be read.
	Role       FailoverRole `json:"role,omitempty"`
	RoleDetail string       `json:"role_detail,omitempty"`
	// APIConnect lists the domains of a device that API Connect manages: a
	// quiesce of the device takes them down too. APIConnectUnknown says why
	// some domain could not be read; empty: all were read.
	APIConnect        []string `json:"api_connect,omitempty"`
	APIConnectUnknown string   `json:"api_connect_unknown,omitempty"`
	// Busy says that the device is doing work that will end, so the host waits.
	// BusyWith lists what the device is doing, a sentence each, also work that
	// the host does not wait for.
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
	Variant  string    // one of the variants that Check named
	Dir      string    // absolute, empty, private to this capture
	// Owner marks files that the capture leaves on the device as ours. It names
	// run and task.
	Owner string
	// MaxBytes bounds what may be written to Dir; 0: no bound.
	MaxBytes int64
}

// CaptureProgress is one event of a running capture.
type CaptureProgress struct {
	// Bytes is how many were written to Dir so far.
	Bytes int64 `json:"bytes,omitempty"`
	Total int64 `json:"total,omitempty"` // bytes; 0: not known
	// DeviceDone becomes true when the device itself has finished (the manifest
	// of a secure backup exists): the target may then be unquiesced.
	DeviceDone bool `json:"device_done,omitempty"`
	// Token, if not empty, names files on the device that Discard removes.
	Token string `json:"token,omitempty"`
	// Message is one line for the log.
	Message string `json:"message,omitempty"`
}

// Capture is the result of a capture: regular files below the directory.
type Capture struct {
	Artifacts []Artifact `json:"artifacts"`          // every file below the directory
	Warnings  []string   `json:"warnings,omitempty"` // shown beside a SUCCESS
	Token     string     `json:"token,omitempty"`    // as in [CaptureProgress]
	// Withheld lists files, such as keys, that the device holds and does not
	// hand out. A restore needs them from elsewhere.
	Withheld []string `json:"withheld,omitempty"`
}

// Artifact is one captured file. The host measures and hashes it itself; if the
// values differ, the artifact is corrupt.
type Artifact struct {
	Name   string `json:"name"`   // slash-separated, relative to the directory
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}
