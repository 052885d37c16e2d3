package pluginhost

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// filePrefix is the beginning of the file names of third-party plugins.
const filePrefix = "dprun-plugin-"

// Unfit is a file of the plugin directory that is not started.
type Unfit struct {
	Name string // of the plugin; empty: the directory itself cannot be used
	File string
	Err  *failure.Error // why, and what to do
}

// discover lists the third-party plugins of a directory, by name. It never looks at the
// current directory or PATH. A file that cannot be used does not affect other files. A
// directory that cannot be used affects only plans that need one of its files.
func discover(dir string) (fit map[string]string, unfit []Unfit) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []Unfit{{File: dir, Err: failure.New(failure.Unavailable, failure.BadConfig, "the directory of installed plugins cannot be read: %w", err).
			WithRemedy("let the user that runs dprun read %s", dir)}}
	}
	closed := trustedDir(dir)
	if closed != nil {
		unfit = append(unfit, Unfit{File: dir, Err: closed})
	}
	fit = map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), filePrefix)
		if !ok || !schema.IsName(name) {
			continue
		}
		file := filepath.Join(dir, e.Name())
		if why := cmp.Or(closed, trustedFile(file)); why != nil {
			unfit = append(unfit, Unfit{Name: name, File: file, Err: why})
			continue
		}
		if target, err := filepath.EvalSymlinks(file); err == nil {
			file = target // beside it are the files that were installed with it
		}
		fit[name] = file
	}
	return fit, unfit
}

// trustedDir refuses a directory in which others could place a plugin.
func trustedDir(dir string) *failure.Error {
	if !filepath.IsAbs(dir) {
		return failure.New(failure.Precondition, failure.BadConfig, "the directory of installed plugins, %q, is not an absolute path", dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return failure.New(failure.Unavailable, failure.BadConfig, "the directory of installed plugins cannot be looked at: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return failure.New(failure.Denied, failure.BadConfig, "no plugin is started from %s, which others may write to (mode %04o)", dir, info.Mode().Perm()).
			WithRemedy("look at what is in it, then: chmod go-w %s", dir)
	}
	return ours(dir, info)
}

// trustedFile refuses a plugin that others could have placed or changed.
func trustedFile(file string) *failure.Error {
	target, err := filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.New(failure.NotFound, failure.BadConfig, "the plugin %s is a link to a file that is not there", file).
			WithRemedy("remove the link, or put the file where it leads")
	}
	if err != nil {
		return failure.New(failure.Unavailable, failure.BadConfig, "the plugin %s cannot be looked at: %w", file, err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return failure.New(failure.Unavailable, failure.BadConfig, "the plugin %s cannot be looked at: %w", file, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return failure.New(failure.Precondition, failure.BadConfig, "the plugin %s is not a file", file).
			WithRemedy("remove it, or put the plugin's program there")
	case info.Mode().Perm()&0o002 != 0:
		return failure.New(failure.Denied, failure.BadConfig, "the plugin %s is not started, because everybody may write to it (mode %04o)", file, info.Mode().Perm()).
			WithRemedy("install it again, then: chmod go-w %s", target)
	case info.Mode().Perm()&0o111 == 0:
		return failure.New(failure.Precondition, failure.BadConfig, "the plugin %s is not executable (mode %04o)", file, info.Mode().Perm()).
			WithRemedy("chmod +x %s, or remove it", target)
	}
	if why := ours(target, info); why != nil {
		return why
	}
	if dir := filepath.Dir(target); dir != filepath.Dir(file) {
		return trustedDir(dir)
	}
	return nil
}

// ours refuses a file that belongs to neither the user who runs dprun nor root: its
// owner can change it at any time.
func ours(path string, info fs.FileInfo) *failure.Error {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || sys.Uid == 0 || int(sys.Uid) == os.Geteuid() {
		return nil
	}
	return failure.New(failure.Denied, failure.BadConfig, "no plugin is started from %s, which belongs to user %d; dprun runs as user %d", path, sys.Uid, os.Geteuid()).
		WithRemedy("install the plugin again as that user or as root")
}

// digestFile returns the SHA-256 of a file, in hex.
func digestFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Unfit lists the files of the plugin directory that are not started.
func (h *Host) Unfit() []Unfit { return slices.Clone(h.unfit) }

// refused returns the reason why the plugin with a name is not started, or nil.
func (h *Host) refused(name string) *failure.Error {
	for _, u := range h.unfit {
		if u.Name == name {
			return u.Err
		}
	}
	return nil
}
