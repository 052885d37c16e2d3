package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// Kind is a program that serves files.
type Kind struct {
	Name string
	// Protocol is "nfs", or empty for SFTP.
	Protocol string
	// How says how it is run, as in the documentation.
	How string
	// Package is the Debian package that holds it; Needs are files of it and
	// of what it needs.
	Package string
	Needs   []string
	// Set are arguments of the destination that it needs beyond those that
	// every server needs, as in a plan.
	Set map[string]string

	start   func(context.Context, *Server) error
	version func() (string, error) // nil: the package's
}

// Server is a running server.
type Server struct {
	Host       string
	Port       int
	User       string
	PrivateKey string // path of the user's private key, PEM, without passphrase
	KnownHosts string // path of a known_hosts file
	Dir        string // the served directory, on the local disk
	Directory  string // the same, as a session names it

	kind Kind
	base string
	// live holds what runs; nil while it is down.
	live interface{ Kill() error }
	// launch starts it, at the port and with the keys that it had before.
	launch func(context.Context) (interface{ Kill() error }, error)
	close  func() error
}

// Start runs a server for the duration of a test. What is missing on the
// machine fails the test.
func (k Kind) Start(t testing.TB) *Server {
	t.Helper()
	for _, f := range k.Needs {
		if _, err := os.Stat(f); err != nil {
			t.Fatalf("%s is not there: %v: run `make deps`, which installs the package %s, or `make test-servers`, which builds what is no package", k.Name, err, k.Package)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatalf("%s can only be started by root: run the tests as root", k.Name)
	}
	s := &Server{Host: "127.0.0.1", User: "nobody", kind: k}
	t.Cleanup(func() {
		if err := errors.Join(s.Kill(), s.removeFiles()); err != nil {
			t.Error(err)
		}
	})
	if err := s.prepare(); err != nil {
		t.Fatalf("start %s: %v", k.Name, err)
	}
	// Another process may take the port between the choice and the bind.
	var err error
	for range 3 {
		if err = s.choosePort(); err == nil {
			err = k.start(t.Context(), s)
		}
		if err == nil {
			err = s.Restart(t.Context())
		}
		if err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Version is the version of the package, or of the program.
func (k Kind) Version() (string, error) {
	if k.version != nil {
		return k.version()
	}
	return PackageVersion(k.Package)
}

// PackageVersion is the version of an installed package.
func PackageVersion(name string) (string, error) {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "", fmt.Errorf("read the version of the package %s: %w", name, err)
	}
	return string(out), nil
}

// prepare makes the keys and the directories: home/data is served, and home
// has the keys that may log in.
func (s *Server) prepare() error {
	base, err := os.MkdirTemp("", "server-")
	if err != nil {
		return err
	}
	s.base = base
	s.Dir = filepath.Join(base, "home", "data")
	s.Directory = s.Dir
	s.PrivateKey, s.KnownHosts = s.path("id_ed25519"), s.path("known_hosts")
	// The session's user walks through it.
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("home/.ssh"), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		return err
	}
	uid, gid, err := ids(s.User)
	if err != nil {
		return err
	}
	if err := sshd.WriteUserKey(s.PrivateKey, s.path("home/.ssh/authorized_keys")); err != nil {
		return err
	}
	for _, p := range []string{"home", "home/data", "home/.ssh", "home/.ssh/authorized_keys"} {
		if err := os.Chown(s.path(p), uid, gid); err != nil {
			return err
		}
	}
	if err := daemon.Passwd(s.path("passwd"), s.User, s.path("home")); err != nil {
		return err
	}
	return sshd.WriteHostKey(sshd.ED25519, s.path("host"))
}

func ids(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

func (s *Server) path(name string) string { return filepath.Join(s.base, name) }

// Addr is the server's address.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

func (s *Server) choosePort() error {
	l, err := net.Listen("tcp", net.JoinHostPort(s.Host, "0"))
	if err != nil {
		return fmt.Errorf("choose a port: %w", err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return fmt.Errorf("choose a port: %w", err)
	}
	public, err := os.ReadFile(s.path("host.pub"))
	if err != nil {
		return err
	}
	return s.knownHost(string(public))
}

func (s *Server) knownHost(key string) error {
	line := fmt.Sprintf("[%s]:%d %s\n", s.Host, s.Port, strings.TrimSpace(key))
	return os.WriteFile(s.KnownHosts, []byte(line), 0o644)
}

// Kill ends the server and every session at once, as a crash of its machine would.
func (s *Server) Kill() error {
	if s.live == nil {
		return nil
	}
	err := s.live.Kill()
	s.live = nil
	return err
}

// Restart ends the server if it runs and starts it again with the same keys
// at the same port.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	live, err := s.launch(ctx)
	if err != nil {
		return err
	}
	s.live = live
	return nil
}

// Log is what the server has written so far.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// runs makes a program of its own the server.
func (s *Server) runs(over map[string]string, argv ...string) error {
	s.launch = func(ctx context.Context) (interface{ Kill() error }, error) {
		return daemon.Start(ctx, daemon.Spec{Name: s.kind.Name, Argv: argv, Addr: s.Addr(), Log: s.path("log"), Over: over})
	}
	return nil
}

func (s *Server) removeFiles() error {
	var err error
	if s.close != nil {
		err = s.close()
	}
	if s.base != "" {
		err = errors.Join(err, os.RemoveAll(s.base))
	}
	return err
}
