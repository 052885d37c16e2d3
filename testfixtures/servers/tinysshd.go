package servers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/sftpshort"
)

// tinysshd serves one connection at its standard input and output: systemd's
// sockets or inetd usually accept it, here the test's process does.
func tinysshd(_ context.Context, s *Server) error {
	keys := s.path("tinyssh")
	if err := os.RemoveAll(keys); err != nil {
		return err
	}
	if out, err := exec.Command("/usr/sbin/tinysshd-makekey", "-q", keys).CombinedOutput(); err != nil {
		return fmt.Errorf("make a key for TinySSH: %w: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(keys, "ed25519.pk"))
	if err != nil {
		return err
	}
	public := ssh.Marshal(struct {
		Type string
		Key  []byte
	}{ssh.KeyAlgoED25519, raw})
	if err := s.knownHost(ssh.KeyAlgoED25519 + " " + base64.StdEncoding.EncodeToString(public)); err != nil {
		return err
	}
	// It refuses keys below a directory that all may write to, such as /tmp.
	if err := daemon.Passwd(s.path("passwd"), s.User, "/mnt"); err != nil {
		return err
	}
	s.Directory = "/mnt/data"
	over := map[string]string{"/etc/passwd": s.path("passwd"), "/mnt": s.path("home")}
	s.launch = func(context.Context) (interface{ Kill() error }, error) {
		l, err := net.Listen("tcp", s.Addr())
		if err != nil {
			return nil, fmt.Errorf("start TinySSH: %w", err)
		}
		a := &acceptor{listener: l, argv: []string{"/usr/sbin/tinysshd", "-v", "-x", "sftp=" + sftpshort.ServerPath, keys},
			over: over, log: s.path("log")}
		a.wg.Go(a.run)
		return a, nil
	}
	return nil
}

// acceptor starts a program for every connection.
type acceptor struct {
	listener net.Listener
	argv     []string
	over     map[string]string
	log      string
	wg       sync.WaitGroup

	mu      sync.Mutex
	running map[*exec.Cmd]bool // nil once it was ended
}

func (a *acceptor) run() {
	a.mu.Lock()
	a.running = map[*exec.Cmd]bool{}
	a.mu.Unlock()
	for {
		c, err := a.listener.Accept()
		if err != nil {
			return
		}
		if err := a.serve(c.(*net.TCPConn)); err != nil {
			_ = os.WriteFile(a.log, []byte(err.Error()), 0o600)
		}
	}
}

func (a *acceptor) serve(c *net.TCPConn) error {
	defer c.Close()
	conn, err := c.File()
	if err != nil {
		return err
	}
	defer conn.Close()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := daemon.Command(a.argv, a.over)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = conn, conn, log
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	a.running[cmd] = true
	a.wg.Go(func() {
		_ = cmd.Wait()
		a.mu.Lock()
		delete(a.running, cmd)
		a.mu.Unlock()
	})
	return nil
}

// Kill ends the listener and every session.
func (a *acceptor) Kill() error {
	err := a.listener.Close()
	a.mu.Lock()
	for cmd := range a.running {
		for _, p := range append(daemon.Descendants(cmd.Process.Pid), cmd.Process.Pid) {
			process, ferr := os.FindProcess(p)
			if ferr != nil {
				continue
			}
			if kerr := process.Kill(); kerr != nil && !errors.Is(kerr, os.ErrProcessDone) {
				err = errors.Join(err, kerr)
			}
		}
	}
	a.running = nil
	a.mu.Unlock()
	a.wg.Wait()
	return err
}
