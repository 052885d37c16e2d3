//go:build !linux

package exec

import "syscall"

// processAttributes puts the script into its own process group.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
