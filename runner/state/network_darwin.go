package state

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkFileSystem names the network file system that holds a path; empty: it is
// local.
func networkFileSystem(path string) (string, error) {
	var vfs unix.Statfs_t
	if err := unix.Statfs(path, &vfs); err != nil {
		return "", fmt.Errorf("statfs: %w", err)
	}
	if vfs.Flags&unix.MNT_LOCAL != 0 {
		return "", nil
	}
	return unix.ByteSliceToString(vfs.Fstypename[:]), nil
}
