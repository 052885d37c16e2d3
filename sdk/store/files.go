package store

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// Files is a directory at a destination. Names are relative to it and
// slash-separated; "" is the directory itself. Its methods may be called
// concurrently, and each ends soon after its context: reading from what Put
// sends and writing to what Get fills fails from then on.
//
// Errors. None of the operations is repeated, here or by the caller: who
// knows that a repetition is harmless repeats inside. A *failure.Error gives
// kind, reason and remedy, and says in its message why; what was attempted on
// what stands before it already. Every other error is classified by
// [Explain], which knows those of the os package. That a name is not there is
// told with fs.ErrNotExist, or with the kind not_found and the reason
// no_such_file.
type Files interface {
	// Location names a file as a person does.
	Location(name string) string
	// Mkdir makes sure that a directory is there, and those between it and
	// the top. The top itself is fs.ErrNotExist where it is missing: it may be
	// a mount. A file that stands in the way is fs.ErrExist.
	Mkdir(ctx context.Context, dir string) error
	// Put makes a new file of size bytes, with the mode that files are to have
	// before there is anything in it, and says how the destination describes
	// it then. src is an io.WriterTo too, which is cheaper where the writer is
	// an io.ReaderFrom. It may be read more than once and from many
	// goroutines. After an error there may be a part of the file; it is
	// removed with Remove.
	Put(ctx context.Context, name string, src io.ReaderAt, size int64) (Info, error)
	// Get writes a file to w, in order, as the destination has it now, past
	// whatever cache it wrote through. It returns how many bytes the file has:
	// expect is how many it should have, by which requests can be sent ahead,
	// and further than one byte beyond that it need not look.
	Get(ctx context.Context, name string, expect int64, w io.Writer) (int64, error)
	// Publish gives a file its final name in the same directory, and takes the
	// temporary one away. It refuses a name that is taken, with fs.ErrExist. After
	// another error the file may have either name.
	Publish(ctx context.Context, temporary, final string) error
	// Remove removes a file.
	Remove(ctx context.Context, name string) error
	// Stat describes what has a name; links are not followed.
	Stat(ctx context.Context, name string) (Info, error)
	// List describes what is in one directory. Where directories are only parts
	// of names it may give everything below instead, by names relative to dir.
	List(ctx context.Context, dir string) ([]Info, error)
}

// Info describes a file or a directory.
type Info struct {
	Name     string // last component; only List's counts
	Size     int64
	Modified time.Time
	Dir      bool
	Regular  bool
	// Mode holds the permissions; 0: the destination does not say.
	Mode fs.FileMode
	// Durable says whether the content survives a power failure.
	Durable Durability
}

// Durability says whether something survives a power failure.
type Durability int

const (
	// Unasked is for whoever has [Syncer], or cannot tell: without it, it is No.
	Unasked Durability = iota
	// No says that the destination could not be asked, or has refused.
	No
	// Yes says that the destination has it on its disk, as far as can be told.
	Yes
)

// Syncer is implemented by files that can be made durable one by one, and
// whose names need that too.
type Syncer interface {
	// Sync makes the content of a file or the names in a directory durable; ""
	// is the top. false: that cannot be asked of this destination.
	Sync(ctx context.Context, name string) (bool, error)
}

// Spacer is implemented by files that know how much room there is.
type Spacer interface {
	// Space gives bytes; -1: it cannot be told.
	Space(ctx context.Context, dir string) (free, total int64, err error)
}

// DirRemover is implemented by files whose directories [Destination.Check] can
// try out. Without it, it makes none.
type DirRemover interface {
	// RemoveDir removes an empty directory.
	RemoveDir(ctx context.Context, dir string) error
}

// Open gives the files for one call of the destination, through one
// connection where there are such things. release gives them back. Its errors
// say on their own what was attempted.
type Open func(ctx context.Context) (files Files, release func(), err error)

// Always is for files that need no opening.
func Always(f Files) Open {
	return func(context.Context) (Files, func(), error) { return f, func() {}, nil }
}
