package staging

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriting asks the kernel to begin writing a part of a file to the disk,
// and does not wait for it. It makes nothing durable.
func startWriting(f *os.File, offset, length int64) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// syncData makes a file's content and size durable, but not its mode.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
