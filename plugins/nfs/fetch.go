package nfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Fetch implements [sdk.Destination]. The local file is removed after a failure.
func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	object, err := d.Stat(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	what := "fetch " + d.where(r.Path)
	local, err := os.OpenFile(r.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "%s: %w", what, err)
	}
	w := &localWriter{file: local, tap: tap{sum: sha256.New(), report: progress}}
	n, err := d.tree.read(ctx, d.full(r.Path), w)
	if closeErr := local.Close(); err == nil {
		w.err = errors.Join(w.err, closeErr)
	}
	var failed *failure.Error
	switch {
	case ctx.Err() == nil && w.err != nil: // after the end of ctx, w may still be in use
		failed = failure.New(failure.Internal, failure.StagingIO, "%s: write %s: %w", what, r.File, w.err)
	case err != nil:
		failed = explain(err, what)
	case n != object.Size:
		failed = failure.New(failure.Corrupt, failure.Mismatch, "%s: it has %d bytes, %d were received", what, object.Size, n).
			WithRemedy("fetch it again; if it stays so, look at the server's disk")
	default:
		w.finish()
		return &sdk.FetchReport{Size: n, SHA256: hexSum(w.sum)}, nil
	}
	if err := os.Remove(r.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("a file that was fetched in part is left", "file", r.File, "error", err)
	}
	return nil, failed
}

// localWriter writes to a local file, hashes, and remembers a failure of the
// file, as against one of the server.
type localWriter struct {
	tap
	file *os.File
}

func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.sum.Write(p[:n])
	w.n += int64(n)
	if w.report != nil && w.n-w.shown >= progressStep {
		w.finish()
	}
	if err != nil {
		w.err = err
	}
	return n, err
}
