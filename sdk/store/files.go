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
	Names
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
	// Publish gives a file its final name in the same directory, and takes the
	// temporary one away. It refuses a name that is taken, with fs.ErrExist. After
	// another error the file may have either name.
	Publish(ctx context.Context, temporary, final string) error
}

// Names are what [Files] and [Objects] have in common.
type Names interface {
	// Location names a file as a person does.
	Location(name string) string
	// Get writes a file to w, in order, as the destination has it now, past
	// whatever cache it wrote through. It returns how many bytes the file has:
	// expect is how many it should have, by which requests can be sent ahead,
	// and further than one byte beyond that it need not look.
	Get(ctx context.Context, name string, expect int64, w io.Writer) (int64, error)
	// Remove removes a file.
	Remove(ctx context.Context, name string) error
	// Stat describes what has a name; links are not followed.
	Stat(ctx context.Context, name string) (Info, error)
	// List describes what is in one directory. Where directories are only parts
	// of names it may give everything below instead, by names relative to dir.
	List(ctx context.Context, dir string) ([]Info, error)
}

// Objects are the operations of an object store. It keeps whole objects, which
// get no other name later. It has no directories: a name is a directory as long
// as others begin with it and a slash. The rules for errors are those of
// [Files]. [NewObjects] makes a destination of them.
type Objects interface {
	Names
	// Create makes an object under its final name: all of it, or none. It
	// refuses a name that is taken, with fs.ErrExist, however many callers try
	// at the same time. After another error the whole object may be there: the
	// caller looks.
	//
	// Once everything was read from c, ctx lives a minute longer than the call,
	// because half way the outcome would not be known. An object with the name
	// temporary notes what must be cleared up if the process is killed; Remove
	// of that name clears it up.
	Create(ctx context.Context, temporary, final string, c Content) (Info, error)
	// Probe finds out whether the destination does what Create relies on, beyond
	// what two calls of Create have shown: it stores small objects, and refuses
	// a name that is taken. taken is an object that is there. Probe leaves
	// nothing behind. Its warnings say, a sentence each, what a later Create
	// cannot do.
	Probe(ctx context.Context, taken string) (warnings []string, err error)
}

// Content is a local file on its way to [Objects]. Bytes that are read through
// the ReaderAt count as sent; they may be read more than once.
type Content struct {
	io.ReaderAt
	// Local gives the same bytes and counts nothing: for checksums that are to be
	// known before anything is sent.
	Local io.ReaderAt
	Size  int64 // bytes
	// SHA256 is lower-case hex. Local was compared with it.
	SHA256 string
}

// Info describes a file or a directory.
type Info struct {
	Name     string    // last component; only List's counts
	Size     int64     // bytes
	Modified time.Time // by the destination's clock; zero: it does not say
	Dir      bool      // it is a directory
	Regular  bool      // it is a file, and no link, pipe or the like
	// Mode holds the permissions; 0: the destination does not say.
	Mode fs.FileMode
	// Durable says whether the content survives a power failure.
	Durable Durability
	// Unconfirmed says of a new object that the destination did not compare a
	// checksum with it: it is read back, whatever the request says.
	Unconfirmed bool
	// Unfit says why an object is not as a store is to leave it, whatever it holds;
	// nil: it is.
	Unfit error
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
