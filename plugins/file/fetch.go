package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Fetch copies a stored file to a new local one and hashes it on the way.
func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (_ *sdk.FetchReport, err error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Lstat(r.Path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("no regular file: %w", os.ErrNotExist)
	}
	if err != nil {
		return nil, classify("fetch", d.location(r.Path), err, failure.NoSuchFile)
	}
	src, err := root.Open(r.Path)
	if err != nil {
		return nil, classify("fetch", d.location(r.Path), err, failure.NoSuchFile)
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(r.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s to %s: %w", d.location(r.Path), r.File, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(r.File)
		}
	}()
	defer func() { _ = dst.Close() }()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return nil, failure.From(fmt.Errorf("fetch %s: %w", d.location(r.Path), err))
		}
		n, readErr := src.Read(buf)
		h.Write(buf[:n])
		if _, err := dst.Write(buf[:n]); err != nil {
			f := classify("write", r.File, err, failure.StagingIO)
			f.Reason = failure.StagingIO
			return nil, f
		}
		size += int64(n)
		if progress != nil {
			progress(size)
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return nil, classify("read", d.location(r.Path), readErr, failure.NoSuchFile)
		}
	}
	if err := dst.Close(); err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s to %s: %w", d.location(r.Path), r.File, err)
	}
	return &sdk.FetchReport{Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
