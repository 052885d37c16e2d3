//go:build unix

package sdk

import (
	"os"

	"golang.org/x/sys/unix"
)

// moveStdout makes descriptor 1 a copy of standard error, so that nothing can
// print into the protocol by accident. It returns the real standard output, for
// the handshake line, and standard error.
func moveStdout() (stdout, stderr *os.File, err error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "handshake"), os.Stderr, nil
}
