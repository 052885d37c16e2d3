// Package state finds and opens the state directory. It holds the journal, staged
// files, locks, installed plugins and the plugins' working directories. It is private
// to one user and must be on a local file system, because flock and SQLite's
// write-ahead log are reliable only there.
package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// EnvDir is the environment variable that names the state directory.
const EnvDir = "DPRUN_STATE_DIR"

// private is the mode of everything that [Open] creates.
const private fs.FileMode = 0o700

// Dir returns the absolute path of the state directory: flag if it is given
// (--state-dir), else $DPRUN_STATE_DIR, else $XDG_STATE_HOME/dprun, else
// ~/.local/state/dprun. A relative $XDG_STATE_HOME is ignored, as the XDG specification
// demands. env is usually [os.Getenv]. Dir creates nothing.
func Dir(flag string, env func(string) string) (string, error) {
	for _, dir := range []string{flag, env(EnvDir)} {
		if dir == "" {
			continue
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("make the state directory %q absolute: %w", dir, err)
		}
		return abs, nil
	}
	if xdg := env("XDG_STATE_HOME"); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "dprun"), nil
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "dprun"), nil
	}
	return "", fmt.Errorf("no state directory: neither %s, XDG_STATE_HOME nor HOME names an absolute directory; give --state-dir", EnvDir)
}

// State is an open state directory. It holds no descriptor.
type State struct{ root string }

// Open creates what is missing of the state directory (mode 0700). It refuses a
// directory that is on a network file system, is owned by another user, or is writable
// by a group or by everybody.
func Open(dir string) (*State, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, private); err != nil {
		return nil, fmt.Errorf("create state directory %s: %w; give another one with --state-dir or %s", abs, err, EnvDir)
	}
	// A link is followed once, here. Its target is what is checked and used.
	root, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, fmt.Errorf("open state directory %s: %w", abs, err)
	}
	name, err := networkFileSystem(root)
	if err != nil {
		return nil, fmt.Errorf("find out which file system holds the state directory %s: %w", root, err)
	}
	if name != "" {
		return nil, &UnfitError{Dir: root, Why: "is on a network file system (" + name + "), where locks and the journal cannot be trusted",
			Remedy: "give a local directory with --state-dir or " + EnvDir}
	}
	s := &State{root: root}
	for _, d := range []string{root, s.Staging(), s.Locks(), s.Plugins(), s.Work(), s.Pending(), s.Leftovers(), s.Restores(), s.Evidence(), s.Served()} {
		if err := os.Mkdir(d, private); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("create %s in the state directory: %w", d, err)
		}
		if d == s.Plugins() {
			continue // only those who start plugins need it, and they check it
		}
		if err := fit(d, os.Geteuid()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Odd describes doubts about the journal's file that do not prevent its use: the target
// of a link was not checked, and content that others can write cannot be trusted once
// they reach it.
func (s *State) Odd() []string {
	var out []string
	info, err := os.Lstat(s.Journal())
	switch {
	case err != nil: // missing: it will be created; otherwise, opening it reports the reason
	case info.Mode().Type() == fs.ModeSymlink:
		out = append(out, fmt.Sprintf("the journal %s is a link: whether that place is local and private is not checked; move the file here, with those that end in -wal and -shm", s.Journal()))
	case info.Mode().Perm()&0o022 != 0:
		out = append(out, fmt.Sprintf("the journal %s can be written by others (mode %04o): chmod 0600 %[1]s", s.Journal(), info.Mode().Perm()))
	}
	return out
}

// UnfitError says why a directory cannot be used for state.
type UnfitError struct {
	Dir    string
	Why    string
	Remedy string
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("state directory %s %s; %s", e.Dir, e.Why, e.Remedy)
}

// fit checks that a path is a directory that only the user uid can change.
func fit(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("check state directory: %w", err)
	}
	if !info.IsDir() {
		return &UnfitError{Dir: dir, Why: "is not a directory", Remedy: "move it away"}
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != uid {
		return &UnfitError{Dir: dir, Why: fmt.Sprintf("belongs to user %d, and this is user %d", sys.Uid, uid),
			Remedy: "run dprun as its owner, or give another one with --state-dir or " + EnvDir}
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return &UnfitError{Dir: dir, Why: fmt.Sprintf("can be written by others (mode %04o)", perm),
			Remedy: "make it private: chmod 0700 " + dir}
	}
	return nil
}

// Journal returns the path of the journal's file.
func (s *State) Journal() string { return filepath.Join(s.root, "journal.db") }

// Staging returns the directory of captured files.
func (s *State) Staging() string { return filepath.Join(s.root, "staging") }

// Locks returns the directory of lock files.
func (s *State) Locks() string { return filepath.Join(s.root, "locks") }

// Pending returns the directory of the files that say what must be undone.
func (s *State) Pending() string { return filepath.Join(s.root, "pending") }

// Plugins returns the directory of installed plugins.
func (s *State) Plugins() string { return filepath.Join(s.root, "plugins") }

// Work returns the directory in which plugins get their working directories.
func (s *State) Work() string { return filepath.Join(s.root, "work") }

// GuardLog returns the file that guard processes log to.
func (s *State) GuardLog() string { return filepath.Join(s.root, "guard.log") }

// Leftovers returns the directory of notes about temporary files at destinations that
// could not be removed yet.
func (s *State) Leftovers() string { return filepath.Join(s.root, "leftovers") }

// Restores returns the directory of what is needed to find out how restores ended. It
// holds a directory for each run with such an obligation.
func (s *State) Restores() string { return filepath.Join(s.root, "restores") }

// Evidence returns the directory of the records of what was done.
func (s *State) Evidence() string { return filepath.Join(s.root, "evidence") }

// Served returns the directory of the copies of plans that a server serves, as they
// were when they were last valid.
func (s *State) Served() string { return filepath.Join(s.root, "served") }

// AddEvidence durably adds a file to the records. If a file of that name exists, it
// stays unchanged and the error is [fs.ErrExist].
func (s *State) AddEvidence(name string, body []byte) error {
	err := makeOnce(filepath.Join(s.Evidence(), name), body)
	if err != nil {
		return err
	}
	dir, err := os.Open(s.Evidence())
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// idSize is the length of the ID as text, in bytes.
const idSize = 26

// ID returns the identifier of this state directory, which no other has, whatever its
// path is. Manifests hold it, so that a destination shows which sets come from here. ID
// creates it if it is missing: a directory that has lost its ID no longer owns the
// earlier sets.
func (s *State) ID() (string, error) {
	path := filepath.Join(s.root, "id")
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeOnce(path, []byte(rand.Text()+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the ID of the state directory: %w", err)
		}
		body, err = os.ReadFile(path)
	}
	id := strings.TrimSuffix(string(body), "\n")
	if err == nil && (len(id) != idSize || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "") {
		err = fmt.Errorf("%s does not hold an ID; bring it back from a backup, or remove it: then a new one is made, and the sets stored before are another's", path)
	}
	if err != nil {
		return "", fmt.Errorf("read the ID of the state directory: %w", err)
	}
	return id, nil
}

// keySize is the length of the key, in bytes.
const keySize = 32

// Key returns a secret of this state directory. It hides the credentials that the
// journal refers to. Key creates it if it is missing.
func (s *State) Key() ([]byte, error) {
	path := filepath.Join(s.root, "credentials.key")
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the key of the state directory: %w", err)
		}
		key, err = os.ReadFile(path)
	}
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("%s has %d bytes instead of %d; remove it, and a new one is made", path, len(key), keySize)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the state directory: %w", err)
	}
	return key, nil
}

// makeKey creates a key.
func makeKey(path string) error {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return makeOnce(path, key)
}

// makeOnce creates a file that has its full content from the moment it exists.
func makeOnce(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // fails if another process has created one meanwhile
}
