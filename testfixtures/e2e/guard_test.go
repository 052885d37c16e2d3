package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// guards lists the guard processes of the program's state directory.
func (p *program) guards() (pids []int) {
	args, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range args {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(b, []byte("guard\x00--state-dir\x00"+p.state()+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// guardedProgram has its guards ended with the test, and shows what they logged.
func guardedProgram(t *testing.T, file, plan string, devices ...dpsim.Device) *program {
	p := newProgram(t, file, plan, devices...)
	p.guarded = true
	t.Cleanup(func() {
		for _, pid := range p.guards() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(p.state(), "guard.log"))
			t.Logf("guard.log:\n%s", b)
		}
	})
	return p
}

// downInCapture starts the plan and waits until its domain is quiesced and
// captured, which does not end.
func (p *program) downInCapture() *running {
	p.t.Helper()
	r := p.stuck()
	if n := len(p.guards()); n != 1 {
		p.t.Fatalf("%d guards watch over the run, want 1\n%s", n, r.out.String())
	}
	return r
}

// TestAKilledRunIsRecoveredByItsGuard: nothing is typed after the kill.
func TestAKilledRunIsRecoveredByItsGuard(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	const task = "x/gw/app01"
	for name, kill := range map[string]func(r *running){
		"the process": func(r *running) { r.kill() },
		"its whole process group": func(r *running) {
			need.Done(r.p.t, syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL))
			r.wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := guardedProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
			r := p.downInCapture()
			kill(r)
			killed := time.Now()
			p.await("the domain is back", func() bool { return p.quiesceState("gw", "app01") == "" })
			back := time.Since(killed)
			t.Logf("back %s after the kill", back.Round(time.Millisecond))
			if back > time.Minute {
				t.Errorf("the domain was back only %s after the kill", back)
			}
			p.await("the guard ends", func() bool { return len(p.guards()) == 0 })
			p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
			p.exits(0, "owed", "Nothing is left to undo")
			p.exits(0, "runs logs latest", "guard| guard process")
			if locks, _ := filepath.Glob(filepath.Join(p.state(), "locks", "guard-*")); len(locks) > 0 {
				t.Errorf("left: %v", locks)
			}
		})
	}
}

// TestAGuardBringsBackWhateverTheMoment: dprun is killed at any moment of a run, and
// nothing is typed.
func TestAGuardBringsBackWhateverTheMoment(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	for n := range 2 + soak(t) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			p := guardedProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
			p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
			r := p.start("apply", "--yes", "plan.hcl")
			after := time.Duration(rand.Int64N(int64(6 * time.Second)))
			time.Sleep(after)
			_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
			r.wait()
			killed := time.Now()
			p.await("the guard ends", func() bool { return len(p.guards()) == 0 })
			if s := p.quiesceState("gw", "app01"); s != "" {
				t.Errorf("killed after %s: app01 is %s", after, s)
			}
			if code, out := p.run("owed"); code != 0 {
				t.Errorf("killed after %s, owed: exit %d\n%s", after, code, out)
			}
			t.Logf("killed after %s, all done %s later", after.Round(time.Millisecond), time.Since(killed).Round(time.Millisecond))
		})
	}
}

// TestAGuardLeavesARunAloneThatIsAtWork: it acts neither during the run nor
// after it, and ends with it.
func TestAGuardLeavesARunAloneThatIsAtWork(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	for name, c := range map[string]struct {
		plan   string
		code   int
		guards int
		end    func(r *running)
	}{
		"a run that ends by itself":     {plan: quiescing, guards: 1, end: func(r *running) { r.p.clearFaults() }},
		"a run that is asked to stop":   {plan: quiescing, guards: 1, code: 143, end: func(r *running) { _ = r.cmd.Process.Signal(syscall.SIGTERM) }},
		"a run that quiesces nothing":   {plan: strings.Replace(quiescing, `quiesce = "domain"`, "", 1), end: func(r *running) { r.p.clearFaults() }},
		"a run whose group is signaled": {plan: quiescing, guards: 1, code: 143, end: func(r *running) { _ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGHUP) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := guardedProgram(t, dprun, c.plan, dpsim.Device{Name: "gw", AppDomains: 1})
			p.fault(dpsim.Fault{Kind: "latency", Operation: "do-export", Duration: "7s", Count: 1}) // longer than a guard's look
			r := p.start("apply", "--yes", "plan.hcl")
			p.await("the export", func() bool { return p.sent()["do-export"] > 0 })
			if n := len(p.guards()); n != c.guards {
				t.Errorf("%d guards, want %d", n, c.guards)
			}
			if c.code != 0 {
				c.end(r)
			}
			code, out := r.wait()
			if code != c.code {
				t.Errorf("exit %d, want %d\n%s", code, c.code, out)
			}
			if left := p.guards(); len(left) > 0 {
				t.Errorf("guards are left: %v", left)
			}
			if n := p.sent()["do-action/DomainUnquiesce"]; n != c.guards {
				t.Errorf("the unquiesce was sent %d times, want %d", n, c.guards)
			}
			b, _ := os.ReadFile(filepath.Join(p.state(), "guard.log"))
			if len(b) > 0 {
				t.Errorf("the guard did something:\n%s", b)
			}
		})
	}
}

// TestAStoppedRunIsRecoveredByItsGuard when the target should be back, and not before.
func TestAStoppedRunIsRecoveredByItsGuard(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	r := p.downInCapture()
	need.Done(t, syscall.Kill(-r.cmd.Process.Pid, syscall.SIGSTOP))
	p.await("the process is stopped", r.stopped)
	time.Sleep(7 * time.Second) // the guard has looked
	if s := p.quiesceState("gw", "app01"); s != "quiesced" {
		t.Fatalf("the guard acted before the target was due: %s", s)
	}
	p.makeOverdue()
	p.await("the domain is back", func() bool { return p.quiesceState("gw", "app01") == "" })
	p.await("nothing is pending", func() bool {
		left, _ := filepath.Glob(filepath.Join(p.state(), "pending", "*.json"))
		return len(left) == 0
	})
	if n := len(p.guards()); n != 1 {
		t.Errorf("%d guards, want 1: the run is not gone", n)
	}
	p.clearFaults()
	need.Done(t, syscall.Kill(-r.cmd.Process.Pid, syscall.SIGCONT))
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	r.exits(143)
	if left := p.guards(); len(left) > 0 {
		t.Errorf("guards are left: %v", left)
	}
	if s := p.quiesceState("gw", "app01"); s != "" {
		t.Errorf("app01 is %s", s)
	}
}

// makeOverdue moves the time by which targets should be back into the past.
func (p *program) makeOverdue() {
	p.t.Helper()
	names := need.Value(filepath.Glob(filepath.Join(p.state(), "pending", "*.json")))(p.t)
	if len(names) == 0 {
		p.t.Fatal("nothing is pending: this proves nothing")
	}
	for _, name := range names {
		text := string(need.Value(os.ReadFile(name))(p.t))
		_, after, found := strings.Cut(text, `"due_back_by": "`)
		if !found {
			p.t.Fatalf("%s does not say when the target should be back:\n%s", name, text)
		}
		due, _, _ := strings.Cut(after, `"`)
		moved := strings.Replace(text, due, time.Now().Add(-time.Second).UTC().Format(time.RFC3339), 1)
		need.Done(p.t, os.WriteFile(name+".new", []byte(moved), 0o600))
		need.Done(p.t, os.Rename(name+".new", name))
	}
}

// TestAGuardThatDiesIsReplaced, and the new one acts.
func TestAGuardThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	r := p.downInCapture()
	first := p.guards()[0]
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil { // not while the run is alive
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if g := p.guards(); !slices.Equal(g, []int{first}) {
		t.Fatalf("guards: %v, want %d", g, first)
	}
	need.Done(t, syscall.Kill(first, syscall.SIGKILL))
	p.await("another guard watches", func() bool {
		g := p.guards()
		return len(g) == 1 && g[0] != first && strings.Contains(r.out.String(), "another one is started")
	})
	p.await("it is ready", func() bool { return p.guardLocked() })
	r.kill()
	p.await("the domain is back", func() bool { return p.quiesceState("gw", "app01") == "" })
	p.await("the guard ends", func() bool { return len(p.guards()) == 0 })
	p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
}

// guardLocked reports whether a guard that is alive says that it watches.
func (p *program) guardLocked() bool {
	notes, _ := filepath.Glob(filepath.Join(p.state(), "locks", "guard-*.lock"))
	for _, n := range notes {
		b, _ := os.ReadFile(n)
		if g := p.guards(); len(g) == 1 && bytes.Contains(b, fmt.Appendf(nil, `"pid":%d`, g[0])) {
			return true
		}
	}
	return false
}

// TestWithoutAGuardNothingIsQuiesced: what should be a guard does not become
// one, and the run ends with what to do before anything is contacted.
func TestWithoutAGuardNothingIsQuiesced(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	s.write("plan.hcl", devices+quiescing)
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	q := s.request()
	q.Guard = func(string) []string { return []string{"-test.run=^$"} } // this test binary, which says PASS
	res, err := r.Apply(t.Context(), q)
	if res.ExitCode != runner.ExitBug || err == nil || !strings.Contains(err.Error(), "start the guard process") || !strings.Contains(err.Error(), "--no-guard") {
		t.Errorf("exit %d, %v; want %d and what to do", res.ExitCode, err, runner.ExitBug)
	}
	if n := s.fleet.State().Device("gw").Total; n != 0 {
		t.Errorf("%d requests were sent to the gateway", n)
	}
}

// TestAGuardNeedsNoRoomOnTheDisk: neither for its log nor for the journal.
func TestAGuardNeedsNoRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	p.smallState()
	r := p.downInCapture()
	r.signal(syscall.SIGSTOP) // it would end the capture, for want of room
	for !r.stopped() {
		time.Sleep(5 * time.Millisecond)
	}
	p.fillState()
	r.kill()
	p.await("the domain is back", func() bool { return p.quiesceState("gw", "app01") == "" })
	need.Done(t, os.Remove(filepath.Join(p.state(), "ballast")))
	p.await("the guard finishes the run as soon as there is room", func() bool { return len(p.guards()) == 0 })
	p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
}

// TestAGuardTriesAgain until it can: `dprun owed` says who tries, and when next.
func TestAGuardTriesAgain(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	back := func(p *program) {
		p.await("the domain is back", func() bool { return p.quiesceState("gw", "app01") == "" })
		p.await("the guard ends", func() bool { return len(p.guards()) == 0 })
	}

	t.Run("when the secret of the gateway cannot be read for a while", func(t *testing.T) {
		t.Parallel()
		p := guardedProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.downInCapture()
		password := string(need.Value(os.ReadFile(filepath.Join(p.dir, "gw.pw")))(t))
		need.Done(t, os.Remove(filepath.Join(p.dir, "gw.pw")))
		r.kill()
		var out string
		p.await("dprun owed names the guard and its next try", func() bool {
			var code int
			code, out = p.run("owed")
			return code == 16 && strings.Contains(out, "its guard, process ") && strings.Contains(out, "tries again at ")
		})
		if !strings.Contains(out, "gw.pw") || !strings.Contains(out, "domain-unquiesce app01") {
			t.Errorf("owed does not say why, or what to type:\n%s", out)
		}
		p.write("gw.pw", password)
		back(p)
		p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("but does not lock the account when the login is refused", func(t *testing.T) {
		t.Parallel()
		p := guardedProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.downInCapture()
		password := string(need.Value(os.ReadFile(filepath.Join(p.dir, "gw.pw")))(t))
		p.write("gw.pw", "not this one")
		r.kill()
		p.await("dprun owed names the guard's next try", func() bool {
			code, out := p.run("owed")
			return code == 16 && strings.Contains(out, "tries again at ")
		})
		time.Sleep(20 * time.Second) // longer than the pause after other failures
		if n := p.fleet.State().Device("gw").FailedLogins; n != 2 {
			t.Errorf("the login was refused %d times, want 2", n)
		}
		p.write("gw.pw", password)
		p.exits(0, "recover") // somebody mends it, and does not want to wait
		back(p)
		p.recovered("x/gw/app01", "EXECUTION_UNQUIESCE_ON_ERROR_TIMEOUT_OCCURRED")
	})

	t.Run("when a run has ended and its gateway has not come back", func(t *testing.T) {
		t.Parallel()
		plan := strings.Replace(quiescing, `plan "p" {`, "plan \"p\" {\n  timeouts {\n    unquiesce = \"1s\"\n    grace = \"1s\"\n  }", 1)
		p := guardedProgram(t, dprun, plan, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "unquiesce_ignored"})
		p.exits(16, "apply --yes plan.hcl", "its guard, process ")
		if n := len(p.guards()); n != 1 {
			t.Fatalf("%d guards, want 1", n)
		}
		p.clearFaults()
		back(p)
		p.exits(0, "owed")
	})
}

// TestAGuardKeepsToItsRun: of two runs side by side the one that is killed is
// recovered, and the other one goes on.
func TestAGuardKeepsToItsRun(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), "", dpsim.Device{Name: "gw", AppDomains: 1}, dpsim.Device{Name: "other", AppDomains: 1})
	p.writeTogether("plan.hcl", strings.Replace(quiescing, `["*"]`, `["gw"]`, 1))
	p.writeTogether("other.hcl", strings.NewReplacer(`"p"`, `"q"`, `["*"]`, `["other"]`).Replace(quiescing))
	r := p.downInCapture()
	second := p.start("apply", "--yes", "other.hcl")
	p.untilExporting("other", "app01")
	if n := len(p.guards()); n != 2 {
		t.Fatalf("%d guards, want 2", n)
	}
	r.kill()
	p.await("the domain of the killed run is back", func() bool { return p.quiesceState("gw", "app01") == "" })
	p.await("its guard ends", func() bool { return len(p.guards()) == 1 })
	if s := p.quiesceState("other", "app01"); s != "quiesced" {
		t.Errorf("the other run's domain is %s: its guard is not needed", s)
	}
	p.clearFaults()
	need.Done(t, second.cmd.Process.Signal(syscall.SIGTERM))
	second.exits(143)
	if left := p.guards(); len(left) > 0 {
		t.Errorf("guards are left: %v", left)
	}
}

// TestAfterARebootTheUnitBringsBack: nothing is left but the disk, and the command
// of the unit that is started at boot is enough.
func TestAfterARebootTheUnitBringsBack(t *testing.T) {
	t.Parallel()
	p := guardedProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	r := p.downInCapture()
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil { // it starts no other guard
		t.Fatal(err)
	}
	p.await("the process is stopped", r.stopped)
	all := append(p.guards(), childrenOf(r.cmd.Process.Pid)...)
	for _, pid := range append(all, r.cmd.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	r.wait()
	p.await("nothing is left of the run", func() bool { return !slices.ContainsFunc(all, alive) })
	if s := p.quiesceState("gw", "app01"); s != "quiesced" {
		t.Fatalf("app01 is %q: this proves nothing", s)
	}
	unit := string(need.Value(os.ReadFile("../../docs/systemd/dprun-recover.service"))(t))
	_, command, _ := strings.Cut(unit, "\nExecStart=/usr/local/bin/dprun ")
	command, _, _ = strings.Cut(command, "\n")
	if command == "" || !strings.Contains(unit, "\nWantedBy=multi-user.target\n") {
		t.Fatalf("the unit starts nothing at boot:\n%s", unit)
	}
	if code, out := p.run(strings.Fields(command)...); code != 0 {
		t.Errorf("%s: exit %d\n%s", command, code, out)
	}
	p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
	p.exits(0, "owed")
	if locks, _ := filepath.Glob(filepath.Join(p.state(), "locks", "guard-*")); len(locks) > 0 {
		t.Errorf("left: %v", locks)
	}
}
