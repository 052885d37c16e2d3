package sshd

import (
	"context"
	"errors"
	"syscall"

	"github.com/dprun/dprun/testfixtures/daemon"
)

// launch starts the process and waits until it listens.
func (s *Server) launch(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.daemon != nil {
		return errors.New("start sshd: it runs already")
	}
	d, err := daemon.Start(ctx, daemon.Spec{
		Name: "sshd", Argv: []string{s.binary, "-D", "-e", "-f", s.config}, Addr: s.Addr, Log: s.path("log"), Over: s.over,
	})
	if err != nil {
		return err
	}
	s.daemon = d
	return nil
}

// Kill ends the server and every session at once, as a crash of its machine
// would. A server that is down already is left so.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.daemon == nil {
		return nil
	}
	err := s.daemon.Kill()
	s.daemon = nil
	return err
}

// KillSessions cuts every session and leaves the server listening. It
// returns how many processes it ended.
func (s *Server) KillSessions() int { return s.signal(syscall.SIGKILL) }

// StopSessions freezes every session: the connection stays and nothing answers.
// Killing still ends them.
func (s *Server) StopSessions() int { return s.signal(syscall.SIGSTOP) }

func (s *Server) signal(sig syscall.Signal) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.daemon == nil {
		return 0
	}
	return s.daemon.Signal(sig)
}

// Restart ends the server if it runs and starts it again on the same port
// with the same keys.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.launch(ctx)
}
