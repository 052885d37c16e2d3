package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// Check implements [sdk.Destination]. It first finds out the server's habits,
// because they decide what a store can do there, and reports them.
func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	x, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer x.release()
	var r *sdk.DestinationReport
	what := "check " + x.Location("")
	err = x.on(ctx, "", func(s *session) error {
		st, err := s.sftp.Stat(s.base)
		if errors.Is(err, os.ErrNotExist) || (err == nil && !st.IsDir()) {
			return failure.New(failure.NotFound, failure.NoDirectory, "the directory %s does not exist", s.base).WithRemedy("%s", d.directoryRemedy())
		}
		if err != nil {
			return err
		}
		known, err := d.known(ctx, x)
		if err != nil {
			return err
		}
		r = &sdk.DestinationReport{Location: d.config.location(s.base), WriteOnly: known.writeOnly, Warnings: d.warnings(known, s)}
		r.Free, r.Total = space(s, s.base)
		return nil
	})
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, ended(ctx, "%s", what)
	}
	return nil, store.Explain(what, err)
}

// warnings says which guarantees a store cannot give on this server.
func (d *destination) warnings(h *habits, s *session) []string {
	var out []string
	if !h.durable {
		out = append(out, "the server cannot be asked to sync files and their directories to disk ("+extFsync+"): copies are reported as not durable")
	}
	if w := d.modeWarning(h.mode); w != "" {
		out = append(out, w)
	}
	if h.replaces {
		out = append(out, "the server's rename replaces files: dprun checks the name first, but a file that another program makes under the same name at that moment would be lost")
	}
	if h.noDirectories {
		out = append(out, fmt.Sprintf("user %s cannot make directories in %s, so those of every set must exist", d.config.Username, s.base))
	}
	shown := min(len(s.skipped), skippedShown)
	out = append(out, s.skipped[:shown]...)
	if more := len(s.skipped) - shown; more > 0 {
		out = append(out, fmt.Sprintf("%d more lines of %s are skipped", more, d.config.KnownHosts))
	}
	return out
}

// skippedShown is how many skipped lines are shown one by one.
const skippedShown = 3

// modeWarning says that copies have another mode than they should have; empty: they have the right one.
func (d *destination) modeWarning(mode fs.FileMode) string {
	if mode == d.fileMode {
		return ""
	}
	return d.tellMode(mode)
}

func (d *destination) tellMode(mode fs.FileMode) string {
	if mode == 0 {
		return fmt.Sprintf("the server does not tell which mode copies have; %04o was asked for: others may be able to read them (close the directory to others)", d.fileMode)
	}
	return fmt.Sprintf("copies have mode %04o, not %04o: the server does not keep a mode that is set (let it accept changes of modes, give user %s the umask 077, or close the directory to others)",
		mode, d.fileMode, d.config.Username)
}

// known returns the server's habits. It finds them out once; later it only
// checks that a file can be written.
func (d *destination) known(ctx context.Context, x *directory) (*habits, error) {
	select {
	case d.probing <- struct{}{}:
		defer func() { <-d.probing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p := &probe{d: d, s: x.s, h: habits{missing: statusNoSuchFile}}
	known := d.habits.Load()
	var err error
	if known != nil {
		p.h = *known
		err = p.tryWrite(ctx)
	} else {
		err = p.run(ctx)
	}
	p.cleanUp(ctx, x)
	if err != nil {
		return nil, err
	}
	if known == nil {
		known = &p.h
		d.habits.Store(known)
	}
	return known, nil
}

// habitsFor is [destination.known] for a store, which soon writes a file anyway.
func (d *destination) habitsFor(ctx context.Context, x *directory) (*habits, error) {
	select { // another call may be finding them out
	case d.probing <- struct{}{}:
		<-d.probing
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h := d.habits.Load(); h != nil {
		return h, nil
	}
	return d.known(ctx, x)
}

// probe does what a store does, with a few bytes.
type probe struct {
	d    *destination
	s    *session
	h    habits
	left []string // files that exist now
}

func (p *probe) fail(ctx context.Context, err error, doing string) error {
	return store.Explain(doing, p.d.explain(ctx, p.s, err, p.s.base))
}

// cleanUp removes the remaining files, even if ctx has ended.
func (p *probe) cleanUp(ctx context.Context, x *directory) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	for _, name := range p.left {
		if err := x.Remove(ctx, path.Base(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.d.log.Warn("remove a file of a check: it is left for a sweep", "file", name, "error", err)
		}
	}
}

// tryWrite makes a file of one byte and removes it.
func (p *probe) tryWrite(ctx context.Context) error {
	name, err := p.write(ctx, []byte{0})
	if err != nil {
		return err
	}
	return p.remove(ctx, name)
}

// lacks is the failure of a server that cannot do what every store needs.
func (p *probe) lacks(ctx context.Context, err error, doing, remedy string) error {
	f := failure.From(p.fail(ctx, err, doing))
	if answer := status(err); answer == statusUnsupported || answer == statusFailure || answer == statusPermission {
		f.Remedy = fmt.Sprintf(remedy, p.d.config.Username)
	}
	return f
}

func (p *probe) name() string { return path.Join(p.s.base, store.TempName("check")) }

func (p *probe) run(ctx context.Context) error {
	if err := p.learnMissing(); err != nil {
		return p.fail(ctx, err, "look at a name that does not exist")
	}
	content := []byte("dprun checks whether it can store here. This file may be removed.\n")
	name, err := p.write(ctx, content)
	if err != nil {
		return err
	}
	if err := p.readBack(ctx, name, content); err != nil {
		return err
	}
	if name, err = p.rename(ctx, name); err != nil {
		return err
	}
	if err := p.replace(ctx, name); err != nil {
		return err
	}
	if err := p.remove(ctx, name); err != nil {
		return err
	}
	// Many servers sync a file but not the directory that holds its name.
	p.h.durable = p.h.durable && flush(p.s, p.s.base)
	return p.makeDirectory(ctx)
}

// learnMissing asks for a name that nobody uses, to learn the answer.
func (p *probe) learnMissing() error {
	name := p.name()
	_, err := p.s.sftp.Lstat(name)
	if status(err) == statusUnsupported {
		_, err = p.s.sftp.Stat(name)
	}
	if err == nil {
		return failure.New(failure.Precondition, failure.Unsupported, "the server says that %s exists, although nobody has used that name", name).
			WithRemedy("use another SFTP server: with this one dprun cannot tell what it would overwrite")
	}
	if p.h.missing = status(err); p.h.missing < 0 {
		return err
	}
	return nil
}

// write makes a file the way a store does.
func (p *probe) write(ctx context.Context, content []byte) (string, error) {
	name := p.name()
	f, err := create(p.s, name)
	if err != nil {
		if status(err) >= 0 && p.withoutDot() {
			return "", failure.New(failure.Denied, failure.NoAccess, "write the file %s: the server refuses a name that begins with a dot", name).
				WithRemedy("let the server accept names that begin with %s: files have such names until they are complete", sdk.TempPrefix)
		}
		return "", p.fail(ctx, err, "write the file "+name)
	}
	p.left = append(p.left, name)
	cerr := f.Chmod(p.d.fileMode)
	if _, err := f.Write(content); err != nil {
		_ = f.Close()
		return "", store.Explain("write the file "+name, p.d.explainWrite(ctx, p.s, err, p.s.base))
	}
	st, durable, err := finish(p.s, f, name)
	if err != nil {
		return "", store.Explain("flush and close the file "+name, p.d.explainWrite(ctx, p.s, err, p.s.base))
	}
	if lost(cerr) {
		return "", p.fail(ctx, cerr, "set the mode of the file "+name)
	}
	if st.Size() != int64(len(content)) {
		return "", failure.New(failure.Precondition, failure.Unsupported, "the server says that a file of %d bytes has %d", len(content), st.Size()).
			WithRemedy("find out what the server does with stored files (a filter, a drop box); dprun cannot tell whether a copy there is whole")
	}
	p.h.durable = durable
	p.h.mode = st.Mode().Perm()
	if w := p.d.modeWarning(p.h.mode); w != "" && p.d.config.RequireMode {
		return name, failure.New(failure.Precondition, failure.ModeNotKept, "require_mode is set, and %s", w).
			WithRemedy("correct that on the server, set file_mode to that mode, or leave require_mode out")
	}
	return name, nil
}

// withoutDot reports whether the server accepts the same name without its dot.
func (p *probe) withoutDot() bool {
	name := path.Join(p.s.base, strings.TrimPrefix(path.Base(p.name()), "."))
	f, err := create(p.s, name)
	if err != nil {
		return false
	}
	p.left = append(p.left, name)
	_ = f.Close()
	return true
}

func (p *probe) vanished(name string) error {
	return failure.New(failure.Precondition, failure.Unsupported, "the file %s was written and is gone: the server takes files away", name).
		WithRemedy("store in a directory from which no program collects files")
}

func (p *probe) readBack(ctx context.Context, name string, content []byte) error {
	var got bytes.Buffer
	_, err := copyOut(p.s, name, int64(len(content)), &got)
	answer := status(err)
	st, lerr := p.h.look(ctx, p.s, name)
	switch {
	case lerr == nil && st == nil:
		return p.vanished(name)
	case answer == statusPermission || answer == statusUnsupported || answer == statusFailure:
		p.h.writeOnly = failure.From(p.fail(ctx, err, "read the file "+name)).Message
		return nil
	case err != nil:
		return p.fail(ctx, err, "read the file "+name)
	case !bytes.Equal(got.Bytes(), content):
		return failure.New(failure.Corrupt, failure.Mismatch, "what was read back is not what was sent").
			WithRemedy("check the server's disk and memory, and what changes files there, before you trust it with anything")
	}
	return nil
}

func (p *probe) rename(ctx context.Context, name string) (string, error) {
	to := p.name()
	err := p.h.rename(p.s, name, to)
	if status(err) >= 0 && p.s.has(extPosixRename) {
		p.h.posixRename = true
		if perr := p.h.rename(p.s, name, to); perr == nil || lost(perr) {
			err = perr
		}
	}
	if err != nil {
		return "", p.lacks(ctx, err, "rename a file", "let user %s rename files there: a file gets its final name when it is complete and verified")
	}
	p.gone(name)
	p.left = append(p.left, to)
	return to, nil
}

// replace finds out whether a rename replaces a file. The server counts as not replacing
// only if it refuses twice and, in between, renames to a free name. One refusal alone
// may have another reason, and then every store must check the name first.
func (p *probe) replace(ctx context.Context, name string) error {
	other, err := p.write(ctx, []byte("x"))
	if err != nil {
		return err
	}
	free := p.name()
	for _, step := range []struct {
		from, to string
		refused  bool
	}{{other, name, true}, {other, free, false}, {free, name, true}} {
		err := p.h.rename(p.s, step.from, step.to)
		if err != nil && status(err) < 0 {
			return p.fail(ctx, err, "rename a file")
		}
		if err == nil {
			p.gone(step.from)
			p.left = append(p.left, step.to)
			other = step.to
		}
		if p.h.replaces = step.refused == (err == nil); p.h.replaces {
			break
		}
	}
	if other == name {
		return nil
	}
	return p.remove(ctx, other)
}

func (p *probe) remove(ctx context.Context, name string) error {
	if err := p.s.sftp.Remove(name); err != nil && !p.h.absent(err) {
		return p.lacks(ctx, err, "remove the file "+name, "let user %s remove files there: dprun removes what remains of a failed store")
	}
	p.gone(name)
	return nil
}

// gone records that a file need not be removed any more.
func (p *probe) gone(name string) {
	p.left = slices.DeleteFunc(p.left, func(n string) bool { return n == name })
}

func (p *probe) makeDirectory(ctx context.Context) error {
	name := p.name()
	err := p.s.sftp.Mkdir(name)
	if err == nil {
		err = p.s.sftp.RemoveDirectory(name)
	}
	if err != nil && status(err) < 0 {
		return p.fail(ctx, err, "make a directory")
	}
	p.h.noDirectories = err != nil
	return nil
}
