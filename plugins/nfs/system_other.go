//go:build !linux

package nfs

import (
	"errors"
	"os"
)

// hostSystem cannot tell a live NFS mount from a directory on this system, so
// it refuses every path.
func hostSystem() mountSystem {
	err := errors.New("`mount` is supported on Linux only; set server and export instead")
	return mountSystem{
		fsType:    func(string) (string, error) { return "", err },
		statFS:    func(*os.File) (fileSystem, error) { return fileSystem{}, err },
		dropCache: func(*os.File) error { return err },
	}
}
