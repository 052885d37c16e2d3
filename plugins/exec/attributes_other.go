//go:build !linux

package exec

import "syscall"

// processAttributes give the script a group of its own.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
