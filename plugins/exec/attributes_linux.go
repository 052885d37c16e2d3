package exec

import "syscall"

// processAttributes give the script a group of its own, and end it with us.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
