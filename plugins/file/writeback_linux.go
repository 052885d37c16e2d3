package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback lets the kernel begin to write a range to the disk, so that
// the final sync finds little left. It is only a hint.
func startWriteback(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
