package sftp

import (
	"context"
	"errors"
	"io"
	"os"
	"path"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Fetch implements [sdk.Destination]. The local file is removed again on failure.
func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	if err := checkPath(r.Path); err != nil {
		return nil, err
	}
	var report *sdk.FetchReport
	err := d.with(ctx, func(s *session) error {
		full := path.Join(s.base, r.Path)
		what := "fetch " + d.config.location(full)
		st, err := s.sftp.Stat(full)
		if err != nil {
			return d.explain(ctx, s, err, path.Dir(full), what)
		}
		if !st.Mode().IsRegular() {
			return failure.New(failure.NotFound, failure.NoSuchFile, "%s: it is not a regular file", what)
		}
		local, err := os.OpenFile(r.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return failure.New(failure.Internal, failure.StagingIO, "%s: %w", what, err)
		}
		h := newHasher()
		w := &localWriter{w: local, hasher: h, count: &counter{report: progress}}
		n, err := copyOut(s, full, st.Size(), w)
		sum := h.finish()
		w.count.finish()
		if cerr := local.Close(); w.err == nil {
			w.err = cerr
		}
		var failed *failure.Error
		switch {
		case w.err != nil:
			failed = failure.New(failure.Internal, failure.StagingIO, "%s: write %s: %w", what, r.File, w.err)
		case err != nil:
			failed = d.explain(ctx, s, err, path.Dir(full), what)
		case n != st.Size():
			failed = failure.New(failure.Corrupt, failure.Mismatch, "%s: it has %d bytes, %d were received", what, st.Size(), n).
				WithRemedy("fetch it again; if it stays so, look at the server's disk")
		default:
			report = &sdk.FetchReport{Size: n, SHA256: sum}
			return nil
		}
		if err := os.Remove(r.File); err != nil && !errors.Is(err, os.ErrNotExist) {
			d.log.Warn("remove a file that was fetched in part", "file", r.File, "error", err)
		}
		return failed
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// localWriter writes to a local file and remembers its failure, as against
// one of the server.
type localWriter struct {
	w      io.Writer
	hasher *hasher
	count  *counter
	err    error
}

func (l *localWriter) Write(p []byte) (int, error) {
	_, _ = l.hasher.Write(p)
	n, err := l.w.Write(p)
	l.count.add(n)
	if err != nil {
		l.err = err
	}
	return n, err
}
