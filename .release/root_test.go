//go:build packages || release

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// newRoot makes a root of Debian 12 that holds the smallest set of packages and
// those that are named.
func newRoot(t *testing.T, packages ...string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command("mmdebstrap", "--quiet", "--variant=minbase", "--include="+strings.Join(packages, ","), "bookworm", root).CombinedOutput(); err != nil {
		t.Fatalf("a root of Debian: %v\n%s", err, out)
	}
	mount(t, "proc", filepath.Join(root, "proc"), "proc", 0)
	return root
}

// mount mounts until the test ends.
func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	need.Done(t, syscall.Mount(source, target, kind, flags, ""))
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
}
