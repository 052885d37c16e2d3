package staging

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/dirsync"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	maxFiles = 10_000  // in one capture
	maxDepth = 16      // of directories in one capture
	small    = 1 << 20 // bytes that are hashed sooner than another goroutine has begun
)

// Dir is the directory of one capture that is being made.
type Dir struct {
	staging  *Staging
	task     string // the directory of its task
	rel      string
	made     bool // its name is new in that
	name     int  // the number of the task's name in the run's directory
	root     *os.Root
	follower *follower
}

// Sealed is one staged file.
type Sealed struct {
	Name   string // within the capture, slash-separated
	Path   string // relative to the staging directory, slash-separated
	Size   int64  // bytes
	SHA256 string // lower-case hex
}

// Path is the directory's absolute path, for the plugin.
func (d *Dir) Path() string { return filepath.Join(d.staging.dir, filepath.FromSlash(d.rel)) }

// Seal takes over the files that the plugin has written. They must be exactly
// the claimed files: regular, with a single name, and of the claimed size and
// hash as measured here. When Seal returns, files and directories are durable
// and the files read-only.
//
// Every error is a *failure.Error. A false claim is of the kind internal, with
// its reason, because it is the fault of the plugin and not of a device. After
// an error the caller calls [Dir.Discard].
func (d *Dir) Seal(ctx context.Context, claimed []sdk.Artifact) ([]Sealed, error) {
	followed := d.follower.end()
	defer closeAll(followed)
	if err := checkClaims(claimed); err != nil {
		return nil, err
	}
	tree, err := d.look()
	if err != nil {
		return nil, err
	}
	if err := tree.matches(claimed); err != nil {
		return nil, err
	}
	named := make(chan error, 1)
	go func() { named <- d.syncDirectories(tree.dirs) }() // the disk does both at once
	err = d.sealFiles(ctx, claimed, tree, followed)
	if unnamed := <-named; err == nil {
		err = unnamed
	}
	if err != nil {
		return nil, failure.From(err)
	}
	d.root.Close()
	d.over(len(tree.dirs) == 1)
	out := make([]Sealed, len(claimed))
	for i, c := range claimed {
		out[i] = Sealed{Name: c.Name, Path: path.Join(d.rel, c.Name), Size: c.Size, SHA256: c.SHA256}
	}
	return out, nil
}

func (d *Dir) sealFiles(ctx context.Context, claimed []sdk.Artifact, tree *tree, followed []*followed) error {
	seal := func(ctx context.Context, c sdk.Artifact) error {
		return d.sealFile(ctx, c, tree.files[c.Name], followed)
	}
	if len(claimed) == 1 {
		return seal(ctx, claimed[0])
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range claimed {
		group.Go(func() error { return seal(ctx, c) })
	}
	return group.Wait()
}

// Discard removes the directory with everything in it. It may follow a Seal.
func (d *Dir) Discard() error {
	closeAll(d.follower.end())
	d.root.Close()
	d.over(false)
	if err := d.staging.root.RemoveAll(d.rel); err != nil {
		return fault(err, "discard the staged files in %s", d.Path())
	}
	return nil
}

// tree is the content of a capture's directory.
type tree struct {
	files map[string]fs.FileInfo
	dirs  []string // parents before what is in them
}

// look lists the directory through its root, and refuses everything that is
// neither a directory nor a regular file with a single name.
func (d *Dir) look() (*tree, error) {
	t := &tree{files: map[string]fs.FileInfo{}}
	var visit func(dir string, depth int) error
	visit = func(dir string, depth int) error {
		if depth > maxDepth {
			return broken("directories more than %d deep in its capture", maxDepth)
		}
		t.dirs = append(t.dirs, dir)
		entries, err := readDir(d.root, dir)
		if err != nil {
			return fault(err, "list the capture in %s", d.Path())
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			info, err := d.root.Lstat(name)
			switch {
			case err != nil:
				return fault(err, "look at the captured %s", name)
			case info.IsDir():
				if err := visit(name, depth+1); err != nil {
					return err
				}
				continue
			case !info.Mode().IsRegular():
				return broken("%q, which is no regular file (%s)", name, info.Mode().Type())
			case links(info) != 1:
				return broken("%q, which has %d names (hard links)", name, links(info))
			}
			t.files[name] = info
			if len(t.files) > maxFiles {
				return broken("more than %d files", maxFiles)
			}
		}
		return nil
	}
	return t, visit(".", 0)
}

func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// broken is the failure of a plugin that broke the protocol in its capture.
func broken(format string, args ...any) *failure.Error {
	return failure.New(failure.Internal, failure.Protocol, "the plugin left "+format, args...).
		WithRemedy("report this to the plugin's authors")
}

func checkClaims(claimed []sdk.Artifact) error {
	if len(claimed) == 0 {
		return failure.New(failure.Internal, failure.MissingFile, "the capture brought no file")
	}
	var total int64
	seen := make(map[string]bool, len(claimed))
	for _, c := range claimed {
		// ValidPath: slash-separated, no "..", no empty component, no leading slash.
		if !fs.ValidPath(c.Name) || c.Name == "." || seen[c.Name] {
			return failure.New(failure.Internal, failure.Protocol, "the plugin named %q as a captured file: not a name below its directory, or named twice", c.Name).
				WithRemedy("report this to the plugin's authors")
		}
		seen[c.Name] = true
		total += c.Size
	}
	if total == 0 {
		return failure.New(failure.Corrupt, failure.EmptyFile, "the capture is empty: %s has no byte", claimed[0].Name)
	}
	return nil
}

// matches compares the files that exist with those that were claimed, by name
// and size.
func (t *tree) matches(claimed []sdk.Artifact) error {
	for _, c := range claimed {
		info, there := t.files[c.Name]
		switch {
		case !there:
			return failure.New(failure.Internal, failure.MissingFile, "captured file %q is not there", c.Name)
		case info.Size() != c.Size:
			return failure.New(failure.Internal, failure.WrongSize, "captured file %q has %d bytes, and the plugin told of %d", c.Name, info.Size(), c.Size)
		}
	}
	if len(t.files) > len(claimed) {
		var extra []string
		for name := range t.files {
			if !slices.ContainsFunc(claimed, func(c sdk.Artifact) bool { return c.Name == name }) {
				extra = append(extra, name)
			}
		}
		slices.Sort(extra)
		return broken("%d files that it did not name, for example %q", len(extra), extra[0])
	}
	return nil
}

// sealFile makes one file read-only and its content durable, and hashes a large one meanwhile:
// on two cores the hash costs nothing beyond the sync, or the sync nothing
// beyond the hash.
func (d *Dir) sealFile(ctx context.Context, c sdk.Artifact, seen fs.FileInfo, followed []*followed) error {
	f, err := d.root.OpenFile(c.Name, os.O_RDONLY|unix.O_NONBLOCK, 0) // never wait for a pipe put in its place
	if err != nil {
		return fault(err, "open the captured %s", c.Name)
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return fault(err, "look at the captured %s", c.Name)
	}
	if !os.SameFile(seen, before) || !before.Mode().IsRegular() || links(before) != 1 || before.Size() != c.Size {
		return broken("%q changing after it said that it was done", c.Name)
	}
	if err := f.Chmod(0o400); err != nil {
		return fault(err, "make the captured %s read-only", c.Name)
	}
	synced := func() error { return syncData(f) }
	if c.Size > small {
		done := make(chan error, 1)
		go func() { done <- syncData(f) }()
		synced = func() error { return <-done }
	}
	sum, err := digest(ctx, f, before, c.SHA256, followed)
	if syncErr := synced(); syncErr != nil {
		return fault(syncErr, "make the captured %s durable", c.Name)
	}
	if err != nil {
		if ctx.Err() != nil {
			return failure.From(ctx.Err())
		}
		return fault(err, "read the captured %s", c.Name)
	}
	after, err := f.Stat()
	if err != nil {
		return fault(err, "look at the captured %s", c.Name)
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return broken("%q changing after it said that it was done", c.Name)
	}
	if got := hex.EncodeToString(sum); got != c.SHA256 {
		return failure.New(failure.Internal, failure.WrongHash, "captured file %q has SHA-256 %s, and the plugin told of %q", c.Name, got, c.SHA256)
	}
	return nil
}

// syncDirectories makes the names durable: those in the capture, that of the
// capture itself if it is new, and those of its parents.
func (d *Dir) syncDirectories(dirs []string) error {
	for _, dir := range dirs {
		if err := syncDir(d.root, dir); err != nil {
			return fault(err, "make the capture in %s durable", d.Path())
		}
	}
	if d.made {
		if err := syncDir(d.staging.root, d.task); err != nil {
			return fault(err, "make the capture in %s durable", d.Path())
		}
	}
	return d.staging.syncRun(path.Dir(d.task), d.name)
}

// syncRun makes the names of a task and of its run durable. One sync serves all
// captures that were begun before it.
func (s *Staging) syncRun(run string, task int) error {
	if err := s.syncNames(run, task); err != nil {
		return err
	}
	s.making.Lock()
	known := s.known[run]
	s.making.Unlock()
	if known {
		return nil
	}
	if err := s.syncNames(".", s.namesIn(".").Made()); err != nil {
		return err
	}
	s.making.Lock()
	defer s.making.Unlock()
	s.known[run] = true
	return nil
}

func (s *Staging) syncNames(dir string, name int) error {
	if err := s.namesIn(dir).Keep(name, func() error { return syncDir(s.root, dir) }); err != nil {
		return fault(err, "make staging directory %s durable", path.Join(s.dir, dir))
	}
	return nil
}

func (s *Staging) namesIn(dir string) *dirsync.Names {
	s.making.Lock()
	defer s.making.Unlock()
	n := s.names[dir]
	if n == nil {
		n = &dirsync.Names{}
		s.names[dir] = n
	}
	return n
}

func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
