//go:build !linux

package nfs

import (
	"errors"
	"os"
)

// hostSystem knows no way to tell a live NFS mount from a directory here, so
// every path is refused.
func hostSystem() mountSystem {
	err := errors.New("`mount` is supported on Linux only; set server and export instead")
	return mountSystem{
		fsType:    func(string) (string, error) { return "", err },
		statFS:    func(*os.File) (fileSystem, error) { return fileSystem{}, err },
		dropCache: func(*os.File) error { return err },
	}
}
