// Package failure holds the typed failures that cross the plugin boundary.
//
// The host maps call and reason, or else the kind, to a status code. Texts
// decide nothing. The package is a leaf: plugins, host and machines all import
// it.
package failure

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the class of a failure. It decides about retries: unavailable and
// timeout may be tried again, denied never.
type Kind string

// The kinds. Every failure has one.
const (
	Unavailable  Kind = "unavailable"  // could not be reached, or went away
	Timeout      Kind = "timeout"      // reached, but did not answer within the limit
	Denied       Kind = "denied"       // credentials or permission refused; never retried
	NotFound     Kind = "not_found"    // the named thing does not exist
	Exists       Kind = "exists"       // something else is already there
	NoSpace      Kind = "no_space"     // no room
	Corrupt      Kind = "corrupt"      // data arrived and is wrong
	Precondition Kind = "precondition" // the state of the other side does not allow it
	Cancelled    Kind = "cancelled"    // given up on request
	Internal     Kind = "internal"     // a fault of the plugin or the host
)

// Kinds lists every kind, in the order of declaration.
func Kinds() []Kind {
	return []Kind{Unavailable, Timeout, Denied, NotFound, Exists, NoSpace, Corrupt, Precondition, Cancelled, Internal}
}

// Retryable reports whether a call that failed so may succeed when tried again.
func (k Kind) Retryable() bool { return k == Unavailable || k == Timeout }

// Reason says more than the kind. Each call has a closed list of reasons; empty: nothing
// more is known.
type Reason string

// The reasons. [Reasons] says which of them a call may give.
const (
	// Devices.
	BadCredentials  Reason = "bad_credentials"  // user or password refused
	BadCertificate  Reason = "bad_certificate"  // TLS verification failed
	BadReply        Reason = "bad_reply"        // the answer does not follow the protocol
	NotPermitted    Reason = "not_permitted"    // logged in, but the operation was refused
	UnknownDomain   Reason = "unknown_domain"   // no such domain on the device
	AlreadyQuiesced Reason = "already_quiesced" // quiesced by somebody else
	DeviceBusy      Reason = "device_busy"      // another command is running on the device
	NotDRMode       Reason = "not_dr_mode"      // secure backup mode is off
	NoCertificate   Reason = "no_certificate"   // the named certificate does not exist
	CertificateDown Reason = "certificate_down" // the certificate exists, but is down or expired
	ForeignBackup   Reason = "foreign_backup"   // traces of a secure backup that dprun did not make
	UnsavedChanges  Reason = "unsaved_changes"  // refused because of unsaved changes
	Unsupported     Reason = "unsupported"      // the device or the server cannot do this at all

	// Capture.
	DeviceError Reason = "device_error" // the device answered with an error
	EmptyFile   Reason = "empty_file"   // a file is empty
	WrongHash   Reason = "wrong_hash"   // a file's hash differs from the one that the device reports
	WrongSize   Reason = "wrong_size"   // a file's size differs from the one that the device reports
	MissingFile Reason = "missing_file" // a file that the device lists is missing
	BadArchive  Reason = "bad_archive"  // an archive cannot be read
	NotBase64   Reason = "not_base64"   // an answer should be base64 and is not
	DeviceSpace Reason = "device_space" // no room on the device
	StagingIO   Reason = "staging_io"   // writing to staging failed
	Stalled     Reason = "stalled"      // no byte for too long

	// Capture: well-formed data that is not what was asked for.
	EmptyArchive  Reason = "empty_archive"  // an archive without an entry
	NoDetails     Reason = "no_details"     // it does not say where it comes from
	NoFileList    Reason = "no_file_list"   // it does not list its files
	TrailingBytes Reason = "trailing_bytes" // something follows its end
	OtherDevice   Reason = "other_device"   // it comes from another device
	OtherDomain   Reason = "other_domain"   // it comes from another domain
	MissingDomain Reason = "missing_domain" // it lacks a domain that the device has
	ExtraDomain   Reason = "extra_domain"   // it holds a domain that was not asked for

	// Destinations.
	Unreachable Reason = "unreachable"
	NoDirectory Reason = "no_directory"  // the configured directory does not exist
	OutOfSpace  Reason = "no_space"      // no room, or the quota is used up
	ReadOnly    Reason = "read_only"     // the destination is read-only
	NoAccess    Reason = "denied"        // permission is missing
	Mismatch    Reason = "mismatch"      // the data read back differs from the data sent
	NotDurable  Reason = "not_durable"   // the server could not make it durable
	Occupied    Reason = "occupied"      // the final name already holds something else
	SourceIO    Reason = "source_io"     // the staged file could not be read
	NotMounted  Reason = "not_mounted"   // the path is not a live mount
	HostKey     Reason = "host_key"      // the server's key is unknown or changed
	NoSuchFile  Reason = "no_such_file"  // the named object does not exist
	ModeNotKept Reason = "mode_not_kept" // the copy has another file mode than the one that the plan requires

	// Hooks.
	NotExecutable Reason = "not_executable" // the command could not be started
	BadOutput     Reason = "bad_output"     // its outputs could not be read

	// Any call.
	BadConfig Reason = "bad_config"    // the configuration cannot be used
	Crashed   Reason = "plugin_failed" // the plugin's process ended
	Protocol  Reason = "protocol"      // the plugin broke the protocol
)

// Call names one call of the plugin protocol.
type Call string

// The calls.
const (
	CallConfigure        Call = "configure"         // make an instance
	CallInspect          Call = "inspect"           // [sdk.Source]'s Inspect
	CallCheck            Call = "check"             // of a source
	CallQuiesce          Call = "quiesce"           // its Quiesce
	CallUnquiesce        Call = "unquiesce"         // its Unquiesce
	CallQuiesceState     Call = "quiesce_state"     // its QuiesceState
	CallCapture          Call = "capture"           // its Capture
	CallDiscard          Call = "discard"           // its Discard
	CallHealth           Call = "health"            // Health, where it is offered
	CallPreflight        Call = "preflight"         // Preflight, where it is offered
	CallRehearse         Call = "rehearse"          // Rehearse, where it is offered
	CallImport           Call = "import"            // Import, where restores are offered
	CallResemble         Call = "resemble"          // Resembles, where restores are offered
	CallSave             Call = "save"              // Save, where restores are offered
	CallCreate           Call = "create"            // Create, where restores are offered
	CallDrop             Call = "drop"              // Drop, where restores are offered
	CallCheckDestination Call = "check_destination" // [sdk.Destination]'s Check
	CallStore            Call = "store"             // its Store
	CallFetch            Call = "fetch"             // Fetch, where it is offered
	CallList             Call = "list"              // List, where it is offered
	CallDelete           Call = "delete"            // Delete, where it is offered
	CallSweep            Call = "sweep"             // Sweep, where it is offered
	CallSum              Call = "sum"               // Sum, where it is offered
	CallRun              Call = "run"               // [sdk.Hook]'s Run
)

// Calls lists every call.
func Calls() []Call {
	return []Call{CallConfigure, CallInspect, CallCheck, CallQuiesce, CallUnquiesce, CallQuiesceState, CallCapture, CallDiscard, CallHealth, CallPreflight, CallRehearse,
		CallImport, CallResemble, CallSave, CallCreate, CallDrop,
		CallCheckDestination, CallStore, CallFetch, CallList, CallDelete, CallSweep, CallSum, CallRun}
}

var (
	anyReasons    = []Reason{"", BadConfig, Crashed, Protocol}
	deviceReasons = []Reason{BadCredentials, BadCertificate, BadReply, NotPermitted, UnknownDomain, DeviceBusy, DeviceError, Stalled}
	serverReasons = []Reason{Unreachable, Stalled, BadCredentials, HostKey, NoDirectory, NotMounted, ReadOnly, NoAccess, OutOfSpace, NoSuchFile, ModeNotKept, Unsupported}
)

// Reasons returns the closed list of reasons that a call may give, including the
// empty one.
func Reasons(c Call) []Reason {
	out := append([]Reason(nil), anyReasons...)
	switch c {
	case CallInspect:
		out = append(out, deviceReasons...)
		out = append(out, OtherDevice)
	case CallQuiesceState:
		out = append(out, deviceReasons...)
	case CallHealth, CallPreflight:
		out = append(out, deviceReasons...)
		out = append(out, Unsupported)
	case CallCheck:
		out = append(out, deviceReasons...)
		out = append(out, AlreadyQuiesced, NotDRMode, NoCertificate, CertificateDown, DeviceSpace, ForeignBackup, UnsavedChanges, Unsupported)
	case CallQuiesce, CallUnquiesce:
		out = append(out, deviceReasons...)
		out = append(out, AlreadyQuiesced, Unsupported)
	case CallCapture:
		out = append(out, deviceReasons...)
		out = append(out, EmptyFile, WrongHash, WrongSize, MissingFile, BadArchive, NotBase64, DeviceSpace, StagingIO, Unsupported, UnsavedChanges,
			EmptyArchive, NoDetails, NoFileList, TrailingBytes, OtherDevice, OtherDomain, MissingDomain, ExtraDomain)
	case CallRehearse, CallImport, CallResemble:
		out = append(out, deviceReasons...)
		out = append(out, EmptyFile, WrongHash, WrongSize, MissingFile, BadArchive, NotBase64, DeviceSpace, StagingIO, Unsupported,
			EmptyArchive, NoDetails, NoFileList, TrailingBytes, OtherDevice)
	case CallSave, CallCreate, CallDrop:
		out = append(out, deviceReasons...)
		out = append(out, Unsupported)
	case CallDiscard:
		out = append(out, deviceReasons...)
		out = append(out, ForeignBackup)
	case CallStore:
		out = append(out, serverReasons...)
		out = append(out, Mismatch, NotDurable, Occupied, SourceIO)
	case CallFetch:
		out = append(out, serverReasons...)
		out = append(out, Mismatch, StagingIO)
	case CallSum:
		out = append(out, serverReasons...)
		out = append(out, Mismatch)
	case CallCheckDestination, CallList, CallDelete, CallSweep:
		out = append(out, serverReasons...)
	case CallRun:
		out = append(out, NotExecutable, BadOutput)
	}
	return out
}

// Error is a failure with its class. Message says what was attempted, on what,
// and why it failed. Remedy says what the operator should do. Neither holds a
// secret.
type Error struct {
	Kind    Kind   `json:"kind"`             // the class: it decides about retries and, without a reason, about the status code
	Reason  Reason `json:"reason,omitempty"` // one of [Reasons] for the call; empty: nothing more is known
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`

	cause error
}

// Error returns the message and, if there is one, the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; " + e.Remedy
}

// Unwrap returns the cause. It is known only on the side where the failure happened,
// because it does not travel.
func (e *Error) Unwrap() error { return e.cause }

// New returns a failure with a formatted message; a %w operand becomes the cause.
func New(k Kind, r Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Reason: r, Message: err.Error(), cause: errors.Unwrap(err)}
}

// WithRemedy sets what the operator should do, and returns e.
func (e *Error) WithRemedy(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// From returns err as a failure: the one in its chain if there is one, the end
// of a context as a failure of its kind, anything else as internal. From(nil)
// is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	switch {
	case errors.As(err, &f):
		if f.Error() != err.Error() { // keep the text that wrappers added
			return &Error{Kind: f.Kind, Reason: f.Reason, Message: err.Error(), cause: err}
		}
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Timeout, Message: err.Error(), cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Cancelled, Message: err.Error(), cause: err}
	}
	return &Error{Kind: Internal, Message: err.Error(), cause: err}
}
