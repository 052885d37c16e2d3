package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// missing reports whether the directory is still to be made by the first store.
func (d *destination) missing() bool {
	_, err := os.Stat(d.directory)
	return d.create && errors.Is(err, fs.ErrNotExist)
}

// checkParent looks at where the first store will make the directory.
func (d *destination) checkParent() (*sdk.DestinationReport, error) {
	parent := filepath.Dir(d.directory)
	for {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		return nil, classify("make the directory in", parent, err, failure.NoDirectory)
	}
	report := &sdk.DestinationReport{Location: d.directory, Warnings: []string{"the directory " + d.directory + " is made by the first store"}}
	report.Free, report.Total = space(parent)
	return report, nil
}

// Check does with a few bytes what a Store does.
func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	if d.missing() {
		return d.checkParent()
	}
	r, err := d.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if err := ctx.Err(); err != nil {
		return nil, failure.From(err)
	}
	report := &sdk.DestinationReport{Location: d.directory}
	if err := d.probe(ctx, r, report); err != nil {
		return nil, err
	}
	report.Free, report.Total = space(d.directory)
	return report, nil
}

func (d *destination) probe(ctx context.Context, r *os.Root, report *sdk.DestinationReport) error {
	failed := func(what string, err error) error {
		return classify(what+" in the directory", d.directory, err, failure.NoDirectory)
	}
	dir, temp, final := tempName("check"), tempName("check"), tempName("check")
	if err := r.Mkdir(dir, dirMode); err != nil {
		return failed("make a directory", err)
	}
	defer func() { _ = r.Remove(dir) }()
	f, err := r.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return failed("write", err)
	}
	defer func() {
		_ = f.Close()
		_ = r.Remove(temp)
		_ = r.Remove(final)
	}()
	content := []byte("dprun looks whether it can store here; this file can be removed\n")
	if _, err := f.Write(content); err != nil {
		return failed("write", err)
	}
	durable, err := syncFile(f)
	if err != nil {
		return failed("make a file durable", err)
	}
	_, warnings, err := d.modeOf(f, d.directory)
	if err != nil {
		return err
	}
	report.Warnings = append(report.Warnings, warnings...)
	sum := sha256.Sum256(content)
	if got, err := readBack(ctx, r, temp); err != nil {
		return failed("read a file back", err)
	} else if got != hex.EncodeToString(sum[:]) {
		return failure.New(failure.Corrupt, failure.Mismatch, "read a file back in the directory %s: it is not what was written", d.directory).WithRemedy("check the disk")
	}
	if err := publish(r, temp, final); err != nil {
		return failed("publish a file", err)
	}
	if err := r.Remove(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("remove a file", err)
	}
	named, err := syncDir(r, ".")
	if err != nil {
		return failed("make names durable", err)
	}
	if !durable || !named {
		report.Warnings = append(report.Warnings, "the file system cannot be asked to make files durable: a power failure may take the last ones")
	}
	return nil
}

// modeOf compares a file's mode with the one that it is to have. A file system
// without modes of its own (exFAT, some shares) gives what its mount says.
func (d *destination) modeOf(f *os.File, at string) (kept bool, warnings []string, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, nil, classify("look at", at, err, failure.NoSuchFile)
	}
	got := info.Mode().Perm()
	if got == fileMode {
		return true, nil, nil
	}
	const remedy = "mount the file system with another mask (fmask, file_mode), or use one that has modes"
	if d.requireMode {
		return false, nil, failure.New(failure.Precondition, failure.ModeNotKept, "store below %s: the file has mode %04o, not %04o, and require_mode asks for that", at, got, fileMode).WithRemedy(remedy)
	}
	return false, []string{fmt.Sprintf("files have mode %04o, not %04o: %s", got, fileMode, remedy)}, nil
}
