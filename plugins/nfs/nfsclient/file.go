package nfsclient

import "context"

// File is a file of an FS with a position. Only one goroutine at a time may use
// it. It needs no closing, because the server keeps no state about it.
type File struct {
	fs     *FS
	h      handle
	path   string
	offset uint64

	verf        verifier // of the server's life that holds our unstable data
	hasVerf     bool
	verfChanged bool
}

func (f *FS) newFile(h handle, path string) *File {
	return &File{fs: f, h: h, path: path}
}

// Path returns the path by which the file was opened or created.
func (f *File) Path() string { return f.path }

// Rewind goes back to the start, to write the file again after ErrVerifierChanged.
func (f *File) Rewind() {
	f.offset = 0
	f.hasVerf, f.verfChanged = false, false
}

// Stat asks the server for the file's attributes by handle, so it also works
// after the file was renamed.
func (f *File) Stat(ctx context.Context) (Attr, error) {
	a, err := f.fs.nfs.getAttr(ctx, f.h)
	return a, opError("stat", f.path, err)
}

// SetMode sets the file's mode.
func (f *File) SetMode(ctx context.Context, mode uint32) error {
	return opError("set the mode of", f.path, f.fs.nfs.setAttr(ctx, f.h, SetAttr{Mode: &mode}))
}

// Commit makes everything written durable. After ErrVerifierChanged the file
// must be written again from its start (Rewind), because the server has
// restarted. After any other error nothing is known to be durable.
func (f *File) Commit(ctx context.Context) error {
	var v verifier
	err := f.fs.nfs.roundTrip(ctx, commitRequest(f.h), func(d *decoder) (err error) {
		v, err = decodeCommit(d)
		return err
	})
	if err != nil {
		return opError("commit", f.path, err)
	}
	f.sawVerifier(v)
	if f.verfChanged {
		return opError("commit", f.path, ErrVerifierChanged)
	}
	return nil
}

func (f *File) sawVerifier(v verifier) {
	if f.hasVerf && v != f.verf {
		f.verfChanged = true
	}
	f.verf, f.hasVerf = v, true
}
