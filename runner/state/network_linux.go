package state

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// networkFileSystem names the network file system that holds a path; empty: it is
// local.
func networkFileSystem(path string) (string, error) {
	var vfs unix.Statfs_t
	if err := unix.Statfs(path, &vfs); err != nil {
		return "", fmt.Errorf("statfs: %w", err)
	}
	magic := uint32(vfs.Type) // 32 bits on every platform; sign-extended on some
	if magic != fuseMagic {
		return networkMagic(magic), nil
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("stat: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("read the table of mounts: %w", err)
	}
	device := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	return networkFUSE(mountType(string(mounts), device)), nil
}
