package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endTimeout is how long a process may take to end when it is asked to.
const endTimeout = 5 * time.Second

// command is a process in a group of its own, which is ended as a whole with ctx.
func command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endTimeout
	return cmd
}

// output runs a command to its end. Its error holds the end of what it said.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		said := bytes.TrimSpace(complaint.Bytes())
		if len(said) == 0 {
			said = bytes.TrimSpace(out.Bytes())
		}
		return out.Bytes(), fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, said[max(0, len(said)-1500):])
	}
	return out.Bytes(), nil
}

// script runs one of the peers' shell scripts.
func script(ctx context.Context, env []string, text string, args ...string) error {
	_, err := output(command(ctx, env, "bash", append([]string{"-euo", "pipefail", "-c", text, "peer"}, args...)...))
	return err
}

// server is a process that runs until it is told to end.
type server struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// serve starts a server. Its output goes to log.
func serve(log io.Writer, name string, args ...string) (*server, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	// Ends with this program however it dies; not bound to a context, which
	// bounds the start only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(s.exited)
		_ = cmd.Wait() // it is ended by a signal
	}()
	return s, nil
}

// waitFor waits until ready says so.
func (s *server) waitFor(ctx context.Context, ready func() bool) error {
	for !ready() {
		select {
		case <-s.exited:
			return errors.New("it ended while starting")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// end asks the server to end, and ends it.
func (s *server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(endTimeout):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// family lists pid and all its descendants that are alive, from /proc.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (comm) state ppid …": comm may hold spaces and parentheses.
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], child)
	}
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}

// pss reads the proportional set size of a process, in bytes; 0 when it is gone.
func pss(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
