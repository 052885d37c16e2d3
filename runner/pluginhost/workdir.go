package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	// hostPrefix is the beginning of the names of the hosts' directories.
	hostPrefix = "host-"
	// maxDir is the longest path of the directory that leaves room for the rest of a
	// unix socket's address, which has at most 104 bytes:
	// host-1234567890/plugin-dir1234567890/plugin1234567890.
	maxDir = 48
)

// workDir is the directory of one host: private, and locked while the host lives.
type workDir struct {
	path string
	lock *os.File
}

// newWorkDir creates a host's directory and removes those of hosts that are gone.
func newWorkDir(base string) (*workDir, error) {
	var errs []error
	for _, dir := range workBases(base) {
		var err error
		if dir != base {
			err = private(dir)
		}
		if err == nil {
			var w *workDir
			if w, err = newWorkDirIn(dir); err == nil {
				return w, nil
			}
		}
		errs = append(errs, err) // its file system may be full, and devices do not wait for that
	}
	return nil, fmt.Errorf("make a directory for plugins: %w", errors.Join(errs...))
}

// workBases returns the possible parents of a host's directory; the first one with room
// is used. The first is base, unless it is too long for a socket's address. Then follow
// the system's directories for temporary files.
func workBases(base string) []string {
	var out []string
	if base != "" && len(base) <= maxDir {
		out = append(out, base)
	}
	for _, dir := range []string{os.TempDir(), "/tmp", "/dev/shm"} {
		shared := filepath.Join(dir, fmt.Sprintf("dprun-%d", os.Getuid()))
		if len(shared) <= maxDir && !slices.Contains(out, shared) {
			out = append(out, shared)
		}
	}
	return out
}

// private creates a directory that only this user can access.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a private directory of ours; remove it", dir)
	}
	return nil
}

// newWorkDirIn creates a host's directory with room for its sockets.
func newWorkDirIn(base string) (*workDir, error) {
	sweep(base)
	for range 100 { // until it is locked, a sweep may take the directory for an abandoned one
		path, err := os.MkdirTemp(base, hostPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		w := &workDir{path: path, lock: lock}
		if _, err := os.Lstat(path); err != nil {
			_ = lock.Close()
			continue
		}
		probe := filepath.Join(path, "room")
		err = os.WriteFile(probe, make([]byte, 4096), 0o600)
		_ = os.Remove(probe)
		if err != nil {
			return nil, errors.Join(err, w.remove())
		}
		return w, nil
	}
	return nil, fmt.Errorf("every one in %s was removed by somebody else", base)
}

// Sweep removes what the plugins of dead hosts have left, which can include the secrets
// of a script after a kill -9. base is [Options.WorkDir].
func Sweep(base string) {
	for _, dir := range workBases(base) {
		sweep(dir)
	}
}

// lockDir locks a host's directory itself. The lock ends with the process.
func lockDir(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the directories of hosts that are gone.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), hostPrefix) {
			continue
		}
		path := filepath.Join(base, e.Name())
		if f, err := lockDir(path); err == nil {
			_ = os.RemoveAll(path)
			_ = f.Close()
		}
	}
}

func (w *workDir) remove() error {
	err := os.RemoveAll(w.path)
	return errors.Join(err, w.lock.Close())
}
