package servers

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/dprun/dprun/testfixtures/sftpshort"
	"github.com/dprun/dprun/testfixtures/sshd"
)

const (
	belowSSHD = "below OpenSSH's sshd"
	alone     = "with its own SSH server"
)

// Packaged are the servers that Debian has packages of.
func Packaged() []Kind {
	return []Kind{
		{
			Name: "OpenSSH sftp-server", How: belowSSHD, Package: "openssh-sftp-server",
			Needs: []string{sftpshort.ServerPath}, start: session("exec " + sftpshort.ServerPath + " -d %s"),
		},
		short(64 << 10), short(32 << 10), short(1 << 10),
		{
			Name: "MySecureShell", How: belowSSHD, Package: "mysecureshell",
			Needs: []string{"/usr/bin/mysecureshell"}, start: mysecureshell,
		},
		{
			Name: "Green End SFTP server", How: belowSSHD, Package: "gesftpserver",
			Needs: []string{"/usr/libexec/gesftpserver"}, start: session("cd %s && exec /usr/libexec/gesftpserver"),
		},
		{
			Name: "rclone serve sftp --stdio", How: belowSSHD, Package: "rclone",
			Needs: []string{"/usr/bin/rclone"},
			start: func(ctx context.Context, s *Server) error { return rcloneStdio(ctx, s, "/usr/bin/rclone") },
		},
		{
			Name: "ProFTPD mod_sftp", How: alone, Package: "proftpd-mod-crypto",
			Needs: []string{"/usr/sbin/proftpd", "/usr/lib/proftpd/mod_sftp.so"}, start: proftpd(""),
		},
		{
			Name: "ProFTPD mod_sftp, IgnoreSFTPSetPerms", How: alone, Package: "proftpd-mod-crypto",
			Needs: []string{"/usr/sbin/proftpd", "/usr/lib/proftpd/mod_sftp.so"}, start: proftpd("SFTPOptions IgnoreSFTPSetPerms"),
		},
		{
			Name: "Dropbear", How: alone + ", sessions run OpenSSH's sftp-server", Package: "dropbear-bin",
			Needs: []string{"/usr/sbin/dropbear", "/usr/bin/dropbearconvert", sftpshort.ServerPath}, start: dropbear,
			// It serves no more than five logins of one address at a time.
			Set: map[string]string{"connections": "4"},
		},
		{
			Name: "TinySSH", How: alone + ", sessions run OpenSSH's sftp-server", Package: "tinysshd",
			Needs: []string{"/usr/sbin/tinysshd", "/usr/sbin/tinysshd-makekey", sftpshort.ServerPath}, start: tinysshd,
		},
		{
			Name: "AsyncSSH", How: alone, Package: "python3-asyncssh",
			Needs: []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/asyncssh"}, start: python(asyncsshProgram),
		},
		{
			Name: "Paramiko", How: alone, Package: "python3-paramiko",
			Needs: []string{"/usr/bin/python3", "/usr/lib/python3/dist-packages/paramiko"}, start: python(paramikoProgram),
		},
	}
}

// session runs a command below OpenSSH's sshd; %s is the served directory.
func session(command string) func(context.Context, *Server) error {
	return func(ctx context.Context, s *Server) error { return below(ctx, s, command, nil) }
}

func below(ctx context.Context, s *Server, command string, over map[string]string) error {
	d, err := sshd.Run(ctx, sshd.Options{
		Dir: s.Dir, HostKeys: []string{sshd.ED25519}, Over: over,
		Command: func(dir string) string { return strings.ReplaceAll(command, "%s", dir) },
	})
	if err != nil {
		return err
	}
	s.Port, s.User, s.PrivateKey, s.KnownHosts = d.Port, d.User, d.PrivateKey, d.KnownHosts
	s.close = d.Close
	s.launch = func(ctx context.Context) (interface{ Kill() error }, error) { return d, d.Restart(ctx) }
	return nil
}

// short is a server that answers no READ with more than so many bytes, as
// OpenSSH's did before 8.5 (64 KiB).
func short(limit int) Kind {
	return Kind{
		Name: fmt.Sprintf("OpenSSH sftp-server, READ limited to %d KiB", limit>>10), How: belowSSHD, Package: "openssh-sftp-server",
		Needs: []string{sftpshort.ServerPath},
		start: func(ctx context.Context, s *Server) error {
			filter := s.path("sftpshort")
			if out, err := exec.CommandContext(ctx, "go", "build", "-o", filter, "github.com/dprun/dprun/testfixtures/sftpshort/cmd/sftpshort").CombinedOutput(); err != nil {
				return fmt.Errorf("build the filter: %w: %s", err, out)
			}
			return below(ctx, s, fmt.Sprintf("exec %s %d -d %%s", filter, limit), nil)
		},
	}
}

func mysecureshell(ctx context.Context, s *Server) error {
	// The package's own file limits a user to one connection and 5 kB/s.
	config := fmt.Sprintf("<Default>\n\tHome %s\n\tStayAtHome false\n\tLimitConnectionByUser 0\n\tLogFile %s\n</Default>\n", s.Dir, s.path("mysecureshell.log"))
	if err := os.WriteFile(s.path("sftp_config"), []byte(config), 0o644); err != nil {
		return err
	}
	return below(ctx, s, "exec /usr/bin/mysecureshell -c sftp-server", map[string]string{"/etc/ssh/sftp_config": s.path("sftp_config")})
}

func rcloneStdio(ctx context.Context, s *Server, program string) error {
	s.Directory = "/" // of the served one
	return below(ctx, s, "exec "+program+" serve sftp --stdio --config /dev/null --cache-dir "+s.path("home/cache")+" %s", nil)
}

// proftpd runs ProFTPD with more lines of configuration.
func proftpd(more string) func(context.Context, *Server) error {
	return func(_ context.Context, s *Server) error { return runProFTPD(s, more) }
}

func runProFTPD(s *Server, more string) error {
	uid, gid, err := ids(s.User)
	if err != nil {
		return err
	}
	keys, err := exec.Command("ssh-keygen", "-e", "-f", s.path("home/.ssh/authorized_keys")).Output() // RFC 4716
	if err != nil {
		return fmt.Errorf("convert a key for ProFTPD: %w", err)
	}
	users := fmt.Sprintf("%s:*:%d:%d::%s:/bin/sh\n", s.User, uid, gid, s.path("home"))
	config := fmt.Sprintf(`ServerName test
ServerType standalone
DefaultAddress 127.0.0.1
UseIPv6 off
Port %d
User nobody
Group nogroup
LoadModule mod_sftp.c
WtmpLog off
TransferLog none
SystemLog %[2]s/log
PidFile %[2]s/pid
ScoreboardFile %[2]s/scoreboard
DelayEngine off
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile %[2]s/users
RequireValidShell off
UseFtpUsers off
SFTPEngine on
SFTPHostKey %[2]s/host
SFTPAuthorizedUserKeys file:%[2]s/keys
SFTPAuthMethods publickey
SFTPLog %[2]s/sftp.log
%[3]s
`, s.Port, s.base, more)
	for name, text := range map[string]string{"keys": string(keys), "users": users, "proftpd.conf": config} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return s.runs(nil, "/usr/sbin/proftpd", "--nodaemon", "--config", s.path("proftpd.conf"))
}

func dropbear(_ context.Context, s *Server) error {
	if out, err := exec.Command("/usr/bin/dropbearconvert", "openssh", "dropbear", s.path("host"), s.path("host.dropbear")).CombinedOutput(); err != nil {
		return fmt.Errorf("convert a key for Dropbear: %w: %s", err, out)
	}
	return s.runs(map[string]string{"/etc/passwd": s.path("passwd")},
		"/usr/sbin/dropbear", "-F", "-E", "-s", "-r", s.path("host.dropbear"), "-p", s.Addr(), "-P", s.path("pid"))
}

var (
	//go:embed python/asyncssh.py
	asyncsshProgram string
	//go:embed python/paramiko.py
	paramikoProgram string
)

// python runs a server that is a program for Debian's own Python. It is
// called with port, host key, authorized keys and directory, and becomes the
// directory's owner.
func python(program string) func(context.Context, *Server) error {
	return func(_ context.Context, s *Server) error {
		if err := os.WriteFile(s.path("server.py"), []byte(program), 0o600); err != nil {
			return err
		}
		return s.runs(nil, "/usr/bin/python3", "-W", "ignore", s.path("server.py"),
			fmt.Sprint(s.Port), s.path("host"), s.path("home/.ssh/authorized_keys"), s.Dir)
	}
}
