package scenario

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/dprun/dprun/runner/event"
)

// signals are those that a scenario may send to a process.
func signals(name string) syscall.Signal {
	return map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP, "SIGKILL": syscall.SIGKILL}[name]
}

// small mounts a small file system on a directory, in a mount namespace of its
// own, and becomes dprun.
const small = `set -e
umask 077
mkdir -p "$2"
mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2"
shift 2
exec "$@"
`

// process runs a dprun process to its end and follows its JSON output.
func (p *player) process(c command, begun func()) int {
	program, err := p.Dprun()
	p.must(err)
	args := append([]string{program, "--json", "--state-dir", p.stateDir(c)}, c.Args...)
	if c.Args[0] == "apply" {
		args = append(args, "--yes", "--no-guard", filepath.Join(p.dir, "plan.hcl"))
		if c.Plan != "" {
			args = append(args, "--plan", c.Plan)
		}
	}
	for _, m := range []struct {
		size int64
		dir  string
	}{{c.Staging, filepath.Join(p.stateDir(c), "staging")}, {c.Space, p.stateDir(c)}} {
		if m.size > 0 {
			args = append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", small, "sh", fmt.Sprint(m.size), m.dir}, args...)
		}
	}
	cmd := exec.CommandContext(p.t.Context(), args[0], args[1:]...)
	cmd.Dir = p.dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	p.must(err)
	p.must(cmd.Start())
	w := &watch{player: p, command: c, begun: begun, done: make([]bool, len(c.At)),
		signal: func(name string) { p.check(cmd.Process.Signal(signals(name))) }}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Type string `json:"type"`
			event.Status
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			p.t.Logf("%s", lines.Text())
			continue
		}
		switch line.Type {
		case "task_status", "run_status":
			w.Status(line.Status)
		}
	}
	p.check(lines.Err())
	_ = cmd.Wait() // its exit code is judged
	if complaints.Len() > 0 {
		p.t.Logf("%s: %s", c.Name, complaints.String())
	}
	return cmd.ProcessState.ExitCode()
}
