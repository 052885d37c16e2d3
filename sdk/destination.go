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
// A destination shows what else it can do by implementing [Sweeper], [Reader],
// [Lister], [Deleter], [Summer] and [LeftoverLister]; Describe tells the host.
// If it keeps files under names, build it on the package store, which implements
// all of these.
type Destination interface {
	// Check finds out whether a Store would succeed: it does with a few bytes
	// what a Store does, and says how much room is left and what a Store
	// cannot have there (durable, a file mode). It leaves nothing behind.
	Check(ctx context.Context) (*DestinationReport, error)
	// Store copies one local file to r.Path: all or nothing. It writes under
	// a temporary name in the final directory (made when missing), makes it
	// durable, verifies as r.Verify says and publishes by rename. When it
	// returns an error nothing stands under the final name that was not
	// there before, and the temporary object is removed if the server can
	// still be reached. A final name that holds the same content already is
	// a success; one that holds something else is failure.Exists.
	Store(ctx context.Context, r StoreRequest, progress func(bytes int64)) (*StoreReport, error)
	// Close releases the instance and its connections.
	Close() error
}

// Sweeper is a destination that may leave temporary objects behind.
type Sweeper interface {
	// Sweep removes temporary objects that this plugin left behind and that
	// are older than r.OlderThan. It never touches a final name.
	Sweep(ctx context.Context, r SweepRequest) (*SweepReport, error)
}

// Reader is a destination that gives back what it keeps.
type Reader interface {
	// Fetch copies one object to a new local file and returns its size and
	// SHA-256; failure.NotFound when it is not there.
	Fetch(ctx context.Context, r FetchRequest, progress func(int64)) (*FetchReport, error)
}

// Lister is a destination that tells what it keeps.
type Lister interface {
	// List gives every object below a prefix directory, in lexical order,
	// without temporary objects. A directory that is not there is empty.
	List(ctx context.Context, prefix string) ([]Object, error)
}

// Deleter is a destination that removes what it keeps.
type Deleter interface {
	// Delete removes one object; one that is not there is a success.
	Delete(ctx context.Context, path string) error
}

// Summer is a destination that reads what it keeps for its hash alone. Without
// it, an object is fetched to be checked.
type Summer interface {
	// Sum reads one object as the destination has it now and returns its size
	// and SHA-256; failure.NotFound when it is not there. It keeps nothing.
	Sum(ctx context.Context, path string, progress func(int64)) (*FetchReport, error)
}

// LeftoverLister is a destination that shows what a sweep could remove.
type LeftoverLister interface {
	// Leftovers gives every temporary object below a prefix directory, in lexical
	// order: of stores that did not end well, and of those under way.
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
	// Free and Total are -1 when the destination cannot tell.
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
	// Location is the destination as a person names it, for example "sftp://vault/srv/backups".
	Location string `json:"location"`
	// WriteOnly says why what is stored cannot be read back; empty: it can.
	// Such a destination is of use only with `verify = "sent"`.
	WriteOnly string   `json:"write_only,omitempty"`
	Warnings  []string `json:"warnings,omitempty"` // what an operator should know beforehand, a sentence each
}

// StoreRequest asks for one file to be stored.
type StoreRequest struct {
	Source string // absolute path of the local file
	Path   string // final name
	Size   int64  // bytes
	SHA256 string // lower-case hex
	Verify Verify // at least how; empty: read back
	// Owner marks temporary names as belonging to this task, for Sweep. It is any
	// text that is not empty: who makes it a part of a name escapes it.
	Owner string
}

// StoreReport says what stands at the destination now.
type StoreReport struct {
	Location string `json:"location"` // as a person names it
	Size     int64  `json:"size"`     // bytes
	SHA256   string `json:"sha256"`   // lower-case hex
	Verified Verify `json:"verified"` // what was done, no less than was asked for
	// Durable is false when the server could not be asked to make it durable.
	Durable bool `json:"durable"`
	// ModeKept is false when the copy has another file mode than it was to
	// have, or when its mode could not be read. It is true where files have no mode.
	ModeKept bool `json:"mode_kept"`
	// Existed is true when the same content stood there already.
	Existed bool `json:"existed,omitempty"`
	// Warnings say what an operator should know about this copy, for example
	// which mode it has. Durable needs no warning of its own.
	Warnings []string `json:"warnings,omitempty"`
}

// Object is one stored file.
type Object struct {
	Path     string    `json:"path"`     // relative to the configured directory, as in [StoreRequest]
	Size     int64     `json:"size"`     // bytes
	Modified time.Time `json:"modified"` // by the destination's clock; zero: it does not say
}

// FetchRequest asks for one object as a local file.
type FetchRequest struct {
	Path string // which object, as in [StoreRequest]
	File string // absolute path of a file that does not exist yet
}

// FetchReport describes what was fetched, or only read.
type FetchReport struct {
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // of what was received, lower-case hex
}

// SweepRequest bounds a sweep.
type SweepRequest struct {
	Prefix    string        // directory below which to look; empty: everywhere
	Owner     string        // only this owner's; empty: any owner's
	OlderThan time.Duration // only objects last changed longer ago
}

// SweepReport names what was removed.
type SweepReport struct {
	Removed []string `json:"removed,omitempty"` // paths of the temporary objects that are gone now
}
