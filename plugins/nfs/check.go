package nfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// modeRule is the mode that stored files are to have.
type modeRule struct {
	want     fs.FileMode
	required bool
}

// judge compares a copy's mode with the one that it is to have. The warning
// says which it has; a failure, that this is not allowed.
func (m modeRule) judge(got fs.FileMode, what string) (warning string, err error) {
	if got == m.want {
		return "", nil
	}
	const remedy = "look at the export's squashing and ACLs, or set file_mode to what the server gives"
	if m.required {
		return "", failure.New(failure.Precondition, failure.ModeNotKept, "%s: the file has mode %04o on the server, not %04o, and require_mode asks for that", what, got, m.want).
			WithRemedy(remedy)
	}
	return fmt.Sprintf("files have mode %04o on the server, not %04o: %s", got, m.want, remedy), nil
}

// Check implements [sdk.Destination]. It does with a few bytes what a Store does.
func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	what := "check " + d.where("")
	if err := d.ready(ctx, what); err != nil {
		return nil, err
	}
	p := &probing{destination: d, what: what, report: &sdk.DestinationReport{Location: d.where("")}}
	err := p.run(ctx)
	p.cleanUp(ctx)
	if err != nil {
		return nil, err
	}
	p.report.Free, p.report.Total, err = d.tree.space(ctx, d.base)
	if err != nil {
		return nil, explain(err, what+": ask for its room")
	}
	if p.report.Total == 0 {
		p.report.Free, p.report.Total = -1, -1
	}
	return p.report, nil
}

// probing is one Check.
type probing struct {
	*destination
	what   string
	report *sdk.DestinationReport
	files  []string // that stand there
	dir    string   // likewise
}

func (p *probing) run(ctx context.Context) error {
	temp, final, dir := p.full(tempName("check")), p.full(tempName("check")), p.full(tempName("check"))
	if err := p.tree.mkdir(ctx, dir); err != nil {
		return explain(err, p.what+": make a directory")
	}
	p.dir = dir
	content := []byte("dprun looks whether it can store here; this file can be removed\n")
	if err := p.write(ctx, temp, content); err != nil {
		return err
	}
	if err := p.read(ctx, temp, content); err != nil {
		return err
	}
	if err := p.tree.publish(ctx, temp, final); err != nil {
		return explain(err, p.what+": rename a file")
	}
	p.files = []string{final}
	if err := p.tree.remove(ctx, final); err != nil {
		return explain(err, p.what+": remove a file")
	}
	p.files = nil
	return nil
}

func (p *probing) write(ctx context.Context, temp string, content []byte) error {
	out, err := p.tree.create(ctx, temp)
	if err != nil {
		return explain(err, p.what+": make a file")
	}
	defer out.close()
	p.files = []string{temp}
	if _, err := out.writeFrom(ctx, bytes.NewReader(content)); err != nil {
		return explain(err, p.what+": write a file")
	}
	if err := out.commit(ctx); err != nil {
		return notDurable(err, p.what)
	}
	i, err := p.settled(ctx, out, p.what)
	if err != nil {
		return err
	}
	if i.size != int64(len(content)) {
		return failure.New(failure.Corrupt, failure.Mismatch, "%s: the server has %d bytes of a file of %d", p.what, i.size, len(content)).WithRemedy("look at the server's disk")
	}
	warning, err := p.mode.judge(i.mode, p.what)
	if warning != "" {
		p.report.Warnings = append(p.report.Warnings, warning)
	}
	return err
}

// read reads the file back. One that cannot be read is of use for some.
func (p *probing) read(ctx context.Context, temp string, content []byte) error {
	var got bytes.Buffer
	_, err := p.tree.read(ctx, temp, &got)
	switch {
	case err == nil && !bytes.Equal(got.Bytes(), content):
		return failure.New(failure.Corrupt, failure.Mismatch, "%s: what was read back is not what was written", p.what).WithRemedy("look at the server's disk")
	case errors.Is(err, fs.ErrPermission):
		p.report.WriteOnly = explain(err, "read a file back").Error()
	case err != nil:
		return explain(err, p.what+": read a file back")
	}
	return nil
}

func (p *probing) cleanUp(ctx context.Context) {
	for _, f := range p.files {
		p.removeTemp(ctx, f)
	}
	if p.dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if err := p.tree.removeDir(ctx, p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("an empty directory is left", "directory", p.tree.location(p.dir), "error", err)
	}
}
