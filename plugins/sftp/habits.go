package sftp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	pkgsftp "github.com/pkg/sftp"
)

// habits are how a server behaves where the protocol leaves a choice. [destination.probe] finds them out.
type habits struct {
	// missing is the status for a name that does not exist. Some servers answer
	// with a failure without a cause, which means something else on other servers.
	missing int
	// posixRename says that only the extension can rename.
	posixRename bool
	// replaces says that a rename replaces a file with the new name.
	replaces bool
	// mode is the file mode after a mode was set; 0: the server does not tell.
	mode    fs.FileMode
	durable bool
	// writeOnly says why files cannot be read back; empty: they can.
	writeOnly string
	// noDirectories says that directories cannot be made.
	noDirectories bool
}

// absent reports whether an answer means that the name does not exist.
func (h *habits) absent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || err != nil && status(err) == h.missing
}

// look describes what has a name, without following links; nil: nothing has it.
func (h *habits) look(ctx context.Context, s *session, name string) (os.FileInfo, error) {
	st, err := lstat(s, name)
	switch {
	case err == nil:
		return st, nil
	case !h.absent(err):
		return nil, err
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	}
	// That answer can mean anything. A listing of the directory, if allowed, decides.
	entries, lerr := s.sftp.ReadDirContext(ctx, path.Dir(name))
	if lerr == nil && slices.ContainsFunc(entries, func(e os.FileInfo) bool { return e.Name() == path.Base(name) }) {
		return nil, err
	}
	return nil, nil
}

// create makes a new file. TRUNC changes nothing for a new file, but some
// servers accept CREAT and EXCL only together with it. Other servers do not
// support EXCL at all; there the random name must do.
func create(s *session, name string) (*pkgsftp.File, error) {
	f, err := s.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_EXCL)
	if status(err) == statusUnsupported {
		f, err = s.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	}
	return f, err
}

// rename gives a file another name, in the way that works on this server.
//
// The protocol's own rename must refuse a name that exists, and OpenSSH does
// that without races (link, then unlink). posix-rename replaces.
func (h *habits) rename(s *session, from, to string) error {
	if h.posixRename {
		return s.sftp.PosixRename(from, to)
	}
	return s.sftp.Rename(from, to)
}

// finish syncs and closes a file, and describes it as the server then has it.
func finish(s *session, f *pkgsftp.File, name string) (st os.FileInfo, durable bool, err error) {
	err = s.flush(f.Sync)
	durable = err == nil
	if answer := status(err); answer == statusUnsupported || !s.has(extFsync) && answer >= 0 {
		err = nil
	}
	if err == nil {
		if st, err = f.Stat(); status(err) >= 0 {
			st, err = s.sftp.Stat(name)
		}
	}
	if cerr := s.flush(f.Close); err == nil {
		err = cerr
	}
	return st, durable, err
}
