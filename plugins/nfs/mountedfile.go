package nfs

import (
	"context"
	"io"
	"os"
	"time"
)

const (
	copySize   = 1 << 20
	closeLimit = 3 * time.Second
)

// mountedFile is a file being written to a mounted directory.
type mountedFile struct {
	tree *mountedTree
	file *os.File
}

func (f *mountedFile) writeFrom(ctx context.Context, r io.Reader) (int64, error) {
	return await(ctx, f.tree.stuck, func() (int64, error) {
		return io.CopyBuffer(writerOnly{f.file}, readerUntil{ctx, r}, make([]byte, copySize))
	}, nil)
}

// commit flushes. An error that the server reported late, such as a full disk,
// shows here.
func (f *mountedFile) commit(ctx context.Context) error {
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Sync() }, nil)
	return err
}

func (f *mountedFile) rewind() error {
	_, err := f.file.Seek(0, io.SeekStart)
	return err
}

func (f *mountedFile) setMode(ctx context.Context) error {
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Chmod(f.tree.mode) }, nil)
	return err
}

func (f *mountedFile) stat(ctx context.Context) (info, error) {
	return await(ctx, f.tree.stuck, func() (info, error) {
		fi, err := f.file.Stat()
		if err != nil {
			return info{}, err
		}
		return localInfo(fi), nil
	}, nil)
}

// close comes before a removal, which would only rename an open file, but does
// not wait long for a server that is gone.
func (f *mountedFile) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_, err := await(ctx, f.tree.stuck, func() (struct{}, error) { return struct{}{}, f.file.Close() }, nil)
	return err
}

// writerOnly and readerUntil keep io.Copy to plain reads and writes.
type writerOnly struct{ io.Writer }

// readerUntil reads until ctx ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
