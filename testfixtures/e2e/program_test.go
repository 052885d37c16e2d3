package e2e

import (
	"bytes"
	"cmp"
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
	"github.com/dprun/dprun/testfixtures/need"
)

// patience bounds every wait for a real process: it is reached only when a
// test fails.
const patience = 3 * time.Minute

// program is the built dprun with a plan and a state directory of its own, in
// real time, beside a fleet.
type program struct {
	t     *testing.T
	file  string
	dir   string
	cwd   string   // where it runs, if not in dir
	env   []string // more than every process gets
	fleet *dpsim.Fleet
	// guarded runs are guarded, as they are by default, and lead a process group
	// of their own. All others are killed to see what recovery makes of them.
	guarded bool
}

// built is the dprun program, built once where a test needs it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// build gives the file of the compiled dprun. All tests share it.
func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "dprun-e2e-"); built.err != nil {
			return
		}
		c := exec.Command("go", "build", "-ldflags=-s -w", "-o", built.dir, "github.com/dprun/dprun/cmd/dprun")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build dprun: %w: %s", err, out)
		}
	})
	need.Done(t, built.err)
	return filepath.Join(built.dir, "dprun")
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
	need.Done(t, fleet.WriteReady(filepath.Join(p.dir, "fleet.json")))
	for _, d := range fleet.Ready().Devices {
		p.write(d.Name+".pw", d.Password)
	}
	p.write("plan.hcl", realDevices+plan)
	need.Done(t, os.Mkdir(filepath.Join(p.dir, "backups"), 0o700))
	return p
}

func (p *program) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// writeTogether writes a plan that may have two gateways quiesced at once.
func (p *program) writeTogether(name, plan string) {
	p.t.Helper()
	devices := strings.Replace(realDevices, "  config {", "  group = each.key\n  config {", 1)
	p.write(name, devices+strings.Replace(plan, "  destinations", `  quiesce_guard {
    max_devices = 2
    peers       = "ignore"
  }
  destinations`, 1))
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
	if args[0] == "apply" && !p.guarded {
		args = slices.Insert(slices.Clone(args), 1, "--no-guard")
	}
	out := &locked{text: make(chan *bytes.Buffer, 1)}
	out.text <- &bytes.Buffer{}
	c := exec.Command(p.file, args...)
	c.Dir = cmp.Or(p.cwd, p.dir)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + p.dir, "DPRUN_STATE_DIR=" + p.state(), "DPRUN_LOG=debug"}, p.env...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: p.guarded}
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

// killAll kills the process and waits until its plugins have ended.
func (r *running) killAll() {
	r.p.t.Helper()
	plugins := r.kill()
	r.p.await("the plugins of the killed process end", func() bool { return !slices.ContainsFunc(plugins, alive) })
}

func (p *program) await(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited %s in vain: %s; %+v", patience, what, p.fleet.State())
		}
	}
}

// exits runs a command, which must end with a code and have said all that is asked for.
func (p *program) exits(want int, command string, says ...string) {
	p.t.Helper()
	p.start(strings.Fields(command)...).exits(want, says...)
}

// exits waits for the end of a process, which must be with a code and with all
// said that is asked for.
func (r *running) exits(want int, says ...string) {
	r.p.t.Helper()
	code, out := r.wait()
	if code != want || slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(out, text) }) {
		r.p.t.Errorf("%v: exit %d, want %d and %q\n%s", r.cmd.Args[1:], code, want, says, out)
	}
}

func (r *running) signal(s syscall.Signal) {
	r.p.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.p.t.Fatal(err)
	}
}

// stuck begins the plan and waits until gw's domain app01 is quiesced and its
// export hangs.
func (p *program) stuck() *running {
	p.t.Helper()
	p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
	r := p.start("apply", "--yes", "plan.hcl")
	p.untilExporting("gw", "app01")
	return r
}

// sent counts what gw was asked, by operation.
func (p *program) sent() map[string]int { return p.fleet.State().Device("gw").Operations }

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
	for _, s := range need.Value(j.Statuses(ctx, runs[0].ID))(p.t) {
		histories[s.Task] = append(histories[s.Task], s.Code)
	}
	return runs, histories, need.Value(j.Owed(ctx))(p.t)
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
	if h := histories[""]; last(h) != runs[0].Code {
		p.t.Errorf("history of the run: %v; it ended in %s", h, runs[0].Code)
	}
	for _, d := range p.fleet.State().Devices {
		for _, dom := range d.Domains {
			if dom.QuiesceState != "" {
				p.t.Errorf("%s/%s is %s", d.Name, dom.Name, dom.QuiesceState)
			}
		}
	}
}
