package sftp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Store implements [sdk.Destination].
func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	if err := checkPath(r.Path); err != nil {
		return nil, err
	}
	local, err := openSource(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = local.Close() }()

	var report *sdk.StoreReport
	err = d.with(ctx, func(s *session) error {
		final := path.Join(s.base, r.Path)
		t := &upload{
			d: d, s: s, r: r, local: local, progress: progress,
			what: "store " + d.config.location(final), final: final, dir: path.Dir(final),
		}
		report, err = t.run(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

func openSource(r sdk.StoreRequest) (*os.File, error) {
	bad := func(format string, args ...any) error {
		return failure.New(failure.Corrupt, failure.SourceIO, "store %s: "+format, append([]any{r.Path}, args...)...)
	}
	f, err := os.Open(r.Source)
	if err != nil {
		return nil, bad("read the staged file: %w", err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = bad("read the staged file: %w", err)
	case !st.Mode().IsRegular():
		err = bad("%s is not a regular file", r.Source)
	case st.Size() != r.Size:
		err = bad("the staged file %s has %d bytes, %d are expected", r.Source, st.Size(), r.Size)
	default:
		return f, nil
	}
	_ = f.Close()
	return nil, err
}

// upload is one Store on one session.
type upload struct {
	d        *destination
	s        *session
	r        sdk.StoreRequest
	local    *os.File
	progress func(int64)

	what  string // the beginning of every message
	final string // absolute on the server, as is dir
	dir   string
	temp  string // empty until it may exist

	habits     *habits
	durable    bool
	mode       fs.FileMode
	modeKnown  bool
	publishing bool // the rename was sent
}

func (t *upload) run(ctx context.Context) (*sdk.StoreReport, error) {
	var err error
	t.d.removeLeftovers(ctx, t.s)
	if err := t.makeDirectory(ctx); err != nil {
		return nil, err
	}
	if t.habits, err = t.d.habitsFor(ctx, t.s, t.what); err != nil {
		return nil, err
	}
	if report, err := t.existing(ctx, t.s); report != nil || err != nil {
		return report, err
	}
	if err := t.room(); err != nil {
		return nil, err
	}
	err = t.write(ctx)
	if err == nil && t.r.Verify != sdk.VerifySent {
		err = t.readBack(ctx)
	}
	if err == nil {
		err = t.publish(ctx)
	}
	if err == nil {
		return t.report(), nil
	}
	return t.settle(ctx, err)
}

func (t *upload) report() *sdk.StoreReport {
	verified := t.r.Verify
	if verified != sdk.VerifySent {
		verified = sdk.VerifyReadBack
	}
	return t.reportOf(verified, t.durable, t.mode, t.modeKnown)
}

// reportOf describes what stands under the final name.
func (t *upload) reportOf(verified sdk.Verify, durable bool, mode fs.FileMode, modeKnown bool) *sdk.StoreReport {
	r := &sdk.StoreReport{
		Location: t.d.config.location(t.final), Size: t.r.Size, SHA256: t.r.SHA256,
		Verified: verified, Durable: durable, ModeKept: true,
	}
	if w := t.d.modeWarning(mode, modeKnown); w != "" {
		r.ModeKept, r.Warnings = false, []string{w}
	}
	return r
}

func (t *upload) explain(ctx context.Context, err error, doing string) *failure.Error {
	return t.d.explain(ctx, t.s, err, t.dir, t.what+": "+doing)
}

// makeDirectory makes what is missing between the destination's directory,
// which must be there, and the final name.
func (t *upload) makeDirectory(ctx context.Context) error {
	st, err := t.s.sftp.Stat(t.dir)
	if err == nil && st.IsDir() {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) && status(err) < 0 {
		return t.explain(ctx, err, "look at its directory")
	}
	st, err = t.s.sftp.Stat(t.s.base)
	if errors.Is(err, os.ErrNotExist) || (err == nil && !st.IsDir()) {
		return t.d.noDirectory(t.s, t.what)
	}
	if err != nil {
		return t.explain(ctx, err, "look at the destination's directory")
	}
	dir := t.s.base
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(t.dir, t.s.base), "/"), "/") {
		parent := dir
		dir = path.Join(dir, part)
		made, err := t.mkdir(ctx, dir)
		if err != nil {
			return err
		}
		if made {
			syncDirectory(t.s, parent)
		}
	}
	return nil
}

func (t *upload) mkdir(ctx context.Context, dir string) (made bool, err error) {
	err = t.s.sftp.Mkdir(dir)
	if err == nil {
		_ = t.s.sftp.Chmod(dir, directoryMode(t.d.fileMode)) // what matters is the files' mode
		return true, nil
	}
	// It may be there already, or have been made meanwhile.
	st, serr := t.s.sftp.Stat(dir)
	switch {
	case serr == nil && st.IsDir():
		return false, nil
	case serr == nil:
		return false, failure.New(failure.Exists, failure.Occupied, "%s: %s is there and is not a directory", t.what, dir).
			WithRemedy("change the destination's `path`, or see on the server what it is before moving it away")
	}
	return false, t.d.explain(ctx, t.s, err, path.Dir(dir), t.what+": make the directory "+dir)
}

// directoryMode lets those enter who may read the files.
func directoryMode(file fs.FileMode) fs.FileMode { return file | file>>2&0o111 }

// existing looks at the final name. The same content is a success, something
// else a failure, nothing is nil, nil.
func (t *upload) existing(ctx context.Context, s *session) (*sdk.StoreReport, error) {
	st, err := t.habits.look(ctx, s, t.final)
	if err != nil {
		return nil, t.d.explain(ctx, s, err, t.dir, t.what+": look at the final name")
	}
	if st == nil {
		return nil, nil
	}
	occupied := failure.New(failure.Exists, failure.Occupied, "%s: something else stands there already", t.what).
		WithRemedy("see whose it is (a set has a manifest, *.dprun.json, beside it) before moving it away on the server, or make the destination's `path` distinct, for example with ${stamp}")
	if !st.Mode().IsRegular() || st.Size() != t.r.Size {
		return nil, occupied
	}
	h := sha256.New()
	if _, err := copyOut(s, t.final, t.r.Size, h); err != nil {
		return nil, t.d.explain(ctx, s, err, t.dir, t.what+": compare with what stands there")
	}
	if hex.EncodeToString(h.Sum(nil)) != t.r.SHA256 {
		return nil, occupied
	}
	mode, known := modeOf(st)
	if err := t.d.requireMode(t.what, mode, known); err != nil {
		return nil, err
	}
	r := t.reportOf(sdk.VerifyReadBack, syncFile(s, t.final) && syncDirectory(s, t.dir), mode, known)
	r.Existed = true
	return r, nil
}

// room refuses early what cannot fit.
func (t *upload) room() error {
	if t.r.Size == 0 {
		return nil
	}
	if free, _ := space(t.s, t.dir); free >= 0 && free < t.r.Size {
		return failure.New(failure.NoSpace, failure.OutOfSpace, "%s: %d bytes are needed, %d are free", t.what, t.r.Size, free).
			WithRemedy("make room at %s", t.d.config.location(t.s.base))
	}
	return nil
}

// write sends the file under a temporary name, flushes it and checks its size.
func (t *upload) write(ctx context.Context) error {
	t.temp = path.Join(t.dir, tempName(t.r.Owner))
	f, err := create(t.s, t.temp)
	if err != nil {
		return t.explain(ctx, err, "make a temporary file")
	}
	// Exports hold keys and passwords: not readable for all, whatever the umask.
	// Whether the server did so is seen below.
	_ = f.Chmod(t.d.fileMode)
	in := &tap{r: io.LimitReader(t.local, t.r.Size+1), count: &counter{report: t.progress}}
	if t.r.Verify == sdk.VerifySent {
		in.hasher = newHasher()
	}
	_, err = f.ReadFromWithConcurrency(in, t.s.inFlight)
	in.count.finish()
	var sum string
	if in.hasher != nil {
		sum = in.hasher.finish()
	}
	if in.err != nil {
		_ = f.Close()
		return failure.New(failure.Corrupt, failure.SourceIO, "%s: read the staged file: %w", t.what, in.err)
	}
	if err != nil {
		failed := t.d.explainWrite(ctx, t.s, err, t.dir, t.what+": write")
		_ = f.Close()
		return failed
	}
	if in.count.n != t.r.Size || (in.hasher != nil && sum != t.r.SHA256) {
		_ = f.Close()
		return t.sourceChanged()
	}
	st, durable, err := finish(t.s, f, t.temp)
	switch {
	case err != nil:
		return t.d.explainWrite(ctx, t.s, err, t.dir, t.what+": flush and close")
	case st.Size() != t.r.Size:
		return failure.New(failure.Corrupt, failure.Mismatch, "%s: %d bytes were sent, the server has %d", t.what, t.r.Size, st.Size()).
			WithRemedy("look at the server's disk and log")
	}
	t.durable = durable
	t.mode, t.modeKnown = modeOf(st)
	return t.d.requireMode(t.what, t.mode, t.modeKnown)
}

func (t *upload) sourceChanged() error {
	return failure.New(failure.Corrupt, failure.SourceIO, "%s: the staged file %s is not the one that was captured: its content has changed", t.what, t.r.Source).
		WithRemedy("look at the local disk; capture again")
}

// readBack reads the temporary file again, through a new handle and after the
// flush, and compares the hash.
func (t *upload) readBack(ctx context.Context) error {
	h := sha256.New()
	n, err := copyOut(t.s, t.temp, t.r.Size, h)
	if err != nil {
		return t.explain(ctx, err, "read back")
	}
	if hex.EncodeToString(h.Sum(nil)) == t.r.SHA256 {
		return nil
	}
	// Which side is wrong?
	local := sha256.New()
	if _, err := io.Copy(local, io.NewSectionReader(t.local, 0, t.r.Size)); err != nil {
		return failure.New(failure.Corrupt, failure.SourceIO, "%s: read the staged file: %w", t.what, err)
	}
	if hex.EncodeToString(local.Sum(nil)) != t.r.SHA256 {
		return t.sourceChanged()
	}
	return failure.New(failure.Corrupt, failure.Mismatch, "%s: what was read back (%d bytes) is not what was sent (%d bytes)", t.what, n, t.r.Size).
		WithRemedy("look at the server's disk and memory before trusting it with anything")
}

// publish gives the temporary file its final name without replacing anything.
func (t *upload) publish(ctx context.Context) error {
	if st, err := t.habits.look(ctx, t.s, t.final); err != nil {
		return t.explain(ctx, err, "look at the final name")
	} else if st != nil {
		return errOccupied
	}
	t.publishing = true
	if err := t.habits.rename(t.s, t.temp, t.final); err != nil {
		if status(err) >= 0 {
			if st, serr := t.habits.look(ctx, t.s, t.final); serr == nil && st != nil {
				return errOccupied
			}
		}
		return t.explain(ctx, err, "rename to the final name")
	}
	// The content is durable; is the name?
	t.durable = t.durable && syncDirectory(t.s, t.dir)
	return nil
}

// errOccupied says that the final name was taken while the file was sent.
var errOccupied = errors.New("the final name is taken")

// syncFile and syncDirectory flush what stands there already. Servers that
// cannot do so answer false.
func syncFile(s *session, name string) bool {
	f, err := s.sftp.Open(name)
	if err != nil {
		return false
	}
	err = s.flush(f.Sync)
	_ = f.Close()
	return err == nil
}

func syncDirectory(s *session, dir string) bool { return syncFile(s, dir) }
