//go:build !linux

package file

import (
	"os"
	"syscall"
)

func renameNew(*os.File, string, string) error { return syscall.ENOSYS }
