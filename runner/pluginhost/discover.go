package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dprun/dprun/sdk/failure"
)

// filePrefix begins the file names of third-party plugins.
const filePrefix = "dprun-plugin-"

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// discover lists the third-party plugins of a directory: name → file. Neither
// the current directory nor PATH is ever looked at.
func discover(dir string) (map[string]string, error) {
	if dir == "" {
		return nil, nil
	}
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("the plugin directory %q is not an absolute path", dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for plugins: %w", err)
	}
	found := map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), filePrefix)
		if !ok || !namePattern.MatchString(name) {
			continue
		}
		file := filepath.Join(dir, e.Name())
		if err := trusted(dir, file); err != nil {
			return nil, err
		}
		found[name] = file
	}
	return found, nil
}

// trusted refuses a plugin that anybody on the machine could have put there.
func trusted(paths ...string) error {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("look for plugins: %w", err)
		}
		if info.Mode().Perm()&0o002 != 0 {
			return failure.New(failure.Denied, failure.BadConfig, "plugins are not started from %s, which everybody may write to", p).
				WithRemedy("chmod o-w %s", p)
		}
		if info.IsDir() {
			continue
		}
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return failure.New(failure.Precondition, failure.BadConfig, "the plugin %s is not an executable file", p).
				WithRemedy("make it executable, or remove it")
		}
	}
	return nil
}

// digestFile is the SHA-256 of a file, in hex.
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
