package sshd

import (
	"os"
	"os/user"
)

// Host key types that a server can have.
const (
	ED25519 = "ed25519"
	RSA     = "rsa"
)

// Options shape a server. The zero value is what most tests want.
type Options struct {
	// Dir is the directory that is served and in which a session starts.
	// Empty: a new one, removed with the server. It must be reachable by User.
	Dir string
	// User is who logs in. Empty: "nobody" when the server is started by
	// root, else the user that starts it (an ordinary user can serve only itself).
	User string
	// HostKeys are the types of host keys to make. Empty: ED25519 and RSA.
	HostKeys []string
	// Deny are SFTP requests that the server neither offers nor answers, by
	// their names in sftp-server(8): "fsync", "statvfs", "posix-rename" …
	Deny []string
	// Command is the line that a session's shell runs in place of
	// internal-sftp: another SFTP server for the served directory, which is its
	// user's home. Nil: internal-sftp.
	Command func(dir string) string
	// Over lays files over others, as [daemon.Spec] does.
	Over map[string]string
	// Config is appended to the server's configuration, one directive a line.
	Config []string
	// Base is where the server keeps its files. Empty: the system's temporary directory.
	Base string
}

func (o Options) withDefaults() (Options, error) {
	if len(o.HostKeys) == 0 {
		o.HostKeys = []string{ED25519, RSA}
	}
	if o.User == "" {
		if os.Getuid() == 0 {
			o.User = "nobody"
		} else {
			u, err := user.Current()
			if err != nil {
				return o, err
			}
			o.User = u.Username
		}
	}
	return o, nil
}
