package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Check implements [sdk.Destination]: it does what a Store does, with a few
// bytes, and leaves nothing behind.
func (d *Destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	var report *sdk.DestinationReport
	err := d.in(ctx, "check", "", func(s *session) error {
		if err := s.ready(ctx); err != nil {
			return err
		}
		report = &sdk.DestinationReport{Location: s.Location(""), Free: -1, Total: -1}
		p := &probe{session: s, report: report}
		err := p.run(ctx)
		p.cleanUp(ctx)
		if y, ok := s.Names.(Spacer); ok && err == nil {
			if report.Free, report.Total, err = y.Space(ctx, ""); err != nil {
				err = s.fail(ctx, "ask for its room", err)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

const (
	probeText      = "dprun tests whether it can store here; this file can be removed\n"
	warnNotDurable = "files cannot be made durable there: a power failure may destroy the latest ones"
)

// probe is one Check.
type probe struct {
	*session
	report *sdk.DestinationReport
	names  []string // files that may exist now
	dir    string   // a directory that may exist now
}

func (p *probe) run(ctx context.Context) error {
	if p.objects != nil {
		return p.runObjects(ctx)
	}
	if _, ok := p.files.(DirRemover); ok {
		dir := TempName("check")
		if err := p.files.Mkdir(ctx, dir); err != nil {
			return p.fail(ctx, "make a directory", err)
		}
		p.dir = dir
	}
	temp, final := TempName("check"), TempName("check")
	content := []byte(probeText)
	p.names = []string{temp}
	durable, err := p.write(ctx, temp, content)
	if err != nil {
		return err
	}
	if err := p.read(ctx, temp, content); err != nil {
		return err
	}
	p.names = append(p.names, final)
	if err := p.files.Publish(ctx, temp, final); err != nil {
		return p.fail(ctx, "rename a file", err)
	}
	if y, ok := p.files.(Syncer); ok && durable {
		if durable, err = y.Sync(ctx, ""); err != nil {
			return p.fail(ctx, "make names durable", err)
		}
	}
	if !durable {
		p.report.Warnings = append(p.report.Warnings, warnNotDurable)
	}
	if err := p.Remove(ctx, final); err != nil {
		return p.fail(ctx, "remove a file", err)
	}
	p.names = nil
	return nil
}

func (p *probe) write(ctx context.Context, temp string, content []byte) (durable bool, err error) {
	i, err := p.files.Put(ctx, temp, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return false, p.fail(ctx, "write a file", err)
	}
	if i.Size != int64(len(content)) {
		return false, p.failf(failure.Corrupt, failure.Mismatch, "the destination has %d bytes of a file of %d", i.Size, len(content)).WithRemedy("look at its disk")
	}
	durable = i.Durable == Yes
	if y, ok := p.files.(Syncer); ok && i.Durable == Unasked {
		if durable, err = y.Sync(ctx, temp); err != nil {
			return false, p.fail(ctx, "make a file durable", err)
		}
	}
	if w := p.modeWarning(i.Mode); w != "" {
		p.report.Warnings = append(p.report.Warnings, w)
	}
	return durable, p.requireMode(i.Mode)
}

// read reads the file back. A destination that cannot be read is still useful to
// some.
func (p *probe) read(ctx context.Context, temp string, content []byte) error {
	var got bytes.Buffer
	_, err := p.Get(ctx, temp, int64(len(content)), &got)
	switch {
	case err == nil && !bytes.Equal(got.Bytes(), content):
		return p.failf(failure.Corrupt, failure.Mismatch, "what was read back is not what was written").WithRemedy("look at its disk")
	case err != nil && ctx.Err() == nil && refused(err):
		p.report.WriteOnly = Explain("read a file back", err).Error()
	case err != nil:
		return p.fail(ctx, "read a file back", err)
	}
	return nil
}

// refused reports whether an error says that permission is missing.
func refused(err error) bool {
	f, ok := errors.AsType[*failure.Error](err)
	return errors.Is(err, fs.ErrPermission) || ok && f.Kind == failure.Denied
}

func (p *probe) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	for _, f := range p.names {
		p.removeTemp(ctx, f)
	}
	if p.dir == "" {
		return
	}
	if err := p.files.(DirRemover).RemoveDir(ctx, p.dir); err != nil && !absent(err) {
		p.d.o.Log.Warn("an empty directory is left", "directory", p.Location(p.dir), "error", err)
	}
}
