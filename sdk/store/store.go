package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// cleanupLimit bounds the cleaning up after a call was given up.
	cleanupLimit = 20 * time.Second
	// small is the size in bytes up to which doing one thing after the other
	// takes less time than another goroutine.
	small = 1 << 20
	// publishLimit bounds the publishing of a file. The end of the call does
	// not cut it, because the outcome would be unknown half way.
	publishLimit = time.Minute
)

// Options adapt a destination to the storage below it.
type Options struct {
	Mode Mode // of the copies
	// DirectoryRemedy says what to do if the configured directory is missing.
	DirectoryRemedy string
	Log             *slog.Logger // nil: nowhere
}

// Mode is the file mode that copies should have.
type Mode struct {
	Want fs.FileMode // 0: files have no mode
	// Required makes another mode a failure instead of a warning.
	Required bool
	// Tell returns, for the warning and the failure, which mode copies have and what
	// to do about it. got is 0 if the destination does not tell.
	Tell func(got fs.FileMode) string
}

// Destination does with [Files] or [Objects] what [sdk.Destination] promises. It can
// also read, list, delete and sweep.
type Destination struct {
	open    Open    // of files
	objects Objects // nil: the destination has files
	o       Options

	mu        sync.Mutex
	leftovers []string // temporary files that could not be removed
	proven    bool     // whether the objects keep what they promise
}

// New makes a destination of files.
func New(o Options, open Open) *Destination {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Destination{open: open, o: o}
}

// NewObjects makes a destination of objects, which have no mode. Check, or the
// first Store without a Check, tests whether the server keeps what [Objects]
// promise; a server that replaces existing objects is refused.
func NewObjects(o Options, objects Objects) *Destination {
	d := New(o, nil)
	d.objects = objects
	return d
}

// Close implements [sdk.Destination]. It closes objects that are an [io.Closer].
func (d *Destination) Close() error {
	if c, ok := d.objects.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// in opens the files and runs f. doing and name say what is attempted.
func (d *Destination) in(ctx context.Context, doing, name string, f func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return failure.From(err)
	}
	if d.objects != nil {
		return f(&session{d: d, Names: d.objects, objects: d.objects, what: doing + " " + d.objects.Location(name)})
	}
	files, release, err := d.open(ctx)
	if err != nil {
		return failure.From(err)
	}
	defer release()
	return f(&session{d: d, Names: files, files: files, what: doing + " " + files.Location(name)})
}

// Store implements [sdk.Destination].
func (d *Destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	if err := checkPath(r.Path); err != nil {
		return nil, err
	}
	r.Verify = cmp.Or(r.Verify, sdk.VerifyReadBack)
	if r.Verify != sdk.VerifyReadBack && r.Verify != sdk.VerifySent {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "store %s: verify = %q is not known", r.Path, r.Verify)
	}
	src, err := openSource(ctx, r, progress)
	if err != nil {
		return nil, err
	}
	defer src.close()
	var report *sdk.StoreReport
	err = d.in(ctx, "store", r.Path, func(s *session) error {
		u := &upload{session: s, r: r, src: src, dir: dirOf(r.Path), temp: path.Join(dirOf(r.Path), TempName(r.Owner))}
		report, err = u.run(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// upload is one Store.
type upload struct {
	*session
	r    sdk.StoreRequest
	src  *source
	dir  string
	temp string

	durable    bool
	mode       fs.FileMode
	publishing bool // from here on the final name may be ours
}

func (u *upload) run(ctx context.Context) (*sdk.StoreReport, error) {
	u.removeLeftovers(ctx)
	if u.objects != nil {
		return u.runObjects(ctx)
	}
	if err := u.files.Mkdir(ctx, u.dir); err != nil {
		if absent(err) {
			return nil, u.noDirectory()
		}
		return nil, u.fail(ctx, "", err)
	}
	if report, err := u.existing(ctx); report != nil || err != nil {
		return report, err
	}
	if err := u.room(ctx); err != nil {
		return nil, err
	}
	err := u.write(ctx)
	if err == nil {
		err = u.publish(ctx)
	}
	if err == nil {
		return u.report(u.r.Verify), nil
	}
	return u.settle(ctx, err)
}

// report describes the object under the final name.
func (u *upload) report(verified sdk.Verify) *sdk.StoreReport {
	r := &sdk.StoreReport{Location: u.Location(u.r.Path), Size: u.r.Size, SHA256: u.r.SHA256, Verified: verified, Durable: u.durable, ModeKept: true}
	if w := u.modeWarning(u.mode); w != "" {
		r.ModeKept, r.Warnings = false, []string{w}
	}
	return r
}

// modeWarning says that copies have another mode than they should have; empty: they have the
// right one.
func (s *session) modeWarning(mode fs.FileMode) string {
	if s.d.o.Mode.Want == 0 || mode == s.d.o.Mode.Want {
		return ""
	}
	return s.d.o.Mode.Tell(mode)
}

// requireMode fails if the mode differs and the plan requires its own.
func (s *session) requireMode(mode fs.FileMode) error {
	if w := s.modeWarning(mode); w != "" && s.d.o.Mode.Required {
		return s.failf(failure.Precondition, failure.ModeNotKept, "require_mode is set, and %s", w).
			WithRemedy("correct that, set file_mode to that mode if there is such an argument, or leave require_mode out")
	}
	return nil
}

// existing looks at the final name. The same content is a success, other
// content a failure, and a free name gives nil, nil.
func (u *upload) existing(ctx context.Context) (*sdk.StoreReport, error) {
	i, err := u.Stat(ctx, u.r.Path)
	if err != nil && absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, u.fail(ctx, "look at the final name", err)
	}
	if !i.Regular || i.Size != u.r.Size {
		return nil, u.occupied(i)
	}
	sum := sha256.New()
	if _, err := u.Get(ctx, u.r.Path, u.r.Size, sum); err != nil {
		return nil, u.fail(ctx, "compare with what is there", err)
	}
	if hexSum(sum) != u.r.SHA256 {
		return nil, u.occupied(i)
	}
	if i.Unfit != nil {
		return nil, u.fail(ctx, "accept what is there", i.Unfit)
	}
	if err := u.requireMode(i.Mode); err != nil {
		return nil, err
	}
	u.mode, u.durable = i.Mode, i.Durable == Yes
	if s, ok := u.Names.(Syncer); ok && i.Durable == Unasked {
		if u.durable, err = s.Sync(ctx, u.r.Path); err == nil {
			err = u.syncDir(ctx)
		}
		if err != nil {
			return nil, u.fail(ctx, "make it durable", err)
		}
	}
	report := u.report(sdk.VerifyReadBack)
	report.Existed = true
	return report, nil
}

// occupied is the failure of a final name that holds something else.
func (u *upload) occupied(i Info) error {
	return u.failf(failure.Exists, failure.Occupied, "something else is there already (%d bytes, changed %s)", i.Size, i.Modified.UTC().Format(time.RFC3339)).
		WithRemedy("%s", remedyOccupied)
}

// syncDir makes the final name durable, if the destination can be asked.
func (u *upload) syncDir(ctx context.Context) error {
	s, ok := u.Names.(Syncer)
	if !ok || !u.durable {
		return nil
	}
	var err error
	u.durable, err = s.Sync(ctx, u.dir)
	return err
}

// room fails early if the file cannot fit.
func (u *upload) room(ctx context.Context) error {
	s, ok := u.Names.(Spacer)
	if !ok || u.r.Size == 0 {
		return nil
	}
	free, _, err := s.Space(ctx, u.dir)
	if err != nil || free < 0 || free >= u.r.Size {
		return nil // the next step says what is wrong
	}
	return u.failf(failure.NoSpace, failure.OutOfSpace, "%d bytes are needed, %d are free", u.r.Size, free).
		WithRemedy("make room at %s", u.Location(""))
}

// write sends the file under a temporary name, makes it durable and verifies it.
func (u *upload) write(ctx context.Context) error {
	i, err := u.files.Put(ctx, u.temp, u.src, u.r.Size)
	if ctx.Err() != nil {
		return ended(ctx, u.what)
	}
	if err == nil || u.src.failed() {
		if wrong := u.src.finish(u.r); wrong != nil {
			return u.sourceFailure(wrong)
		}
	}
	if err != nil && absent(err) { // was the top removed meanwhile?
		if gone := u.ready(ctx); gone != nil {
			return gone
		}
	}
	switch {
	case err != nil:
		return u.fail(ctx, "write", err)
	case i.Size != u.r.Size:
		return u.failf(failure.Corrupt, failure.Mismatch, "%d bytes were sent, the destination has %d", u.r.Size, i.Size).WithRemedy("look at its disk and log")
	}
	u.mode, u.durable = i.Mode, i.Durable == Yes
	if err := u.requireMode(i.Mode); err != nil {
		return err
	}
	synced := func() error { return nil }
	if s, ok := u.Names.(Syncer); ok && i.Durable == Unasked {
		synced = func() (err error) {
			if u.durable, err = s.Sync(ctx, u.temp); err != nil {
				err = u.fail(ctx, "make it durable", err)
			}
			return err
		}
	}
	if u.r.Size <= small {
		if err := synced(); err != nil || u.r.Verify != sdk.VerifyReadBack {
			return err
		}
		return u.readBack(ctx, u.temp)
	}
	done := make(chan error, 1)
	go func() { done <- synced() }() // while the file is read back
	if u.r.Verify == sdk.VerifyReadBack {
		err = u.readBack(ctx, u.temp)
	}
	if syncErr := <-done; err == nil {
		err = syncErr
	}
	return err
}

func (u *upload) sourceFailure(err error) error {
	return u.failf(failure.Corrupt, failure.SourceIO, "%w", err).WithRemedy("look at the local disk; capture again")
}

// readBack reads the file back and compares the hash.
func (u *upload) readBack(ctx context.Context, name string) error {
	h := sha256.New()
	n, err := u.Get(ctx, name, u.r.Size, h)
	if err != nil {
		return u.fail(ctx, "read back", err)
	}
	if n == u.r.Size && hexSum(h) == u.r.SHA256 {
		return nil
	}
	sum, err := u.src.sum() // which side is wrong?
	if err == nil && sum != u.r.SHA256 {
		err = u.src.changed(u.r)
	}
	if err != nil {
		return u.sourceFailure(err)
	}
	return u.failf(failure.Corrupt, failure.Mismatch, "what was read back (%d bytes) is not what was sent (%d bytes)", n, u.r.Size).
		WithRemedy("check its disk and memory before you trust it with anything")
}

// publish gives the temporary file its final name without replacing anything.
func (u *upload) publish(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx, u.what)
	}
	uncut, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	u.publishing = true
	if err := u.files.Publish(uncut, u.temp, u.r.Path); err != nil {
		return u.fail(uncut, "give it its final name", err)
	}
	if err := u.syncDir(uncut); err != nil { // the content is durable; make the name durable too
		u.publishing = false
		if removeErr := u.Remove(uncut, u.r.Path); removeErr != nil {
			u.d.o.Log.Warn("remove a file whose name could not be made durable", "file", u.Location(u.r.Path), "error", removeErr)
		}
		return u.fail(uncut, "make its name durable", err)
	}
	return nil
}
