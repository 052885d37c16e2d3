package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// launch starts the process and waits until it listens.
func (s *Server) launch(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return errors.New("start sshd: it runs already")
	}
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	// Not bound to ctx: that bounds the start, not the server.
	cmd := exec.Command(s.binary, "-D", "-e", "-f", s.config)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start sshd: %w", err), log.Close())
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	g, err := watch(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		<-exited
		return errors.Join(fmt.Errorf("start sshd: %w", err), log.Close())
	}

	deadline := time.NewTimer(readyTimeout)
	defer deadline.Stop()
	for {
		if c, err := net.DialTimeout("tcp", s.Addr, time.Second); err == nil {
			c.Close()
			s.cmd, s.log, s.exited, s.guard = cmd, log, exited, g
			return nil
		}
		var why error
		select {
		case err := <-exited:
			g.end()
			log.Close()
			return fmt.Errorf("start sshd: it ended: %v: %s", err, s.Log())
		case <-ctx.Done():
			why = ctx.Err()
		case <-deadline.C:
			why = fmt.Errorf("not listening after %s: %s", readyTimeout, s.Log())
		case <-time.After(10 * time.Millisecond):
			continue
		}
		g.end()
		_ = cmd.Process.Kill()
		<-exited
		log.Close()
		return fmt.Errorf("start sshd: %w", why)
	}
}

// Kill ends the server and every session at once, as a crash of its machine
// would. A server that is down already is left so.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	pid := s.cmd.Process.Pid
	s.guard.end()
	// Stopped first, so that it makes no session between listing and killing.
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	sessions := descendants(pid)
	_ = s.cmd.Process.Kill()
	<-s.exited
	for _, p := range sessions {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	err := s.log.Close()
	s.cmd, s.log, s.exited, s.guard = nil, nil, nil, nil
	if err != nil {
		return fmt.Errorf("end sshd: %w", err)
	}
	return nil
}

// KillSessions cuts every session and leaves the server listening. It
// returns how many processes it ended.
func (s *Server) KillSessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	sessions := descendants(s.cmd.Process.Pid)
	for _, p := range sessions {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	return len(sessions)
}

// StopSessions freezes every session: the connection stays and nothing answers.
// Killing still ends them.
func (s *Server) StopSessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	sessions := descendants(s.cmd.Process.Pid)
	for _, p := range sessions {
		_ = syscall.Kill(p, syscall.SIGSTOP)
	}
	return len(sessions)
}

// Restart ends the server if it runs and starts it again on the same port
// with the same keys.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// descendants lists the processes below pid, from /proc. Sessions are in
// sessions of their own, so the process group does not cover them.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (comm) state ppid …": comm may hold spaces and parentheses.
		text := string(b)
		end := strings.LastIndexByte(text, ')')
		if end < 0 {
			continue
		}
		fields := strings.Fields(text[end+1:])
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], child)
	}
	var out []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		out = append(out, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return out
}
