package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

const vaultPlan = `
destination "sftp" "vault" {
  min_free = 0
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
  destinations = [destination.sftp.vault]
  timeouts { store = %q }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app01"]
  }
}
`

func vault(s *sshd.Server, timeout string) string {
	return fmt.Sprintf(vaultPlan, s.Host, s.Port, s.User, s.PrivateKey, s.KnownHosts, s.Dir, timeout)
}

// partial lists the temporary files below a directory.
func partial(t *testing.T, dir string) (out []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error { // files come and go meanwhile
		if strings.HasPrefix(filepath.Base(path), ".dprun-") {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// storing runs the plan until a temporary file stands at the destination and
// freeze has stopped whoever writes it, so that it stays there. thaw lets them go.
func (p *program) storing(dir string, freeze func(children []int), thaw func()) (r *running, children []int) {
	p.t.Helper()
	for range 8 {
		r = p.start("apply", "--yes", "plan.hcl")
		p.await("the capture", func() bool { return strings.Contains(r.out.String(), "EXPORT_DOMAIN_PERSISTED_STARTED") })
		children = childrenOf(r.cmd.Process.Pid)
		p.await("a temporary file", func() bool {
			return len(partial(p.t, dir)) > 0 || strings.Contains(r.out.String(), "EXECUTION_STORE_DONE")
		})
		freeze(children)
		if len(partial(p.t, dir)) > 0 {
			return r, children
		}
		thaw() // it was faster
		r.crash(children)
	}
	p.t.Fatal("no store was slow enough to be stopped: this proves nothing")
	return nil, nil
}

// crash kills the process and what it has started.
func (r *running) crash(children []int) {
	_ = r.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_, _ = r.wait()
}

func stop(children []int) {
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
}

// TestAKilledRunLeavesNoPartialFiles: kill -9 in the middle of a store, of dprun
// and its plugins together; the next run removes what stands there.
func TestAKilledRunLeavesNoPartialFiles(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	device := dpsim.Device{Name: "gw", AppDomains: 1, ExportSize: "24MB"}

	t.Run("file", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, strings.Replace(quiescing, `quiesce = "domain"`, "", 1), device)
		p.write("plan.hcl", encrypting(t, string(need.Value(os.ReadFile(filepath.Join(p.dir, "plan.hcl")))(t)), filepath.Join(p.dir, "identity")))
		dir := filepath.Join(p.dir, "backups")
		r, children := p.storing(dir, stop, func() {})
		encrypted := stagedEncrypted(t, p.state())
		r.crash(children)
		p.exits(0, "apply --yes plan.hcl")
		// What finished the killed run has stored the bytes that were on their way, not others.
		if !slices.ContainsFunc(files(t, dir), func(name string) bool {
			sum := sha256.Sum256(need.Value(os.ReadFile(filepath.Join(dir, name)))(t))
			return strings.HasSuffix(name, ".age") && hex.EncodeToString(sum[:]) == encrypted
		}) {
			t.Errorf("%s was encrypted, and is not among %v", encrypted, files(t, dir))
		}
		if left := partial(t, dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})

	t.Run("sftp", func(t *testing.T) {
		t.Parallel()
		s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
		p := newProgram(t, dprun, vault(s, "2h"), device)
		r, children := p.storing(s.Dir, func([]int) { s.StopSessions() }, func() { s.KillSessions() })
		r.crash(children)
		s.KillSessions()
		p.exits(0, "apply --yes plan.hcl")
		if left := partial(t, s.Dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})

	t.Run("sftp, and the server is away until the run has ended", func(t *testing.T) {
		t.Parallel()
		s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
		p := newProgram(t, dprun, vault(s, "5s"), device)
		r, _ := p.storing(s.Dir, func([]int) { s.StopSessions() }, func() { s.KillSessions() })
		need.Done(t, s.Kill())
		r.exits(1, "EXECUTION_STORE_TIMEOUT_OCCURRED")
		notes := filepath.Join(p.state(), "leftovers")
		if n := files(t, notes); len(n) != 1 {
			t.Errorf("notes of what is left: %v", n)
		}
		need.Done(t, s.Restart(t.Context()))
		p.write("plan.hcl", realDevices+vault(s, "2h"))
		p.exits(0, "apply --yes plan.hcl")
		if left := append(partial(t, s.Dir), files(t, notes)...); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestAServerThatGoesAwayInTheMiddleOfAStoreCostsNoBackup: a server that is
// started again ten seconds later, in real time.
func TestAServerThatGoesAwayInTheMiddleOfAStoreCostsNoBackup(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	p := newProgram(t, build(t), vault(s, "2h"), dpsim.Device{Name: "gw", AppDomains: 1, ExportSize: "24MB"})
	r, _ := p.storing(s.Dir, func([]int) { s.StopSessions() }, func() { s.KillSessions() })
	need.Done(t, s.Kill())
	p.await("the store waits", func() bool { return strings.Contains(r.out.String(), "EXECUTION_STORE_WAITING_FOR_DESTINATION") })
	exports := p.sent()["do-export"]
	time.Sleep(10 * time.Second)
	need.Done(t, s.Restart(t.Context()))
	r.exits(0)
	if n := p.sent()["do-export"]; n != exports {
		t.Errorf("%d exports were made while the store waited", n-exports)
	}
	if left := partial(t, s.Dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
