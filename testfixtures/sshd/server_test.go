package sshd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// put copies a file with OpenSSH's own client, so that the harness is not
// proven with the library that it is there to prove.
func put(t *testing.T, s *sshd.Server, local, remote string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sftp", "-q", "-b", "-", "-i", s.PrivateKey, "-P", strconv.Itoa(s.Port),
		"-o", "UserKnownHostsFile="+s.KnownHosts, "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", s.User+"@"+s.Host)
	cmd.Stdin = strings.NewReader("put " + local + " " + remote + "\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestServerServesOpenSSHsOwnClientAcrossARestart(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	local := filepath.Join(t.TempDir(), "local")
	need.Done(t, os.WriteFile(local, []byte("data"), 0o600))
	for _, name := range []string{"before", "after"} {
		if out, err := put(t, s, local, name); err != nil { // relative: sessions start in Dir
			t.Fatalf("put %s: %v\n%s\n%s", name, err, out, s.Log())
		}
		if b, err := os.ReadFile(filepath.Join(s.Dir, name)); err != nil || string(b) != "data" {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
		need.Done(t, s.Restart(t.Context()))
	}
	need.Done(t, s.Kill())
	if _, err := put(t, s, local, "never"); err == nil {
		t.Error("a killed server still serves")
	}
}

func TestServerRespectsFileModes(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	local := filepath.Join(t.TempDir(), "local")
	need.Done(t, os.WriteFile(local, nil, 0o600))
	need.Done(t, os.Chmod(s.Dir, 0o555))
	if _, err := put(t, s, local, "file"); err == nil {
		t.Error("a session wrote into a directory without write permission")
	}
}

func TestServerRunsAnotherSFTPServerForItsUser(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{
		HostKeys: []string{sshd.ED25519},
		Command: func(dir string) string {
			return "touch ran; exec /usr/lib/openssh/sftp-server -d " + dir
		},
	})
	local := filepath.Join(t.TempDir(), "local")
	need.Done(t, os.WriteFile(local, []byte("data"), 0o600))
	if out, err := put(t, s, local, "file"); err != nil {
		t.Fatalf("put: %v\n%s\n%s", err, out, s.Log())
	}
	for _, name := range []string{"ran", "file"} {
		if _, err := os.Stat(filepath.Join(s.Dir, name)); err != nil {
			t.Error(err)
		}
	}
}
