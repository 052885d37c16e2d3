package soak

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a dprun of a round. It leads a group of its own.
type process struct {
	cmd  *exec.Cmd
	out  string        // the file with what it prints
	done chan struct{} // closed when it has ended
}

func (r *round) start(name string, args ...string) (*process, error) {
	p := &process{out: filepath.Join(r.dir, "out", name), done: make(chan struct{})}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(r.options.Dprun, args...)
	p.cmd.Dir = r.dir
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.dir, "DPRUN_STATE_DIR=" + r.state(), "DPRUN_LOG=info"}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its state
		close(p.done)
	}()
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// wait waits until the process has ended, or for a time. It reports whether it has.
func (p *process) wait(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// code is the exit code of a process that has ended; -1: it was killed.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

func (p *process) signal(s syscall.Signal, group bool) {
	pid := p.cmd.Process.Pid
	if group {
		pid = -pid
	}
	if !p.ended() {
		_ = syscall.Kill(pid, s) // it may end just now
	}
}

// stopped reports whether a signal has stopped the process.
func (p *process) stopped() bool { return !p.ended() && statusOf(p.cmd.Process.Pid).state == "T" }

// procStatus is what /proc says of a process.
type procStatus struct {
	state  string // empty: there is none
	parent int
}

func statusOf(pid int) (s procStatus) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s
	}
	_, after, _ := strings.Cut(string(b), ") ")
	if fields := strings.Fields(after); len(fields) > 1 {
		s.state = fields[0]
		s.parent, _ = strconv.Atoi(fields[1])
	}
	return s
}

// pids lists the processes of the machine.
func pids() (out []int) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, n := range names {
		if pid, err := strconv.Atoi(filepath.Base(n)); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// children are the processes that one has started and that are alive: plugins,
// and the guard.
func children(of int) (out []int) {
	for _, pid := range pids() {
		if s := statusOf(pid); s.parent == of && s.state != "Z" {
			out = append(out, pid)
		}
	}
	return out
}

// guards are the guard processes of the round.
func (r *round) guards() (out []int) {
	for _, pid := range pids() {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if bytes.Contains(b, []byte("guard\x00--state-dir\x00"+r.state()+"\x00")) && statusOf(pid).state != "Z" {
			out = append(out, pid)
		}
	}
	return out
}
