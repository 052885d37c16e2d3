package daemon

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guard ends a server whose test process died without a chance to: killed, or
// stopped by go test's own time limit.
type guard struct {
	cmd  *exec.Cmd
	open io.Closer // while it is open the test process lives
}

func guardOf(pid int) (*guard, error) {
	// The shell waits for the end of its input, which comes with our end.
	cmd := exec.Command("/bin/sh", "-c", `read -r _; kill "$1"`, "sh", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{cmd: cmd, open: in}, nil
}

// end dismisses the guard. It comes before the server is ended: afterwards
// its process id may belong to somebody else.
func (g *guard) end() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	_ = g.open.Close()
}
