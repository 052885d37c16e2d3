package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// remoteDirectories makes a directory on an SSH server for each contender,
// writable by whoever logs in.
func remoteDirectories(s *sshd.Server, names ...string) ([]string, error) {
	var out []string
	for _, name := range names {
		dir := filepath.Join(s.Dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o777); err != nil { // not subject to the umask
			return nil, err
		}
		out = append(out, dir)
	}
	return out, nil
}

// sftpCommand is OpenSSH's own client, with its own defaults; it reads what to do from stdin.
func sftpCommand(s *sshd.Server) []string {
	return []string{"sftp", "-q", "-b", "-", "-i", s.PrivateKey, "-P", strconv.Itoa(s.Port),
		"-o", "UserKnownHostsFile=" + s.KnownHosts, "-o", "IdentitiesOnly=yes", s.User + "@" + s.Host}
}

// sftpDestination is a plan's destination on an SSH server.
func sftpDestination(s *sshd.Server, dir string, verify sdk.Verify) (reference, block string) {
	return "destination.sftp.there", fmt.Sprintf(`
destination "sftp" "there" {
  verify = %q
  config {
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
  }
}
`, verify, s.Host, s.Port, s.User, s.PrivateKey, s.KnownHosts, dir)
}
