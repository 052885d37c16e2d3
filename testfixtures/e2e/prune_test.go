package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

const pruned = `
retention "newest" {
  keep_last = 1
}
destination "sftp" "vault" {
  config {
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
  }
}
plan "p" {
  destinations = [destination.file.local, destination.sftp.vault]
  retention    = retention.newest
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["app*"]
  }
}
`

// wholeSets are the sets below a directory whose manifest stands there. Each of
// them must have its files.
func wholeSets(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, f := range files(t, dir) {
		if !strings.HasSuffix(f, backups.Suffix) {
			continue
		}
		n++
		manifest := filepath.Join(dir, f)
		var m backups.Manifest
		need.Done(t, json.Unmarshal(need.Value(os.ReadFile(manifest))(t), &m))
		for _, a := range m.Artifacts {
			body, err := os.ReadFile(filepath.Join(filepath.Dir(manifest), a.File))
			if sum := sha256.Sum256(body); err != nil || hex.EncodeToString(sum[:]) != a.SHA256 {
				t.Errorf("%s stands there, and %s does not (%v)", f, a.File, err)
			}
		}
	}
	return n
}

// TestAPruneThatIsKilledIsFinishedByTheNext: on a directory and on an SFTP
// server. It is killed when a number of files are gone.
func TestAPruneThatIsKilledIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	ssh := sshd.Start(t, sshd.Options{})
	p := newProgram(t, build(t), fmt.Sprintf(pruned, ssh.Host, ssh.Port, ssh.User, ssh.PrivateKey, ssh.KnownHosts, ssh.Dir), dpsim.Device{Name: "gw", AppDomains: 3})
	dirs := []string{filepath.Join(p.dir, "backups"), ssh.Dir}
	standing := func() (n int) {
		for _, dir := range dirs {
			_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error { // files go meanwhile
				if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".part") && !strings.Contains(path, "/evidence/") {
					n++
				}
				return nil
			})
		}
		return n
	}
	for range 2 {
		p.exits(0, "apply --yes plan.hcl")
	}
	first := t.TempDir()
	need.Done(t, os.CopyFS(first, os.DirFS(dirs[0])))
	killed := 0
	for _, gone := range []int{1, 2, 3, 7, 12} {
		p.exits(0, "apply --yes plan.hcl")
		before := standing()
		r := p.start("backups", "prune", "plan.hcl")
		ended := false
		for !ended && standing() > before-gone {
			select {
			case err := <-r.done:
				r.done <- err
				ended = true
			case <-time.After(time.Millisecond):
			}
		}
		r.crash(childrenOf(r.cmd.Process.Pid))
		if !ended {
			killed++
		}
		for _, dir := range dirs {
			if n := wholeSets(t, dir); n < 3 {
				t.Errorf("after a kill at %d files %s holds %d sets; the newest of each of 3 domains stays", gone, dir, n)
			}
		}
		p.exits(0, "backups check plan.hcl --read-data")
	}
	p.exits(0, "owed")
	if killed < 2 {
		t.Errorf("only %d prunes were killed: this proves little", killed)
	}
	p.exits(0, "backups prune plan.hcl", "3 stay")
	for _, dir := range dirs {
		left := files(t, dir)
		if n := wholeSets(t, dir); n != 3 || len(left) != 6 {
			t.Errorf("%s holds %d sets: %v", dir, n, left)
		}
		if slices.ContainsFunc(left, func(f string) bool { return strings.Contains(f, ".part") }) {
			t.Errorf("%s holds %v", dir, left)
		}
	}
	p.exits(0, "backups check plan.hcl --read-data")
	p.exits(0, "backups prune plan.hcl", "file.local (retention newest): 3 stay", "sftp.vault (retention newest): 3 stay")
	// A set that was deleted may stand there again: the directory was brought back from a snapshot.
	for _, f := range files(t, first) {
		if _, err := os.Lstat(filepath.Join(dirs[0], f)); err != nil {
			need.Done(t, os.WriteFile(filepath.Join(dirs[0], f), need.Value(os.ReadFile(filepath.Join(first, f)))(t), 0o600))
		}
	}
	p.exits(3, "backups check plan.hcl --destination file.local", "or has deleted it")
	p.exits(0, "backups import plan.hcl")
	p.exits(0, "backups check plan.hcl --read-data")
}
