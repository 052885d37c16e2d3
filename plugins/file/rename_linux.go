package file

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// renameNew renames a file within a directory, unless the new name is taken.
func renameNew(dir *os.File, from, to string) error {
	defer runtime.KeepAlive(dir)
	fd := int(dir.Fd())
	if err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: err}
	}
	return nil
}
