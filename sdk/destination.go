package sdk

import (
	"context"
	"time"
)

// Destination is one configured place for files. Its methods may be called
// concurrently. Every error is a *failure.Error. Paths are slash-separated and
// relative to the configured directory. The host has already escaped their
// components and refuses "..", but a plugin checks again.
//
// A destination offers more by implementing [Sweeper], [Reader], [Lister],
// [Deleter], [Summer] and [LeftoverLister]; Describe tells the host. If it
// keeps files under names, build it on the package store, which implements all
// of these.
type Destination interface {
	// Check finds out whether a Store would succeed. It does what a Store does,
	// with a few bytes, and leaves nothing behind. It reports how much room is
	// left and which guarantees a Store cannot give there (durability, the file
	// mode).
	Check(ctx context.Context) (*DestinationReport, error)
	// Store copies one local file to r.Path: all or nothing. It writes under a
	// temporary name in the final directory (made when missing), makes the copy
	// durable, verifies it as r.Verify says and publishes it by rename. After
	// an error the final name holds what it held before, and the temporary
	// object is removed if the server can still be reached. If the final name
	// already holds the same content, Store succeeds; if it holds something
	// else, Store fails with failure.Exists.
	Store(ctx context.Context, r StoreRequest, progress func(bytes int64)) (*StoreReport, error)
	// Close releases the instance and its connections.
	Close() error
}

// Sweeper is a destination that can remove temporary objects left behind.
type Sweeper interface {
	// Sweep removes temporary objects that this plugin left behind and that are
	// older than r.OlderThan. It never touches a final name.
	Sweep(ctx context.Context, r SweepRequest) (*SweepReport, error)
}

// Reader is a destination from which stored objects can be copied back.
type Reader interface {
	// Fetch copies one object to a new local file and returns its size and
	// SHA-256. If the object is missing it fails with failure.NotFound.
	Fetch(ctx context.Context, r FetchRequest, progress func(int64)) (*FetchReport, error)
}

// Lister is a destination that can list its stored objects.
type Lister interface {
	// List returns every object below a prefix directory, in lexical order,
	// without temporary objects. A missing directory counts as empty.
	List(ctx context.Context, prefix string) ([]Object, error)
}

// Deleter is a destination from which stored objects can be removed.
type Deleter interface {
	// Delete removes one object. If the object is missing it succeeds.
	Delete(ctx context.Context, path string) error
}

// Summer is a destination that can hash an object without handing out a copy.
// Without it, checking an object means fetching it.
type Summer interface {
	// Sum reads one object as the destination holds it now and returns its size
	// and SHA-256. It keeps no copy. If the object is missing it fails with
	// failure.NotFound.
	Sum(ctx context.Context, path string, progress func(int64)) (*FetchReport, error)
}

// LeftoverLister is a destination that can list what a sweep could remove.
type LeftoverLister interface {
	// Leftovers returns every temporary object below a prefix directory, in
	// lexical order. They belong to stores that failed and to stores under way.
	Leftovers(ctx context.Context, prefix string) ([]Object, error)
}

// Verify says how a stored copy is verified before it is published.
type Verify string

// The ways of verification.
const (
	// VerifyReadBack reads the temporary object again from the server and hashes it.
	VerifyReadBack Verify = "read_back"
	// VerifySent trusts the hash of the bytes sent and the server's size.
	VerifySent Verify = "sent"
)

// DestinationReport is the state of a destination. Sizes are bytes.
type DestinationReport struct {
	// Free and Total are -1 if the destination cannot tell.
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
	// Location is the destination as a person names it, for example "sftp://vault/srv/backups".
	Location string `json:"location"`
	// WriteOnly says why stored objects cannot be read back; empty: they can.
	// Such a destination works only with `verify = "sent"`.
	WriteOnly string   `json:"write_only,omitempty"`
	Warnings  []string `json:"warnings,omitempty"` // what an operator should know beforehand, a sentence each
}

// StoreRequest asks for one file to be stored.
type StoreRequest struct {
	Source string // absolute path of the local file
	Path   string // final name
	Size   int64  // bytes
	SHA256 string // lower-case hex
	Verify Verify // the least verification required; empty: read back
	// Owner marks temporary names as belonging to this task, for Sweep. It is
	// any text that is not empty. A plugin that puts it into a name escapes it.
	Owner string
}

// StoreReport describes the stored copy.
type StoreReport struct {
	Location string `json:"location"` // as a person names it
	Size     int64  `json:"size"`     // bytes
	SHA256   string `json:"sha256"`   // lower-case hex
	Verified Verify `json:"verified"` // how it was verified: at least as r.Verify asked
	// Durable is false if the server could not be asked to make the copy durable, or
	// refused.
	Durable bool `json:"durable"`
	// ModeKept is false if the copy has a file mode other than the intended
	// one, or if its mode could not be read. It is true where files have no
	// mode.
	ModeKept bool `json:"mode_kept"`
	// Existed is true if the same content was there already.
	Existed bool `json:"existed,omitempty"`
	// Warnings say what an operator should know about this copy, for example
	// its file mode. A copy that is not Durable needs no warning of its own.
	Warnings []string `json:"warnings,omitempty"`
}

// Object is one stored file.
type Object struct {
	Path     string    `json:"path"`     // relative to the configured directory, as in [StoreRequest]
	Size     int64     `json:"size"`     // bytes
	Modified time.Time `json:"modified"` // by the destination's clock; zero: not told
}

// FetchRequest asks for one object as a local file.
type FetchRequest struct {
	Path string // which object, as in [StoreRequest]
	File string // absolute path of a file that does not exist yet
}

// FetchReport describes an object that was fetched or read.
type FetchReport struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // of what was received, lower-case hex
}

// SweepRequest bounds a sweep.
type SweepRequest struct {
	Prefix    string        // directory to look below; empty: everywhere
	Owner     string        // only this owner's; empty: any owner's
	OlderThan time.Duration // only objects last changed longer ago
}

// SweepReport lists the removed objects.
type SweepReport struct {
	Removed []string `json:"removed,omitempty"` // their paths
}
