package staging

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk/dirsync"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// maxAttempts bounds the directories of one variant; it only ends an endless loop.
	maxAttempts = 10_000
	// maxName is what a directory's name may have on every file system that matters.
	maxName = 255
)

// Staging is the staging directory. Close it to release its descriptor.
type Staging struct {
	dir  string
	root *os.Root
	// making keeps a run's directory from being removed as empty while the
	// next task's is made in it.
	making sync.Mutex
	trees  map[string]*taskTree      // by their paths: of tasks that this process captures
	spare  map[string][]spareTree    // by run
	known  map[string]bool           // runs whose directory's name is durable
	names  map[string]*dirsync.Names // by directory

	room      func(dir string) (free, total int64, err error)
	measuring sync.Mutex
	growing   map[*Dir]int64 // what each capture that is being made has written
}

// Open makes the directory (0700) where it is missing and opens it.
func Open(dir string) (*Staging, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open staging directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("create staging directory: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open staging directory: %w", err)
	}
	return &Staging{dir: abs, root: root, room: room, trees: map[string]*taskTree{}, spare: map[string][]spareTree{}, known: map[string]bool{}, names: map[string]*dirsync.Names{}}, nil
}

// Close releases the directory. Nothing is removed.
func (s *Staging) Close() error { return s.root.Close() }

// Path is the absolute path of a staged file, which is named as [Sealed.Path]
// names it. A name that leads out of the staging directory is an error.
func (s *Staging) Path(staged string) (string, error) {
	local, err := filepath.Localize(staged)
	if err != nil {
		return "", fmt.Errorf("staged file %q: %w", staged, err)
	}
	return filepath.Join(s.dir, local), nil
}

// Free is how many bytes an ordinary user can still write to the file system.
func (s *Staging) Free() (int64, error) {
	free, _, err := s.room(s.dir)
	if err != nil {
		return 0, fmt.Errorf("ask for the room in staging directory %s: %w", s.dir, err)
	}
	return free, nil
}

// Capture makes an empty private directory for one attempt at one variant of
// a task. The caller must end it with [Dir.Seal] or [Dir.Discard].
func (s *Staging) Capture(run, task, variant string) (*Dir, error) {
	parent, err := s.taskDir(run, task)
	if err != nil {
		return nil, fault(err, "make a staging directory for %s of task %s", variant, task)
	}
	d := &Dir{staging: s, task: parent}
	if d.rel, d.made, err = s.attempt(parent, variant); err != nil {
		return nil, fault(err, "make a staging directory for %s of task %s", variant, task)
	}
	d.name = s.namesIn(path.Dir(parent)).Made()
	if d.root, err = s.root.OpenRoot(d.rel); err != nil {
		return nil, fault(err, "open the staging directory for %s of task %s", variant, task)
	}
	d.follower = follow(d.root)
	return d, nil
}

// attempt makes the next directory of a variant and returns it relative to the
// root, and whether its name is new.
func (s *Staging) attempt(parent, variant string) (rel string, made bool, err error) {
	s.making.Lock()
	defer s.making.Unlock()
	t, err := s.treeOf(parent)
	if err != nil {
		return "", false, err
	}
	t.captures++
	for n := 1; n <= maxAttempts; n++ {
		rel := path.Join(parent, component(variant)+"-"+strconv.Itoa(n))
		if t.empty[rel] {
			delete(t.empty, rel)
			return rel, false, nil
		}
		switch err := s.root.Mkdir(rel, 0o700); {
		case err == nil:
			return rel, true, nil
		case !errors.Is(err, fs.ErrExist):
			return "", false, err
		}
	}
	return "", false, fmt.Errorf("%d attempts are there already", maxAttempts)
}

// taskDir is a task's directory, relative to the root. Runs are named by us,
// so they stand as they are; a task's name holds what devices call their domains.
func (s *Staging) taskDir(run, task string) (string, error) {
	if run == "" || component(run) != run {
		return "", fmt.Errorf("%q cannot be the name of a run", run)
	}
	if task == "" {
		return "", errors.New("the task has no name")
	}
	return path.Join(run, taskName(task)), nil
}

// taskName is a task's name as one component of a path: escaped, so that
// [taskOf] gets it back, and with a hash, as file systems may not tell upper
// from lower case.
func taskName(task string) string {
	name := url.PathEscape(task)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	sum := sha256.Sum256([]byte(task))
	if end := "-" + hex.EncodeToString(sum[:6]); len(name)+len(end) <= maxName {
		return name + end
	}
	return component(task)
}

// taskOf is the task of a directory's name, empty where it was too long for that.
func taskOf(name string) string {
	task, err := url.PathUnescape(name[:max(0, strings.LastIndexByte(name, '-'))])
	if err != nil || taskName(task) != name {
		return ""
	}
	return task
}

// component returns a name as one component of a path: the name itself if it is
// harmless, else its readable part and a hash.
func component(name string) string {
	if c := clean(name, 64); c == name && c != "" {
		return c
	}
	sum := sha256.Sum256([]byte(name))
	return clean(name, 48) + "-" + hex.EncodeToString(sum[:6])
}

func clean(name string, length int) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, name)
	name = strings.TrimLeft(name, ".-")
	return name[:min(len(name), length)]
}

// Write puts a small file beside a task's captures while a plugin has to read
// it. The file is not made durable. The caller gives it back; whole says that
// the plugin has read it and that nobody reads it any more.
func (s *Staging) Write(run, task string, body []byte) (file string, done func(whole bool), err error) {
	parent, err := s.taskDir(run, task)
	if err != nil {
		return "", nil, err
	}
	s.making.Lock()
	defer s.making.Unlock()
	t, err := s.treeOf(parent)
	if err != nil {
		return "", nil, fault(err, "make the staging directory of task %s", task)
	}
	rel, f, err := s.note(t, parent)
	if err == nil {
		_, err = f.WriteAt(body, 0)
		err = errors.Join(err, f.Truncate(int64(len(body))), f.Close())
	}
	done = func(whole bool) {
		s.making.Lock()
		defer s.making.Unlock()
		if !whole || s.trees[parent] != t {
			_ = s.root.Remove(rel) // else swept when it is old
			return
		}
		t.notes = append(t.notes, path.Base(rel))
	}
	if err != nil {
		if rel != "" {
			_ = s.root.Remove(rel)
		}
		return "", nil, fault(err, "write a file beside what is captured of task %s", task)
	}
	return filepath.Join(s.dir, filepath.FromSlash(rel)), done, nil
}

// note opens a file that nobody reads at the moment, or makes one.
func (s *Staging) note(t *taskTree, parent string) (rel string, f *os.File, err error) {
	if n := len(t.notes) - 1; n >= 0 {
		rel, t.notes = path.Join(parent, t.notes[n]), t.notes[:n]
		f, err = s.root.OpenFile(rel, os.O_WRONLY, 0)
		return rel, f, err
	}
	rel = path.Join(parent, notePrefix+rand.Text())
	f, err = s.root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return rel, f, err
}

// fault is a failure of the local file system.
func fault(err error, format string, args ...any) *failure.Error {
	what := fmt.Sprintf(format, args...)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return failure.New(failure.NoSpace, failure.StagingIO, "%s: %w", what, err).
			WithRemedy("make room in the state directory, for example with `dprun runs prune`")
	}
	return failure.New(failure.Internal, failure.StagingIO, "%s: %w", what, err)
}
