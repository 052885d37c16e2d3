package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dprun/dprun/testfixtures/sshd"
)

// twoDirectories makes one directory for dprun and one for its peer on an SSH
// server, both writable by whoever logs in.
func twoDirectories(s *sshd.Server) (ours, peer string, err error) {
	for name, path := range map[string]*string{"ours": &ours, "peer": &peer} {
		*path = filepath.Join(s.Dir, name)
		if err := os.Mkdir(*path, 0o755); err != nil {
			return "", "", err
		}
		if err := os.Chmod(*path, 0o777); err != nil { // not subject to the umask
			return "", "", err
		}
	}
	return ours, peer, nil
}

// sftpCommand is OpenSSH's own client, with its own defaults; it reads what to do from stdin.
func sftpCommand(s *sshd.Server) []string {
	return []string{"sftp", "-q", "-b", "-", "-i", s.PrivateKey, "-P", strconv.Itoa(s.Port),
		"-o", "UserKnownHostsFile=" + s.KnownHosts, "-o", "IdentitiesOnly=yes", s.User + "@" + s.Host}
}

// sftpDestination is a plan's destination on an SSH server.
func sftpDestination(s *sshd.Server, dir string) (reference, block string) {
	return "destination.sftp.there", fmt.Sprintf(`
destination "sftp" "there" {
  config {
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
  }
}
`, s.Host, s.Port, s.User, s.PrivateKey, s.KnownHosts, dir)
}
