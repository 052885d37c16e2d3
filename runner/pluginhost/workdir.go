package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// hostPrefix begins the names of the hosts' directories.
	hostPrefix = "host-"
	// maxDir is the longest path that leaves room for what comes below it
	// within the 104 bytes of a unix socket's address:
	// host-1234567890/plugin-dir1234567890/plugin1234567890.
	maxDir = 48
)

// workDir is the directory of one host: private, locked while the host lives.
type workDir struct {
	path string
	lock *os.File
}

// newWorkDir makes a host's directory and sweeps those of hosts that are gone.
func newWorkDir(base string) (*workDir, error) {
	base, err := workBase(base)
	if err != nil {
		return nil, fmt.Errorf("make a directory for plugins: %w", err)
	}
	sweep(base)
	for range 100 { // a sweep may take a directory for one that was left, until it is locked
		path, err := os.MkdirTemp(base, hostPrefix)
		if err != nil {
			return nil, fmt.Errorf("make a directory for plugins: %w", err)
		}
		lock, err := lockDir(path)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("make a directory for plugins: %w", err)
		}
		if _, err := os.Lstat(path); err == nil {
			return &workDir{path: path, lock: lock}, nil
		}
		_ = lock.Close()
	}
	return nil, fmt.Errorf("make a directory for plugins: every one in %s was removed by somebody else", base)
}

// workBase is the directory of the hosts' directories: base, unless that is
// too long for a socket's address.
func workBase(base string) (string, error) {
	if base != "" && len(base) <= maxDir {
		return base, nil
	}
	shared := filepath.Join(os.TempDir(), fmt.Sprintf("dprun-%d", os.Getuid()))
	if len(shared) > maxDir {
		shared = fmt.Sprintf("/tmp/dprun-%d", os.Getuid())
	}
	if err := os.Mkdir(shared, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(shared)
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a private directory of ours; remove it", shared)
	}
	return shared, nil
}

// Sweep removes what the plugins of hosts that are gone have left: after a
// `kill -9` the secrets of a script are among it. base is [Options.WorkDir].
func Sweep(base string) {
	if base, err := workBase(base); err == nil {
		sweep(base)
	}
}

// lockDir locks a host's directory itself; the lock ends with the process.
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
