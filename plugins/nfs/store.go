package nfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// maxSends is how often a file is sent whole when the server loses what it
	// had in memory.
	maxSends = 3
	// publishLimit bounds a rename, which is not cut by the request's end: half
	// way its outcome would not be known.
	publishLimit = 60 * time.Second
	progressStep = 4 << 20
)

// Store implements [sdk.Destination].
func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	if err := checkPath(r.Path); err != nil {
		return nil, err
	}
	if r.Verify != sdk.VerifyReadBack && r.Verify != sdk.VerifySent {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "store %s: verify = %q is not known", d.where(r.Path), r.Verify)
	}
	what := "store " + d.where(r.Path)
	if err := d.ready(ctx, what); err != nil {
		return nil, err
	}
	source, err := os.Open(r.Source)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.SourceIO, "%s: %w", what, err)
	}
	defer source.Close()
	if existed, err := d.occupied(ctx, r, what); err != nil || existed != nil {
		return existed, err
	}
	dir := path.Dir(d.full(r.Path))
	if err := d.tree.mkdirAll(ctx, dir); err != nil {
		return nil, explain(err, what+": make the directory")
	}
	temp := path.Join(dir, tempName(r.Owner))
	s := &storing{destination: d, request: r, what: what, temp: temp, source: source, progress: progress}
	if err := s.write(ctx); err != nil {
		d.removeTemp(ctx, temp)
		return nil, err
	}
	existed, err := s.publish(ctx)
	if err != nil || existed != nil {
		d.removeTemp(ctx, temp)
		return existed, err
	}
	report := &sdk.StoreReport{Location: d.where(r.Path), Size: r.Size, SHA256: r.SHA256, Verified: r.Verify, Durable: true, ModeKept: s.warning == ""}
	if s.warning != "" {
		report.Warnings = []string{s.warning}
	}
	return report, nil
}

// occupied looks at what has the final name: nothing, the same content, which is
// a success, or something else, which is a failure.
func (d *destination) occupied(ctx context.Context, r sdk.StoreRequest, what string) (*sdk.StoreReport, error) {
	name := d.full(r.Path)
	i, err := d.tree.stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, what)
	}
	different := failure.New(failure.Exists, failure.Occupied, "%s: something else stands there already (%d bytes, changed %s)",
		what, i.size, i.modified.UTC().Format(time.RFC3339)).
		WithRemedy("see whose it is (a set has a manifest, *.dprun.json, beside it) before moving it away, or make the destination's `path` distinct, for example with ${stamp}")
	if !i.regular || i.size != r.Size {
		return nil, different
	}
	sum := sha256.New()
	if _, err := d.tree.read(ctx, name, sum); err != nil {
		return nil, explain(err, what+": read what stands there already")
	}
	if hexSum(sum) != r.SHA256 {
		return nil, different
	}
	warning, err := d.mode.judge(i.mode, what)
	if err != nil {
		return nil, err
	}
	report := &sdk.StoreReport{Location: d.where(r.Path), Size: r.Size, SHA256: r.SHA256, Verified: sdk.VerifyReadBack, Durable: true, ModeKept: warning == "", Existed: true}
	if warning != "" {
		report.Warnings = []string{warning}
	}
	return report, nil
}

// storing is one Store after its checks.
type storing struct {
	*destination
	request  sdk.StoreRequest
	what     string
	temp     string
	source   *os.File
	progress func(int64)
	warning  string // of its mode
}

// write fills the temporary file, makes it durable and verifies it.
func (s *storing) write(ctx context.Context) error {
	out, err := s.tree.create(ctx, s.temp)
	if err != nil {
		return explain(err, s.what+": make a temporary file")
	}
	defer out.close()
	for send := 1; ; send++ {
		if err := s.send(ctx, out); err != nil {
			return err
		}
		err := out.commit(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, nfsclient.ErrVerifierChanged) || send == maxSends {
			return notDurable(err, s.what)
		}
		s.log.Warn("the server restarted while a file was written; it is sent again", "file", s.temp, "sent", send)
		if err := out.rewind(); err != nil {
			return explain(err, s.what)
		}
	}
	i, err := s.settled(ctx, out, s.what)
	if err != nil {
		return err
	}
	if i.size != s.request.Size {
		return s.mismatch("the server has %d bytes of it, %d were sent", i.size, s.request.Size)
	}
	if s.warning, err = s.mode.judge(i.mode, s.what); err != nil {
		return err
	}
	if s.request.Verify == sdk.VerifyReadBack {
		return s.readBack(ctx)
	}
	return nil
}

// settled is what the server says of a file that was written. A mode that it
// did not grant at once (a umask, an ACL of the directory) is asked for again.
func (d *destination) settled(ctx context.Context, out output, what string) (info, error) {
	i, err := out.stat(ctx)
	if err == nil && i.mode != d.mode.want {
		if refused := out.setMode(ctx); refused != nil {
			d.log.Debug("the server does not set a mode", "error", refused)
		}
		i, err = out.stat(ctx)
	}
	if err != nil {
		return info{}, explain(err, what+": ask for its size and mode")
	}
	return i, nil
}

// notDurable is a COMMIT or fsync that failed. A reason that says more wins.
func notDurable(err error, what string) *failure.Error {
	f := explain(err, what+": make it durable")
	if f.Reason == "" && f.Kind == failure.Unavailable {
		f.Reason = failure.NotDurable
	}
	return f
}

// send writes the staged file and checks that what was sent is what was staged.
func (s *storing) send(ctx context.Context, out output) error {
	if _, err := s.source.Seek(0, io.SeekStart); err != nil {
		return failure.New(failure.Internal, failure.SourceIO, "%s: %w", s.what, err)
	}
	tap := &tap{r: s.source, sum: sha256.New(), report: s.progress}
	n, err := out.writeFrom(ctx, tap)
	switch {
	case err != nil && ctx.Err() != nil:
		return explain(err, s.what)
	case err != nil && tap.failed():
		return failure.New(failure.Internal, failure.SourceIO, "%s: read %s: %w", s.what, s.request.Source, err)
	case err != nil:
		return explain(err, s.what)
	case n != s.request.Size || hexSum(tap.sum) != s.request.SHA256:
		return failure.New(failure.Corrupt, failure.SourceIO, "%s: the staged file %s is not what it was: %d bytes, SHA-256 %s; it had %d bytes, SHA-256 %s",
			s.what, s.request.Source, n, hexSum(tap.sum), s.request.Size, s.request.SHA256).
			WithRemedy("check the disk of the state directory")
	}
	tap.finish()
	return nil
}

// readBack reads the temporary file again from the server.
func (s *storing) readBack(ctx context.Context) error {
	sum := sha256.New()
	n, err := s.tree.read(ctx, s.temp, sum)
	if err != nil {
		return explain(err, s.what+": read it back")
	}
	if got := hexSum(sum); n != s.request.Size || got != s.request.SHA256 {
		return s.mismatch("%d bytes with SHA-256 %s were read back, %d with %s were sent", n, got, s.request.Size, s.request.SHA256)
	}
	return nil
}

func (s *storing) mismatch(format string, args ...any) error {
	f := failure.New(failure.Corrupt, failure.Mismatch, format, args...)
	f.Message = s.what + ": " + f.Message
	return f.WithRemedy("store it again; if it stays so, look at the server's disk and memory")
}

// publish gives the temporary file its final name, unless something stands
// there by now. A rename under way is not cut when ctx ends.
func (s *storing) publish(ctx context.Context) (*sdk.StoreReport, error) {
	if existed, err := s.occupied(ctx, s.request, s.what); err != nil || existed != nil {
		return existed, err
	}
	if err := ctx.Err(); err != nil {
		return nil, explain(context.Cause(ctx), s.what)
	}
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	if err := s.tree.publish(uncut, s.temp, s.full(s.request.Path)); err != nil {
		return nil, explain(err, s.what+": rename the temporary file")
	}
	return nil, nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// tap passes bytes on, hashes them and reports how many went by.
type tap struct {
	r        io.Reader
	sum      hash.Hash
	report   func(int64)
	n, shown int64
	err      error // of r itself
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.sum.Write(p[:n])
	t.n += int64(n)
	if t.report != nil && t.n-t.shown >= progressStep {
		t.finish()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// failed says whether reading failed, as against what was done with the bytes.
func (t *tap) failed() bool { return t.err != nil }

// finish reports what was not reported yet.
func (t *tap) finish() {
	if t.report != nil && t.n != t.shown {
		t.shown = t.n
		t.report(t.n)
	}
}
