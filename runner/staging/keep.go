package staging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk/failure"
)

// Entry is everything that is staged for one task.
type Entry struct {
	Run  string
	Task string // empty where it is too long for a directory's name; Path then holds what can be read of it
	// Path is the task's directory, relative to the staging directory.
	Path  string
	Files int
	Bytes int64 // in files, as their sizes say
	// Modified is when something was last written.
	Modified time.Time
}

// Verify reads staged files again and compares size and hash with what was
// sealed. Every error is a *failure.Error.
func (s *Staging) Verify(ctx context.Context, staged []Sealed) error {
	for _, f := range staged {
		if err := s.verify(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Staging) verify(ctx context.Context, f Sealed) error {
	if !fs.ValidPath(f.Path) {
		return failure.New(failure.Internal, failure.StagingIO, "staged file %q is not below the staging directory", f.Path)
	}
	file, err := s.root.OpenFile(f.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.New(failure.Corrupt, failure.MissingFile, "staged file %s is gone: %w", f.Path, err)
	}
	if err != nil {
		return fault(err, "open the staged %s", f.Path)
	}
	defer file.Close()
	h := sha256.New()
	size, err := hashFrom(ctx, h, file, 0)
	switch got := hex.EncodeToString(h.Sum(nil)); {
	case ctx.Err() != nil:
		return failure.From(ctx.Err())
	case err != nil:
		return fault(err, "read the staged %s", f.Path)
	case size != f.Size:
		return failure.New(failure.Corrupt, failure.WrongSize, "staged file %s has %d bytes and had %d when it was captured", f.Path, size, f.Size)
	case got != f.SHA256:
		return failure.New(failure.Corrupt, failure.WrongHash, "staged file %s has SHA-256 %s and had %s when it was captured", f.Path, got, f.SHA256)
	}
	return nil
}

// RemoveRun removes everything that is staged for a run. It succeeds if there is
// nothing.
func (s *Staging) RemoveRun(run string) error {
	if run == "" || component(run) != run {
		return fmt.Errorf("remove what is staged for a run: %q cannot be the name of one", run)
	}
	s.making.Lock()
	defer s.making.Unlock()
	s.forget(run)
	if err := s.root.RemoveAll(run); err != nil {
		return fault(err, "remove what is staged in %s", path.Join(s.dir, run))
	}
	return nil
}

// Remove removes everything that is staged for a task that is done. It succeeds
// if there is nothing. The run's next task may get its directories.
func (s *Staging) Remove(run, task string) error {
	dir, err := s.taskDir(run, task)
	if err != nil {
		return fault(err, "remove what is staged for task %s", task)
	}
	if s.release(dir) {
		return nil
	}
	return s.remove(dir)
}

func (s *Staging) remove(dir string) error {
	if err := s.root.RemoveAll(dir); err != nil {
		return fault(err, "remove what is staged in %s", path.Join(s.dir, dir))
	}
	// The run's directory goes with its last task. Not empty is the usual case.
	s.making.Lock()
	defer s.making.Unlock()
	err := s.root.Remove(path.Dir(dir))
	if err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return fault(err, "remove staging directory %s", path.Join(s.dir, path.Dir(dir)))
	}
	return nil
}

// List gives what is staged, by run and task.
func (s *Staging) List() ([]Entry, error) {
	runs, err := readDir(s.root, ".")
	if err != nil {
		return nil, fault(err, "list staging directory %s", s.dir)
	}
	var out []Entry
	for _, run := range runs {
		if !run.IsDir() {
			continue
		}
		tasks, err := readDir(s.root, run.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil, fault(err, "list staging directory %s", path.Join(s.dir, run.Name()))
		}
		for _, task := range tasks {
			if e, ok := s.entry(path.Join(run.Name(), task.Name())); ok {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return out, nil
}

func (s *Staging) entry(dir string) (Entry, bool) {
	e := Entry{Run: path.Dir(dir), Task: taskOf(path.Base(dir)), Path: dir}
	// Files that disappear while they are counted do not count.
	_ = fs.WalkDir(s.root.FS(), dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if info.ModTime().After(e.Modified) {
			e.Modified = info.ModTime()
		}
		if !d.IsDir() && !strings.HasPrefix(d.Name(), notePrefix) {
			e.Files++
			e.Bytes += info.Size()
		}
		return nil
	})
	return e, !e.Modified.IsZero() // else removed meanwhile
}

// Stale lists what was last written before an instant, except what keep wants to
// keep (nil: nothing).
func (s *Staging) Stale(before time.Time, keep func(Entry) bool) ([]Entry, error) {
	entries, err := s.List()
	return slices.DeleteFunc(entries, func(e Entry) bool { return !e.Modified.Before(before) || keep != nil && keep(e) }), err
}

// Sweep removes what [Staging.Stale] lists, and returns what it removed. It goes
// on after an error.
func (s *Staging) Sweep(before time.Time, keep func(Entry) bool) ([]Entry, error) {
	entries, err := s.Stale(before, keep)
	if err != nil {
		return nil, err
	}
	var removed []Entry
	var errs []error
	for _, e := range entries {
		if err := s.remove(e.Path); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, e)
	}
	return removed, errors.Join(errs...)
}

// Attempts are the directories of a variant of a task, relative to the staging
// directory: sealed or given up, by this process or by one before it.
func (s *Staging) Attempts(run, task, variant string) ([]string, error) {
	parent, err := s.taskDir(run, task)
	if err != nil {
		return nil, err
	}
	entries, err := readDir(s.root, parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault(err, "list what is staged for task %s", task)
	}
	var out []string
	for _, e := range entries {
		if n, is := strings.CutPrefix(e.Name(), component(variant)+"-"); is && e.IsDir() && n != "" && strings.Trim(n, "0123456789") == "" {
			out = append(out, path.Join(parent, e.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

// Drop removes staged files. It succeeds for a file that does not exist.
func (s *Staging) Drop(staged ...string) error {
	for _, f := range staged {
		if err := s.root.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault(err, "remove the staged %s", f)
		}
	}
	return nil
}
