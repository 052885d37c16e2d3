package store

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// Files is a directory at a destination. Names are relative to it and
// slash-separated; "" is the directory itself. Its methods may be called
// concurrently. Each method ends soon after its context: from then on, reading
// from Put's source and writing to Get's writer fail.
//
// Errors. The caller repeats no operation after an error; an implementation that
// knows a repetition to be harmless repeats inside. A
// *failure.Error gives kind, reason and remedy, and its message says why; the
// caller puts in front of it what was attempted on what. Every other error is
// classified by [Explain], which knows those of the os package. A missing name
// is reported with fs.ErrNotExist, or with the kind not_found and the reason
// no_such_file.
type Files interface {
	Names
	// Mkdir makes sure that a directory exists, with those between it and the
	// top. If the top itself is missing, it fails with fs.ErrNotExist: the top
	// may be a mount. If a file is in the way, it fails with fs.ErrExist.
	Mkdir(ctx context.Context, dir string) error
	// Put makes a new file of size bytes and returns how the destination then
	// describes it. The file gets its final mode before it gets any content.
	// src also is an io.WriterTo, which costs less if the writer is an
	// io.ReaderFrom. It may be read more than once and from many goroutines.
	// After an error a part of the file may exist; the caller removes it with
	// Remove.
	Put(ctx context.Context, name string, src io.ReaderAt, size int64) (Info, error)
	// Publish gives a file its final name in the same directory and takes the
	// temporary name away. If the final name is taken, it fails with fs.ErrExist.
	// After another error the file may have either name.
	Publish(ctx context.Context, temporary, final string) error
}

// Names are what [Files] and [Objects] have in common.
type Names interface {
	// Location returns the name of a file as a person would write it.
	Location(name string) string
	// Get writes a file to w, in order, as the destination has it now,
	// bypassing any cache of what was written. It returns how many bytes the
	// file has. expect is the expected number, so that requests can be sent
	// ahead; Get need not read further than one byte beyond it.
	Get(ctx context.Context, name string, expect int64, w io.Writer) (int64, error)
	// Remove removes a file.
	Remove(ctx context.Context, name string) error
	// Stat describes a name; it does not follow links.
	Stat(ctx context.Context, name string) (Info, error)
	// List describes the content of one directory. Where directories are only
	// parts of names it may return everything below instead, with names
	// relative to dir.
	List(ctx context.Context, dir string) ([]Info, error)
}

// Objects are the operations of an object store. It keeps whole objects that
// are never renamed. It has no directories: a name is a directory while other
// names begin with it and a slash. Errors follow the rules of [Files].
// [NewObjects] makes a destination of them.
type Objects interface {
	Names
	// Create makes an object under its final name: all of it or nothing. If the
	// name is taken it fails with fs.ErrExist, however many callers try at the
	// same time. After another error the whole object may exist; the caller
	// looks.
	//
	// Once all of c was read, ctx lives a minute longer than the call, because
	// a cut half way would leave the outcome unknown. An object with the name
	// temporary records what must be cleaned up if the process is killed;
	// Remove of that name cleans it up.
	Create(ctx context.Context, temporary, final string, c Content) (Info, error)
	// Probe finds out whether the destination supports everything else that
	// Create relies on. Two calls of Create have shown already that it stores
	// small objects and refuses a name that is taken; taken is an existing
	// object. Probe leaves nothing behind. Its warnings say, a sentence each,
	// what a later Create cannot do.
	Probe(ctx context.Context, taken string) (warnings []string, err error)
}

// Content is a local file on its way to [Objects]. Bytes that are read through
// the ReaderAt count as sent; they may be read more than once.
type Content struct {
	io.ReaderAt
	// Local reads the same bytes without counting them, for checksums that must
	// be known before anything is sent.
	Local io.ReaderAt
	Size  int64 // bytes
	// SHA256 is lower-case hex. It has been compared with the content of Local.
	SHA256 string
}

// Info describes a file or a directory.
type Info struct {
	Name     string    // last component; used only for List
	Size     int64     // bytes
	Modified time.Time // by the destination's clock; zero: not told
	Dir      bool      // it is a directory
	Regular  bool      // it is a regular file, not a link, pipe or the like
	// Mode holds the permissions; 0: not told.
	Mode fs.FileMode
	// Durable says whether the content survives a power failure.
	Durable Durability
	// Unconfirmed says that the destination did not compare a checksum with the
	// new object. The object is then read back, whatever the request says.
	Unconfirmed bool
	// Unfit says why an object does not count as a stored copy, whatever it holds;
	// nil: it does.
	Unfit error
}

// Durability says whether something survives a power failure.
type Durability int

const (
	// Unasked is for files with a [Syncer], and for files that cannot tell.
	// Without a Syncer it counts as No.
	Unasked Durability = iota
	// No says that the destination cannot be asked to make it durable, or has
	// refused.
	No
	// Yes says that the destination has it on disk, as far as it can tell.
	Yes
)

// Syncer is implemented by files that can be made durable one by one, and whose
// names must be made durable too.
type Syncer interface {
	// Sync makes the content of a file or the names in a directory durable; ""
	// is the top. It returns false if the destination cannot be asked to do
	// this.
	Sync(ctx context.Context, name string) (bool, error)
}

// Spacer is implemented by files that know how much room there is.
type Spacer interface {
	// Space returns bytes; -1: not known.
	Space(ctx context.Context, dir string) (free, total int64, err error)
}

// DirRemover is implemented by files whose directories can be removed, so that
// [Destination.Check] can try to make one. Without it, Check makes none.
type DirRemover interface {
	// RemoveDir removes an empty directory.
	RemoveDir(ctx context.Context, dir string) error
}

// Open opens the files for one call of the destination, through one connection
// if it needs connections. release gives them back. The message of its error
// says on its own what was attempted.
type Open func(ctx context.Context) (files Files, release func(), err error)

// Always returns an [Open] for files that need no opening.
func Always(f Files) Open {
	return func(context.Context) (Files, func(), error) { return f, func() {}, nil }
}
