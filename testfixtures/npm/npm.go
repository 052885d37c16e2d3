// Package npm installs what a test needs from the npm registry, at the versions that
// its package-lock.json pins. It installs each package once and uses it again.
package npm

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// Installed gives a directory with the files of another one and the packages
// that its package-lock.json names. No script of a package runs.
func Installed(t testing.TB, from string) string {
	t.Helper()
	hash := sha256.New()
	for _, e := range need.Value(os.ReadDir(from))(t) {
		fmt.Fprintf(hash, "%s\n%s\n", e.Name(), need.Value(os.ReadFile(filepath.Join(from, e.Name())))(t))
	}
	cache := filepath.Join(need.Value(os.UserCacheDir())(t), "dprun-tests")
	need.Done(t, os.MkdirAll(cache, 0o700))
	dir := filepath.Join(cache, fmt.Sprintf("npm-%x", hash.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	fresh := need.Value(os.MkdirTemp(cache, "installing-"))(t)
	defer os.RemoveAll(fresh)
	need.Done(t, os.CopyFS(fresh, os.DirFS(from)))
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
	install.Dir = fresh
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", from, err, out)
	}
	if err := os.Rename(fresh, dir); err != nil { // another test may have been faster
		_, err := os.Stat(dir)
		need.Done(t, err)
	}
	return dir
}
