package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// soak is how often each kind of accident happens at a random moment, beside
// the one that a test needs.
func soak(t *testing.T) int {
	n := os.Getenv("DPRUN_SOAK")
	if n == "" {
		return 0
	}
	return need.Value(strconv.Atoi(n))(t)
}

// TestNothingIsForgotten: dprun is killed while a domain is quiesced, and then
// something happens to its state directory. Nobody is told that nothing is
// owed, and the domain is brought back.
func TestNothingIsForgotten(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	for name, happens := range map[string]func(p *program){
		"the journal's -wal is removed":      func(p *program) { p.remove("journal.db-wal", "journal.db-shm") },
		"the journal is emptied":             func(p *program) { p.remove("journal.db-wal", "journal.db-shm"); p.truncate("journal.db") },
		"the journal is removed":             func(p *program) { p.remove("journal.db-wal", "journal.db-shm", "journal.db") },
		"the journal's -wal is damaged":      (*program).damageWAL,
		"the state's disk has no free block": (*program).fillState,
		"a plugin file cannot be used":       func(p *program) { p.write("state/plugins/dprun-plugin-webdav", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forgetting(t, dprun, happens)
			for n := range soak(t) {
				t.Run(strconv.Itoa(n), func(t *testing.T) {
					t.Parallel()
					forgettingAnywhere(t, dprun, happens)
				})
			}
		})
	}
}

func forgetting(t *testing.T, dprun string, happens func(p *program)) {
	t.Helper()
	p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	p.smallState()
	p.stuck().killAll()
	happens(p)
	if code, out := p.run("owed"); code != 16 || strings.Contains(out, "Nothing is left to undo") || !strings.Contains(out, "domain-unquiesce app01") {
		t.Errorf("owed: exit %d\n%s", code, out)
	}
	_, out := p.run("recover")
	if s := p.quiesceState("gw", "app01"); s != "" {
		t.Errorf("app01 is %s after recover:\n%s", s, out)
	}
	if left, _ := filepath.Glob(filepath.Join(p.state(), "pending", "*.json")); len(left) > 0 {
		t.Errorf("still pending: %v\n%s", left, out)
	}
}

// forgettingAnywhere kills a run at a random moment.
func forgettingAnywhere(t *testing.T, dprun string, happens func(p *program)) {
	t.Helper()
	p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	p.smallState()
	p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
	r := p.start("apply", "--yes", "plan.hcl")
	p.await("the journal is there", func() bool {
		_, err := os.Stat(filepath.Join(p.state(), "journal.db-wal"))
		return err == nil
	})
	after := time.Duration(rand.Int64N(int64(6 * time.Second)))
	time.Sleep(after)
	plugins := childrenOf(r.cmd.Process.Pid)
	_ = r.cmd.Process.Kill()
	r.wait()
	p.await("the plugins of the killed process end", func() bool { return !slices.ContainsFunc(plugins, alive) })
	happens(p)
	down := p.quiesceState("gw", "app01")
	if code, out := p.run("owed"); down != "" && (code != 16 || strings.Contains(out, "Nothing is left to undo")) {
		t.Errorf("killed after %s, app01 is %s; owed: exit %d\n%s", after, down, code, out)
	}
	code, out := p.run("recover")
	if s := p.quiesceState("gw", "app01"); s != "" {
		t.Errorf("killed after %s: app01 is %s after recover: exit %d\n%s", after, s, code, out)
	}
}

func (p *program) remove(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(p.state(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			p.t.Fatal(err)
		}
	}
}

func (p *program) truncate(name string) {
	p.t.Helper()
	need.Done(p.t, os.Truncate(filepath.Join(p.state(), name), 0))
}

// damageWAL changes 64 bytes in the first half of the -wal file.
func (p *program) damageWAL() {
	p.t.Helper()
	f := need.Value(os.OpenFile(filepath.Join(p.state(), "journal.db-wal"), os.O_RDWR, 0))(p.t)
	defer func() { _ = f.Close() }()
	size := need.Value(f.Seek(0, io.SeekEnd))(p.t)
	need.Value(f.WriteAt(make([]byte, 64), size/3))(p.t)
}

// smallState gives the state directory a file system of its own.
func (p *program) smallState() {
	p.t.Helper()
	need.Done(p.t, os.Mkdir(p.state(), 0o700))
	if err := unix.Mount("tmpfs", p.state(), "tmpfs", 0, "size=64m,mode=700"); err != nil {
		p.t.Fatalf("mount a small file system (this needs root): %v", err)
	}
	p.t.Cleanup(func() { _ = unix.Unmount(p.state(), unix.MNT_DETACH) })
}

// fillState leaves no free block on the state directory's file system.
func (p *program) fillState() {
	p.t.Helper()
	f := need.Value(os.Create(filepath.Join(p.state(), "ballast")))(p.t)
	defer func() { _ = f.Close() }()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestWhatAStoppedProcessHoldsIsListed: its run is not dead, and it does not
// bring anything back either.
func TestWhatAStoppedProcessHoldsIsListed(t *testing.T) {
	t.Parallel()
	p := newProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	r := p.stuck()
	r.signal(syscall.SIGSTOP)
	for !r.stopped() { // the signal acts when the process next leaves the kernel
		time.Sleep(5 * time.Millisecond)
	}
	for _, command := range []string{"owed", "recover"} {
		code, out := p.run(command)
		if code != 0 || strings.Contains(out, "Nothing is left to undo") || !strings.Contains(out, fmt.Sprintf("process %d", r.cmd.Process.Pid)) || !strings.Contains(out, "back by ") || !strings.Contains(out, fmt.Sprintf("kill -CONT %d", r.cmd.Process.Pid)) {
			t.Errorf("%s: exit %d\n%s", command, code, out)
		}
	}
	r.signal(syscall.SIGCONT)
	r.kill()
	if code, out := p.run("recover"); code != 0 || p.quiesceState("gw", "app01") != "" {
		t.Errorf("recover: exit %d, %s\n%s", code, p.quiesceState("gw", "app01"), out)
	}
}

// stopped reports whether the process has been stopped by a signal.
func (r *running) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	return err == nil && bytes.Contains(stat, []byte(") T "))
}

// TestTrafficThatWasNotLedBackIsOwed: exit code 17 until the script has worked.
func TestTrafficThatWasNotLedBackIsOwed(t *testing.T) {
	t.Parallel()
	plan := strings.Replace(quiescing, `quiesce = "domain"`, `quiesce = "domain"
    after_unquiesce = script.exec.rejoin`, 1) + `
script "exec" "rejoin" {
  config { command = ["./rejoin"] }
}
`
	p := newProgram(t, build(t), plan, dpsim.Device{Name: "gw", AppDomains: 1})
	p.write("rejoin", "#!/bin/sh\necho no answer >&2\nexit 1\n")
	need.Done(t, os.Chmod(filepath.Join(p.dir, "rejoin"), 0o700))
	p.exits(17, "apply --yes plan.hcl", "PLAN_LEFT_TRAFFIC_LED_AWAY")
	for _, command := range []string{"owed", "recover"} {
		if code, out := p.run(command); code != 17 || !strings.Contains(out, "rejoin") {
			t.Errorf("%s: exit %d\n%s", command, code, out)
		}
	}
	p.write("rejoin", "#!/bin/sh\nexit 0\n")
	p.exits(0, "recover")
	p.exits(0, "owed")
}

// TestTwoPlansQuiesceOneDomainOneAfterTheOther: the second waits for the first,
// and does not take it for somebody who has quiesced the domain.
func TestTwoPlansQuiesceOneDomainOneAfterTheOther(t *testing.T) {
	t.Parallel()
	p := newProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	p.write("other.hcl", realDevices+strings.Replace(quiescing, `"p"`, `"q"`, 1))
	p.fault(dpsim.Fault{Kind: "latency", Operation: "do-export", Duration: "8s", Count: 1})
	first := p.start("apply", "--yes", "--json", "plan.hcl")
	p.untilExporting("gw", "app01")
	second := p.start("apply", "--yes", "--json", "other.hcl")
	for name, r := range map[string]*running{"first": first, "second": second} {
		if code, out := r.wait(); code != 0 {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
	}
	if !strings.Contains(second.out.String(), "EXECUTION_CHECK_MANIFEST_WAITING_FOR_ANOTHER_BACKUP") {
		t.Errorf("the second did not wait:\n%s", second.out.String())
	}
}
