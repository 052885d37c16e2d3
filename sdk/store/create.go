package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// runObjects stores an object directly under its final name.
func (u *upload) runObjects(ctx context.Context) (*sdk.StoreReport, error) {
	if err := u.prove(ctx); err != nil {
		return nil, err
	}
	for dir := u.dir; dir != ""; dir = dirOf(dir) {
		if i, err := u.Stat(ctx, dir); err == nil && i.Regular {
			return nil, u.fail(ctx, "", InTheWay(u.Location(dir)))
		} else if err != nil && !absent(err) {
			return nil, u.fail(ctx, "look whether a file is in the way", err)
		} else if i.Dir {
			break // no file can be in the way above it either
		}
	}
	if report, err := u.existing(ctx); report != nil || err != nil {
		return report, err
	}
	// Some destinations cannot take back what is published, so the staged file
	// is checked first.
	switch sum, err := u.src.sum(); {
	case err != nil:
		return nil, u.sourceFailure(err)
	case sum != u.r.SHA256:
		return nil, u.sourceFailure(u.src.changed(u.r))
	case ctx.Err() != nil:
		return nil, ended(ctx, u.what)
	}
	uncut, cancel := u.src.uncut(ctx)
	defer cancel()
	u.publishing = true
	i, err := u.objects.Create(uncut, u.temp, u.r.Path, Content{ReaderAt: u.src, Local: u.src.file, Size: u.r.Size, SHA256: u.r.SHA256})
	if err != nil {
		if u.src.failed() && ctx.Err() == nil {
			err = u.sourceFailure(u.src.finish(u.r))
		}
		return u.settle(ctx, u.fail(ctx, "write", err))
	}
	u.durable = i.Durable == Yes
	if err := u.created(ctx, i); err != nil {
		return nil, u.takeBack(ctx, err)
	}
	return u.report(u.r.Verify), nil
}

// created verifies an object that has just been stored.
func (u *upload) created(ctx context.Context, i Info) error {
	if err := u.src.finish(u.r); err != nil {
		return u.sourceFailure(err)
	}
	if i.Size != u.r.Size {
		return u.failf(failure.Corrupt, failure.Mismatch, "%d bytes were sent, the destination has %d", u.r.Size, i.Size).WithRemedy("look at its disk and log")
	}
	if i.Unfit != nil {
		return u.fail(ctx, "", i.Unfit)
	}
	if u.r.Verify != sdk.VerifyReadBack && !i.Unconfirmed {
		return nil
	}
	return u.readBack(ctx, u.r.Path)
}

// takeBack removes an object of this store that could not be verified.
func (u *upload) takeBack(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	err := u.Remove(ctx, u.r.Path)
	if err == nil || absent(err) {
		return cause
	}
	f := *failure.From(cause)
	f.Message += "; the stored object is still there: " + err.Error()
	return &f
}

// prove tests once whether the destination keeps what [Objects] promise.
func (s *session) prove(ctx context.Context) error {
	s.d.mu.Lock()
	proven := s.d.proven
	s.d.mu.Unlock()
	if proven {
		return nil
	}
	p := &probe{session: s, report: &sdk.DestinationReport{}}
	err := p.runObjects(ctx)
	p.cleanUp(ctx)
	return err
}

// runObjects tests that an object arrives whole and that another one does not
// replace it.
func (p *probe) runObjects(ctx context.Context) error {
	name, content := TempName("check"), []byte(probeText)
	create := func(content []byte) error {
		sum := sha256.Sum256(content)
		src := bytes.NewReader(content)
		i, err := p.objects.Create(ctx, TempName("check"), name, Content{ReaderAt: src, Local: src, Size: src.Size(), SHA256: hex.EncodeToString(sum[:])})
		if err == nil && i.Durable != Yes && len(p.report.Warnings) == 0 {
			p.report.Warnings = append(p.report.Warnings, warnNotDurable)
		}
		return err
	}
	p.names = []string{name}
	if err := create(content); err != nil {
		return p.fail(ctx, "write a file", err)
	}
	if err := p.read(ctx, name, content); err != nil {
		return err
	}
	switch err := create(bytes.ToUpper(content)); {
	case err == nil:
		return p.failf(failure.Precondition, failure.Unsupported, "the server replaces an existing object although it is told not to").
			WithRemedy("use a server that respects If-None-Match, or a newer version of this one")
	case !errors.Is(err, fs.ErrExist) && failure.From(err).Kind != failure.Exists:
		return p.fail(ctx, "write a file again, which must be refused", err)
	}
	warnings, err := p.objects.Probe(ctx, name)
	if err != nil {
		return p.fail(ctx, "", err)
	}
	p.report.Warnings = append(p.report.Warnings, warnings...)
	if err := p.Remove(ctx, name); err != nil {
		return p.fail(ctx, "remove a file", err)
	}
	p.names = nil
	p.d.mu.Lock()
	p.d.proven = true
	p.d.mu.Unlock()
	return nil
}

// uncut returns a context that ends with ctx until the whole file was read, and
// [publishLimit] after ctx from then on. A cut half way would leave the outcome
// unknown.
func (s *source) uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		all := s.count.n == s.size
		s.mu.Unlock()
		if !all {
			cancel()
			return
		}
		time.AfterFunc(publishLimit, cancel)
	})
	return out, func() { stop(); cancel() }
}

// settle cleans up after a failed store. It removes the temporary file. If the
// final name turns out to hold the whole content, the store has succeeded after
// all; otherwise settle returns cause.
func (u *upload) settle(ctx context.Context, cause error) (*sdk.StoreReport, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if u.publishing {
		// The answer may have been lost, or another store was faster.
		report, err := u.existing(ctx)
		other := failure.From(cause).Kind == failure.Exists
		switch {
		case report != nil:
			report.Existed = other
			u.removeTemp(ctx, u.temp)
			return report, nil
		case err != nil && failure.From(err).Kind != failure.Exists:
			u.leave(u.temp, err)
			f := failure.From(cause)
			f.Message += "; it is not known whether the file has its final name"
			return nil, f
		case err != nil: // something else is there now
			cause = err
		}
	}
	u.removeTemp(ctx, u.temp)
	return nil, cause
}

// removeTemp tries to remove a temporary file, and remembers it if that fails.
func (s *session) removeTemp(ctx context.Context, name string) {
	if err := s.Remove(ctx, name); err != nil && !absent(err) {
		s.leave(name, err)
	}
}

// leave remembers a temporary file that could not be removed. Nothing uses that file
// any more.
func (s *session) leave(name string, err error) {
	s.d.o.Log.Warn("a temporary file is left; the next store or a sweep removes it", "file", s.Location(name), "error", err)
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.leftovers = append(s.d.leftovers, name)
}

// removeLeftovers removes temporary files that earlier stores and checks could
// not remove.
func (s *session) removeLeftovers(ctx context.Context) {
	s.d.mu.Lock()
	names := s.d.leftovers
	s.d.leftovers = nil
	s.d.mu.Unlock()
	for _, name := range names {
		s.removeTemp(ctx, name)
	}
}
