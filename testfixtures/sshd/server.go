package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dprun/dprun/testfixtures/daemon"
)

// Server is a running sshd.
type Server struct {
	Addr       string // host:port
	Host       string
	Port       int
	User       string
	PrivateKey string // path of the user's private key, PEM, without passphrase
	KnownHosts string // path of a known_hosts file with every host key
	Dir        string // the served directory

	binary  string
	base    string
	ownsDir bool
	config  string

	over map[string]string

	mu     sync.Mutex
	daemon *daemon.Daemon // nil while it is down
}

// Start runs a server for the duration of a test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Run starts a server and returns when it listens. The caller closes it; ctx
// bounds the start only.
func Run(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start sshd: %w", err)
	}
	binary, err := find()
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // sshd's own privilege separation directory
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("start sshd: %w", err)
		}
	}
	s := &Server{Host: "127.0.0.1", User: o.User, binary: binary, over: o.Over}
	if err := s.prepare(o); err != nil {
		s.removeFiles()
		return nil, fmt.Errorf("start sshd: %w", err)
	}
	// Another process may take the port between the choice and the bind.
	for try := 0; ; try++ {
		if err = s.choosePort(o); err == nil {
			err = s.launch(ctx)
		}
		if err == nil {
			return s, nil
		}
		if try == 4 || ctx.Err() != nil || !strings.Contains(err.Error(), "Address already in use") {
			s.removeFiles()
			return nil, err
		}
	}
}

func find() (string, error) {
	// sshd re-executes itself and insists on an absolute path.
	for _, p := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	if p, err := exec.LookPath("sshd"); err == nil {
		return filepath.Abs(p)
	}
	return "", errors.New("OpenSSH's sshd is not installed: run `make deps`")
}

// prepare makes the directory tree and the keys.
func (s *Server) prepare(o Options) error {
	base, err := os.MkdirTemp(o.Base, "sshd-")
	if err != nil {
		return err
	}
	s.base = base
	// The session's user walks through it to the authorized keys and the data.
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	s.PrivateKey = filepath.Join(base, "id_ed25519")
	s.KnownHosts = filepath.Join(base, "known_hosts")
	if err := WriteUserKey(s.PrivateKey, s.path("authorized_keys")); err != nil {
		return err
	}
	for _, typ := range o.HostKeys {
		if err := WriteHostKey(typ, s.path("host_"+typ)); err != nil {
			return err
		}
	}
	s.Dir = o.Dir
	if s.Dir == "" {
		s.Dir, s.ownsDir = s.path("data"), true
		if err := os.Mkdir(s.Dir, 0o755); err != nil {
			return err
		}
		if err := chown(s.Dir, o.User); err != nil {
			return err
		}
	}
	// "nobody" has no shell that would run a command.
	if o.Command != nil && os.Getuid() == 0 {
		s.over = maps.Clone(s.over)
		if s.over == nil {
			s.over = map[string]string{}
		}
		s.over["/etc/passwd"] = s.path("passwd")
		return daemon.Passwd(s.path("passwd"), o.User, s.Dir)
	}
	return nil
}

func chown(path, name string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func (s *Server) path(name string) string { return filepath.Join(s.base, name) }

// choosePort takes a free port and writes what depends on it.
func (s *Server) choosePort(o Options) error {
	l, err := net.Listen("tcp", net.JoinHostPort(s.Host, "0"))
	if err != nil {
		return fmt.Errorf("start sshd: choose a port: %w", err)
	}
	s.Addr = l.Addr().String()
	s.Port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return fmt.Errorf("start sshd: choose a port: %w", err)
	}
	if err := s.writeKnownHosts(o.HostKeys); err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Port %d", s.Port)
	line("ListenAddress %s", s.Host)
	for _, typ := range o.HostKeys {
		line("HostKey %s", s.path("host_"+typ))
	}
	line("PidFile none")
	line("AuthorizedKeysFile %s", s.path("authorized_keys"))
	line("StrictModes no")
	line("UsePAM no")
	line("PasswordAuthentication no")
	line("KbdInteractiveAuthentication no")
	line("PermitRootLogin prohibit-password")
	line("AllowUsers %s", s.User)
	line("AllowTcpForwarding no")
	line("PermitTunnel no")
	line("X11Forwarding no")
	line("UseDNS no")
	line("LogLevel VERBOSE")
	line("MaxStartups 100")
	line("Subsystem sftp internal-sftp")
	command := "internal-sftp -d " + s.Dir
	if len(o.Deny) > 0 {
		command += " -P " + strings.Join(o.Deny, ",")
	}
	if o.Command != nil {
		command = o.Command(s.Dir)
	}
	line("ForceCommand %s", command)
	for _, l := range o.Config {
		line("%s", l)
	}
	s.config = s.path("sshd_config")
	config := b.String()
	// Since 9.8 a server shuts out an address after failed logins, which is
	// what some tests do on purpose; older ones do not know the directive.
	if err := os.WriteFile(s.config, []byte("PerSourcePenalties no\n"+config), 0o600); err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	out, err := exec.Command(s.binary, "-t", "-f", s.config).CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("PerSourcePenalties")) {
		if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
			return fmt.Errorf("start sshd: %w", err)
		}
		out, err = exec.Command(s.binary, "-t", "-f", s.config).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("start sshd: check the configuration: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Log returns what the server has logged so far.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Close ends the server and its sessions and removes its files.
func (s *Server) Close() error {
	err := s.Kill()
	return errors.Join(err, s.removeFiles())
}

func (s *Server) removeFiles() error {
	if s.base == "" {
		return nil
	}
	if s.ownsDir { // tests take write permission away
		_ = filepath.WalkDir(s.Dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(p, 0o755)
			}
			return nil
		})
	}
	return os.RemoveAll(s.base)
}
