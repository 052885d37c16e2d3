package exec

import "syscall"

// processAttributes puts the script into its own process group and makes the
// kernel end it when this process ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
