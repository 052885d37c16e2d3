package file

import (
	"errors"
	"os"
	"syscall"
)

// syncFile makes a file durable. It reports false where the file system
// cannot be asked.
func syncFile(f *os.File) (bool, error) {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes the names in a directory durable.
func syncDir(r *os.Root, dir string) (bool, error) {
	f, err := r.Open(dir)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	return syncFile(f)
}

// space is what a file system has free for us, and its size, in bytes.
func space(dir string) (free, total int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1, -1
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize)
}
