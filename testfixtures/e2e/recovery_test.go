package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

// patience bounds every wait for a real process: it is reached only when a
// test fails.
const patience = 90 * time.Second

// program is the built dprun with a plan and a state directory of its own, in
// real time, beside a fleet.
type program struct {
	t     *testing.T
	file  string
	dir   string
	fleet *dpsim.Fleet
}

// build compiles dprun once for the tests below t.
func build(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dprun")
	c := exec.Command("go", "build", "-o", file, "github.com/dprun/dprun/cmd/dprun")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build dprun: %v\n%s", err, out)
	}
	return file
}

const realDevices = `
device "datapower" "gw" {
  for_each = { for d in jsondecode(file("fleet.json")).devices : d.name => d }
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.pw")
    tls { ca_file = each.value.ca_file }
  }
}
destination "file" "local" {
  min_free = "1%"
  config { directory = "backups" }
}
`

func newProgram(t *testing.T, file, plan string, devices ...dpsim.Device) *program {
	t.Helper()
	for i := range devices {
		devices[i].Timings = &dpsim.Timings{Quiesce: "200ms", Unquiesce: "200ms"}
	}
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	p := &program{t: t, file: file, dir: t.TempDir(), fleet: fleet}
	if err := fleet.WriteReady(filepath.Join(p.dir, "fleet.json")); err != nil {
		t.Fatal(err)
	}
	for _, d := range fleet.Ready().Devices {
		p.write(d.Name+".pw", d.Password)
	}
	p.write("plan.hcl", realDevices+plan)
	if err := os.Mkdir(filepath.Join(p.dir, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) state() string { return filepath.Join(p.dir, "state") }

// running is a process of the program.
type running struct {
	p    *program
	cmd  *exec.Cmd
	out  *locked
	done chan error
}

// locked collects what a process prints.
type locked struct {
	text chan *bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	buf := <-l.text
	defer func() { l.text <- buf }()
	return buf.Write(b)
}

func (l *locked) String() string {
	buf := <-l.text
	defer func() { l.text <- buf }()
	return buf.String()
}

func (p *program) start(args ...string) *running {
	p.t.Helper()
	out := &locked{text: make(chan *bytes.Buffer, 1)}
	out.text <- &bytes.Buffer{}
	c := exec.Command(p.file, args...)
	c.Dir = p.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + p.dir, "DPRUN_STATE_DIR=" + p.state(), "DPRUN_LOG=debug"}
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = time.Second // plugins of a killed process hold the pipes for a moment
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	r := &running{p: p, cmd: c, out: out, done: make(chan error, 1)}
	go func() { r.done <- c.Wait() }()
	p.t.Cleanup(func() { _ = c.Process.Kill() })
	return r
}

// wait gives the exit code (-1: killed) and what was printed.
func (r *running) wait() (int, string) {
	r.p.t.Helper()
	select {
	case err := <-r.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			r.p.t.Fatal(err)
		}
		return r.cmd.ProcessState.ExitCode(), r.out.String()
	case <-time.After(patience):
		_ = r.cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(time.Second)
		r.p.t.Fatalf("%v does not end:\n%s", r.cmd.Args, r.out.String())
		return 0, ""
	}
}

func (p *program) run(args ...string) (int, string) {
	p.t.Helper()
	return p.start(args...).wait()
}

// kill ends the process as a crash does, and returns the processes that it had started.
func (r *running) kill() []int {
	r.p.t.Helper()
	children := childrenOf(r.cmd.Process.Pid)
	if len(children) == 0 {
		r.p.t.Fatalf("no plugin runs:\n%s", r.out.String())
	}
	if err := r.cmd.Process.Kill(); err != nil {
		r.p.t.Fatal(err)
	}
	if code, out := r.wait(); code != -1 {
		r.p.t.Fatalf("it ended by itself with %d before it could be killed:\n%s", code, out)
	}
	return children
}

// childrenOf reads /proc for the processes that one has started.
func childrenOf(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

func (p *program) await(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited %s in vain: %s; %+v", patience, what, p.fleet.State())
		}
	}
}

func (p *program) quiesceState(device, domain string) string {
	for _, d := range p.fleet.State().Device(device).Domains {
		if d.Name == domain {
			return d.QuiesceState
		}
	}
	return "no such domain"
}

// untilExporting waits until the domain is quiesced and its export asked for.
func (p *program) untilExporting(device, domain string) {
	p.t.Helper()
	p.await(domain+" is quiesced and exported", func() bool {
		return p.quiesceState(device, domain) == "quiesced" && p.fleet.State().Device(device).Operations["do-export"] > 0
	})
}

func (p *program) fault(f dpsim.Fault) {
	p.t.Helper()
	if err := p.fleet.AddFault(f); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) clearFaults() {
	p.t.Helper()
	if err := p.fleet.ClearFaults(dpsim.Fault{}); err != nil {
		p.t.Fatal(err)
	}
}

// journal reads the runs, the histories of the first one, and what is owed.
func (p *program) journal() (runs []journal.Run, histories map[string][]string, owed []journal.Obligation) {
	p.t.Helper()
	j, err := journal.Open(filepath.Join(p.state(), "journal.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	ctx := context.Background()
	if runs, err = j.Runs(ctx, journal.Filter{}, 0); err != nil {
		p.t.Fatal(err)
	}
	slices.SortFunc(runs, func(a, b journal.Run) int { return strings.Compare(a.ID, b.ID) })
	histories = map[string][]string{}
	for _, s := range must(j.Statuses(ctx, runs[0].ID))(p.t) {
		histories[s.Task] = append(histories[s.Task], s.Code)
	}
	return runs, histories, must(j.Owed(ctx))(p.t)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// recovered checks what every recovery must leave of the first run: finished,
// nothing owed, everything in service, one final code.
func (p *program) recovered(task, code string) {
	p.t.Helper()
	runs, histories, owed := p.journal()
	if runs[0].State != journal.Finished || len(owed) > 0 {
		p.t.Errorf("run %+v; owed: %+v", runs[0], owed)
	}
	if h := histories[task]; last(h) != code {
		p.t.Errorf("history of %s: %v; want %s", task, h, code)
	}
	for _, d := range p.fleet.State().Devices {
		for _, dom := range d.Domains {
			if dom.QuiesceState != "" {
				p.t.Errorf("%s/%s is %s", d.Name, dom.Name, dom.QuiesceState)
			}
		}
	}
}

func TestADeadRunIsRecovered(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	const task = "x/gw/app01"

	t.Run("killed while quiesced", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		plugins := r.kill()
		p.await("the plugins of the killed process end", func() bool { return !slices.ContainsFunc(plugins, alive) })
		if p.quiesceState("gw", "app01") != "quiesced" {
			t.Fatal("not quiesced: this proves nothing")
		}
		if code, out := p.run("owed"); code != 16 || !strings.Contains(out, "domain-unquiesce app01") {
			t.Errorf("owed: exit %d\n%s", code, out)
		}
		code, out := p.run("recover")
		if code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if left := files(t, p.dir+"/backups"); len(left) > 0 {
			t.Errorf("at the destination: %v", left)
		}
		if code, out := p.run("owed"); code != 0 {
			t.Errorf("owed after recovery: exit %d\n%s", code, out)
		}
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("a second recover: exit %d\n%s", code, out)
		}
	})

	t.Run("killed while quiesced, then any other apply", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		p.clearFaults()
		p.write("other.hcl", realDevices+strings.ReplaceAll(strings.Replace(quiescing, `"p"`, `"q"`, 1), `quiesce = "domain"`, ""))
		if code, out := p.run("apply", "--yes", "other.hcl"); code != 0 {
			t.Errorf("apply: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed while quiesced, then the plan is broken", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		p.clearFaults()
		p.write("plan.hcl", `plan "p" { no_such_argument = 1 }`)
		if code, out := p.run("apply", "--yes", "plan.hcl"); code != 10 {
			t.Errorf("apply: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed while the quiesce is under way", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "no_reply_but_done", Operation: "do-action/DomainQuiesce"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("quiesced", func() bool { return p.quiesceState("gw", "app01") == "quiesced" })
		r.kill()
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if n := p.fleet.State().Device("gw").Operations["do-action/DomainQuiesce"]; n != 1 {
			t.Errorf("the quiesce was sent %d times", n)
		}
	})

	t.Run("killed when all was staged", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "unquiesce_ignored", Count: 1})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("staged", func() bool { return strings.Contains(r.out.String(), "EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE") })
		r.kill()
		if left := files(t, p.dir+"/backups"); len(left) > 0 {
			t.Fatalf("at the destination already, this proves nothing: %v", left)
		}
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "SUCCESS")
		p.stored(1)
	})

	t.Run("killed while storing", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1, ExportSize: "40MB"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("stored", func() bool { return strings.Contains(r.out.String(), "EXECUTION_STORE_STARTED") })
		r.kill()
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "SUCCESS")
		p.stored(1)
	})

	t.Run("killed, and recovery killed", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		p.fault(dpsim.Fault{Kind: "unquiesce_ignored", Count: 1})
		r = p.start("recover")
		p.await("the unquiesce of the recovery", func() bool { return p.fleet.State().Device("gw").Operations["do-action/DomainUnquiesce"] > 0 })
		r.kill()
		if p.quiesceState("gw", "app01") != "quiesced" {
			t.Fatal("not quiesced: this proves nothing")
		}
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed with scripts", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, scripted, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		b, err := os.ReadFile(filepath.Join(p.dir, "told"))
		want := "plan_pre -\npre app01 -\npost app01 FAILED_NO_FILES_DOWNLOADED\nplan_post PLAN_INTERRUPTED\n"
		if err != nil || string(b) != want {
			t.Errorf("scripts told %q, %v; want %q", b, err, want)
		}
	})

	t.Run("killed with a post-script and no pre-script", func(t *testing.T) {
		t.Parallel()
		plan := strings.NewReplacer("pre_script   = script.exec.tell", "", "pre_script = script.exec.tell", "").Replace(scripted)
		p := newProgram(t, dprun, plan, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		_, histories, _ := p.journal()
		for task, h := range histories {
			for _, c := range h {
				if strings.Contains(c, "SCRIPT_ERROR") {
					t.Errorf("history of %q: %v: a script that could not be run is no failure of the backup", task, h)
				}
			}
		}
	})

	t.Run("killed, and the secret is gone", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, strings.Replace(quiescing, `"app01"`, `"*"`, 1), dpsim.Device{Name: "gw", AppDomains: 1}, dpsim.Device{Name: "other", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export", Domain: "app01"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		p.untilExporting("other", "app01")
		r.kill()
		password := must(os.ReadFile(filepath.Join(p.dir, "gw.pw")))(t)
		if err := os.Remove(filepath.Join(p.dir, "gw.pw")); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"recover"}, {"apply", "--yes", "plan.hcl"}} {
			code, out := p.run(args...)
			if code != 16 || !strings.Contains(out, "domain-unquiesce app01") || !strings.Contains(out, "gw.pw") {
				t.Errorf("%v: exit %d, want 16, the file that is missing and the command\n%s", args, code, out)
			}
			if p.quiesceState("gw", "app01") != "quiesced" {
				t.Fatal("not quiesced: this proves nothing")
			}
		}
		if s := p.quiesceState("other", "app01"); s != "" {
			t.Errorf("a device whose secret can be read is left %s", s)
		}
		p.write("gw.pw", string(password))
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover with the secret: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed, and the recovery of an apply is asked to stop", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		r.kill()
		p.clearFaults()
		p.fault(dpsim.Fault{Kind: "latency", Operation: "do-action/DomainUnquiesce", Duration: "3s"})
		r = p.start("apply", "--yes", "plan.hcl")
		p.await("the unquiesce of the recovery", func() bool { return p.fleet.State().Device("gw").Operations["do-action/DomainUnquiesce"] > 0 })
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code, out := r.wait(); code != 143 {
			t.Errorf("apply: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if runs, _, _ := p.journal(); len(runs) != 1 {
			t.Errorf("%d runs: the plan was begun although it was asked to stop", len(runs))
		}
	})

	t.Run("killed, and something it started hangs", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		runs, _, _ := p.journal()
		locks, err := filepath.Glob(filepath.Join(p.state(), "locks", "*"+runs[0].ID+"*.lock"))
		if err != nil || len(locks) != 1 {
			t.Fatalf("the run's lock: %v, %v", locks, err)
		}
		plugins := r.kill()
		p.await("the plugins of the killed process end", func() bool { return !slices.ContainsFunc(plugins, alive) })
		hanging := exec.Command("flock", locks[0], "sleep", "600")
		hanging.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := hanging.Start(); err != nil {
			t.Fatal(err)
		}
		end := sync.OnceFunc(func() {
			_ = syscall.Kill(-hanging.Process.Pid, syscall.SIGKILL)
			_ = hanging.Wait()
		})
		defer end()
		p.await("the lock is held", func() bool { return len(childrenOf(hanging.Process.Pid)) > 0 })
		if code, out := p.run("owed"); code != 16 {
			t.Errorf("owed: exit %d\n%s", code, out)
		}
		if code, out := p.run("recover"); code != 0 || p.quiesceState("gw", "app01") != "" {
			t.Errorf("recover: exit %d, %s\n%s", code, p.quiesceState("gw", "app01"), out)
		}
		end()
		if code, out := p.run("recover"); code != 0 {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if n := p.fleet.State().Device("gw").Operations["do-action/DomainUnquiesce"]; n != 1 {
			t.Errorf("the unquiesce was sent %d times", n)
		}
	})

	t.Run("terminated while quiesced", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		for range 20 { // a storm is one request to stop and one to hurry
			if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		if code, out := r.wait(); code != 143 {
			t.Errorf("exit %d\n%s", code, out)
		}
		p.recovered(task, "EXECUTION_CANCELED_BY_USER")
	})

	t.Run("a second process", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		code, out := p.run("apply", "--yes", "plan.hcl")
		if code != 12 || !strings.Contains(out, "already running") || !strings.Contains(out, strconv.Itoa(r.cmd.Process.Pid)) {
			t.Errorf("exit %d, want 12 and who runs it\n%s", code, out)
		}
		if code, out := p.run("recover"); code != 0 || p.quiesceState("gw", "app01") != "quiesced" {
			t.Errorf("recover beside a live run: exit %d\n%s", code, out)
		}
		if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code, out := r.wait(); code != 130 {
			t.Errorf("exit %d\n%s", code, out)
		}
		p.recovered(task, "EXECUTION_CANCELED_BY_USER")
	})

	t.Run("the plugin of the gateway is killed", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		p.clearFaults()
		for _, child := range childrenOf(r.cmd.Process.Pid) {
			if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); bytes.Contains(args, []byte("datapower")) {
				if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		if code, out := r.wait(); code != 0 {
			t.Errorf("exit %d: a plugin that crashed once is started again\n%s", code, out)
		}
		p.recovered(task, "SUCCESS")
		p.stored(1)
	})
}

// scripted tells a file of every script that runs.
const scripted = `
script "exec" "tell" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN $${DPRUN_STATUS:--} >> told"] }
}
plan "p" {
  destinations = [destination.file.local]
  pre_script   = script.exec.tell
  post_script { run = script.exec.tell }
  activity "export_domain" "x" {
    devices    = ["*"]
    domains    = ["app01"]
    quiesce    = "domain"
    pre_script = script.exec.tell
    post_script { run = script.exec.tell }
  }
}
`

// stored checks that n whole sets stand at the destination, and nothing else.
func (p *program) stored(sets int) {
	p.t.Helper()
	all := files(p.t, filepath.Join(p.dir, "backups"))
	manifests := 0
	for _, f := range all {
		if !strings.HasSuffix(f, ".dprun.json") {
			continue
		}
		manifests++
		m := manifestOf(p.t, filepath.Join(p.dir, "backups", f))
		for _, a := range m.Artifacts {
			at := filepath.Join(p.dir, "backups", filepath.Dir(f), a.File)
			if hashOf(p.t, at) != a.SHA256 {
				p.t.Errorf("%s is not what its manifest says", at)
			}
		}
	}
	if manifests != sets || len(all) != 2*sets {
		p.t.Errorf("at the destination: %v; want %d whole sets", all, sets)
	}
}
