package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

const (
	hands       = 2 // who start runs in a round, side by side
	plansOfHand = 3
	// endsWithin bounds every wait for a process, and for the devices to come back
	// once nothing disturbs them any more. A quiesce that was on its way when dprun
	// died keeps its device for 100 s.
	endsWithin = 8 * time.Minute
)

// allowed is what the plans of a round allow.
var allowed = bounds{maxDevices: 3, settle: time.Second}

// round is gateways, a state directory, and those who use them.
type round struct {
	options Options
	number  int
	dir     string
	end     time.Time // no run is begun after it
	fleet   *dpsim.Fleet
	ending  sync.WaitGroup // what goes on for a while

	mu       sync.Mutex
	kills    int // still to come
	using    map[int][]string
	figures  Figures
	timeline []string
	log      *os.File // of the time line
	failed   []string
	giveUp   context.CancelFunc
	typical  time.Duration // of a run that was not disturbed
}

func (r *round) state() string { return filepath.Join(r.dir, "state") }

// random is the n-th source of random choices.
func (r *round) random(n int) *rand.Rand {
	return rand.New(rand.NewPCG(r.options.Seed+uint64(r.number), uint64(n)))
}

// note adds a line to the time line.
func (r *round) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := time.Now().Format(clockFormat) + " " + fmt.Sprintf(format, args...)
	r.timeline = append(r.timeline, line)
	if r.log != nil {
		_, _ = fmt.Fprintln(r.log, line)
	}
}

// violated enters that something does not hold, and ends the round.
func (r *round) violated(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	r.note("DOES NOT HOLD: %s", what)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, what)
	r.giveUp()
}

// fail enters an error of the soak itself.
func (r *round) fail(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.violated("the soak itself is at fault: %s", err)
	}
}

func (r *round) count(m mischief) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.reboot {
		r.figures.Reboots++
	} else {
		r.figures.Faults++
	}
}

// inUse lists the devices that runs use now.
func (r *round) inUse() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range hands {
		out = append(out, r.using[n]...)
	}
	return out
}

func pairOf(device string) string { return device[:strings.LastIndex(device, "-")] }

// prepare starts the gateways, and writes the plans.
func (r *round) prepare(ctx context.Context) error {
	var devices []dpsim.Device
	for n := range r.options.Pairs {
		for _, member := range []string{"a", "b"} {
			devices = append(devices, dpsim.Device{Name: fmt.Sprintf("pair-%03d-%s", n+1, member), AppDomains: 2, ExportSize: "24KB",
				Timings: &dpsim.Timings{Quiesce: "200ms", Unquiesce: "200ms", Boot: "5s"}})
		}
	}
	for _, d := range []string{"", "out", "backups", "certificates", "spool"} {
		if err := os.Mkdir(filepath.Join(r.dir, d), 0o700); err != nil {
			return err
		}
	}
	var err error
	if r.log, err = os.Create(filepath.Join(r.dir, "timeline.txt")); err != nil {
		return err
	}
	if r.fleet, err = dpsim.Start(ctx, dpsim.Scenario{Devices: devices, Dir: filepath.Join(r.dir, "certificates"), SpoolDir: filepath.Join(r.dir, "spool")}); err != nil {
		return err
	}
	if err := r.fleet.WriteReady(filepath.Join(r.dir, "fleet.json")); err != nil {
		return err
	}
	for _, d := range r.fleet.Ready().Devices {
		if err := os.WriteFile(filepath.Join(r.dir, d.Name+".pw"), []byte(d.Password), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(r.dir, "plan.hcl"), []byte(planText()), 0o600)
}

const declared = `
device "datapower" "gw" {
  for_each = { for d in jsondecode(file("fleet.json")).devices : d.name => d }
  group    = regex("^(pair-[0-9]+)-", each.key)[0]
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.pw")
    tls { ca_file = each.value.ca_file }
  }
}

destination "file" "local" {
  min_free = 0
  config { directory = "backups" }
}
`

// planText is a plan for every name: of single domains, and of whole devices.
func planText() string {
	var b strings.Builder
	b.WriteString(declared)
	for n := range hands {
		for k := range plansOfHand {
			activity := "activity \"export_domain\" \"x\" {\n    devices = [\"*\"]\n    domains = [\"*\"]\n    quiesce = \"domain\"\n  }"
			if k%2 == 1 {
				activity = "activity \"export_all_domains\" \"x\" {\n    devices = [\"*\"]\n    quiesce = \"device\"\n  }"
			}
			fmt.Fprintf(&b, `
plan %q {
  destinations = [destination.file.local]
  limits { parallel = 8 }
  timeouts {
    run       = "100s"
    unquiesce = "5s"
    grace     = "5s"
    healthy   = "10s"
  }
  quiesce_guard {
    max_devices = %d
    settle      = %q
  }
  %s
}
`, planName(n, k), allowed.maxDevices, allowed.settle, activity)
		}
	}
	return b.String()
}

func planName(hand, plan int) string { return fmt.Sprintf("hand-%d-%d", hand, plan) }

// play lets everybody work until all kills are made or ctx ends, and then has
// everything come back.
func (r *round) play(ctx context.Context) {
	working, done := context.WithCancel(ctx)
	r.giveUp = done
	defer done()
	defer r.clearUp()
	if err := r.prepare(ctx); err != nil {
		r.fail(err)
		return
	}
	var others, all sync.WaitGroup
	others.Go(func() { r.fail(r.disturb(working, r.random(0))) })
	others.Go(func() { r.fail(r.timer(working, r.random(1))) })
	others.Go(func() { r.watch(working) })
	for n := range hands {
		all.Go(func() { r.fail(r.hand(working, n, r.random(2+n))) })
	}
	all.Wait()
	done()
	others.Wait()
	r.ending.Wait()
	if len(r.failed) == 0 {
		r.fail(r.comeBack(ctx))
	}
	r.look()
	r.fail(r.tally(ctx))
}

// clearUp ends what is left of the round's processes.
func (r *round) clearUp() {
	for _, pid := range r.guards() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if r.fleet != nil {
		r.fleet.Close()
	}
	if r.log != nil {
		_ = r.log.Close()
	}
}

// watch judges the outages time and again.
func (r *round) watch(ctx context.Context) {
	for pause(ctx, time.Second) {
		r.look()
	}
}

func (r *round) look() {
	state := r.fleet.State()
	v := judge(state.Now, outages(state.Devices, pairOf), allowed)
	r.mu.Lock()
	r.figures.verdict = v
	known := len(r.failed) > 0
	r.mu.Unlock()
	if known {
		return
	}
	for _, what := range v.Violations {
		r.violated("%s", what)
	}
}

// timer runs `dprun recover` as a timer would, and sometimes kills that too.
func (r *round) timer(ctx context.Context, random *rand.Rand) error {
	for n := 0; pause(ctx, between(random, 5*time.Second, 15*time.Second)); n++ {
		p, err := r.start(fmt.Sprintf("recover-%d", n), "recover")
		if err != nil {
			return err
		}
		if random.IntN(6) == 0 && !p.wait(between(random, 0, 2*time.Second)) {
			p.signal(syscall.SIGKILL, false)
			r.note("a recovery is killed")
		}
		if !r.ends(p) {
			return nil
		}
		if code := p.code(); code == -1 {
			r.killed("a recovery", 0)
		} else {
			r.note("recover: exit %d", code)
			r.exited(p, 0, runner.ExitOwed)
		}
		if err := r.named(); err != nil {
			return err
		}
	}
	return nil
}

// ends waits for the end of a process, which it must have in time.
func (r *round) ends(p *process) bool {
	if p.wait(endsWithin) {
		return true
	}
	p.signal(syscall.SIGQUIT, false)
	p.wait(2 * time.Second)
	p.signal(syscall.SIGKILL, true)
	r.violated("%v does not end within %s: %s", p.cmd.Args[1:], endsWithin, p.out)
	return false
}

// exited checks an exit code.
func (r *round) exited(p *process, fine ...int) {
	if code := p.code(); !slices.Contains(fine, code) {
		r.violated("%v: exit %d: %s", p.cmd.Args[1:], code, p.out)
	}
}

// named checks that every domain that is out of service is named by `dprun owed`.
func (r *round) named() error {
	before := downSince(r.fleet.State().Devices)
	if len(before) == 0 {
		return nil
	}
	listed, code, err := r.owed()
	if err != nil {
		return err
	}
	after := downSince(r.fleet.State().Devices)
	r.mu.Lock()
	r.figures.Looks++
	r.mu.Unlock()
	for _, t := range unnamed(before, after, listed) {
		r.mu.Lock()
		r.figures.Unnamed++
		r.mu.Unlock()
		r.violated("%s/%s is out of service since %s, and dprun owed (exit %d) lists only %v", t.device, t.domain, before[t].Format(clockFormat), code, listed)
	}
	return nil
}

// owed asks dprun what is out of service.
func (r *round) owed() (listed []target, code int, err error) {
	p, err := r.start(fmt.Sprintf("owed-%d", time.Now().UnixNano()), "owed", "--json")
	if err != nil || !r.ends(p) {
		return nil, 0, err
	}
	r.exited(p, 0, runner.ExitOwed)
	b, err := os.ReadFile(p.out)
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(b)) {
		var o struct{ Type, Kind, Device, Domain string }
		if json.Unmarshal([]byte(line), &o) == nil && o.Type == "owed" && o.Kind == "unquiesce" {
			listed = append(listed, target{o.Device, o.Domain})
		}
	}
	return listed, p.code(), os.Remove(p.out)
}

// comeBack has nothing disturb the gateways any more; then everything must
// come back, by what a timer does alone.
func (r *round) comeBack(ctx context.Context) error {
	r.note("nothing disturbs the gateways any more")
	if err := r.fleet.ClearFaults(dpsim.Fault{}); err != nil {
		return err
	}
	if err := r.setDown("*", false); err != nil {
		return err
	}
	for n, end := 0, time.Now().Add(endsWithin); ; n++ {
		p, err := r.start(fmt.Sprintf("last-recover-%d", n), "recover")
		if err != nil || !r.ends(p) {
			return err
		}
		r.note("recover: exit %d", p.code())
		down := downSince(r.fleet.State().Devices)
		if p.code() == 0 && len(down) == 0 && len(r.guards()) == 0 {
			break
		}
		if time.Now().After(end) {
			r.violated("%s after the last disturbance: recover ends with %d, %d guards are there, and these are down: %v", endsWithin, p.code(), len(r.guards()), down)
			return nil
		}
		if !pause(ctx, 2*time.Second) {
			return ctx.Err()
		}
	}
	listed, code, err := r.owed()
	if err == nil && (code != 0 || len(listed) > 0) {
		r.violated("everything is back, and dprun owed ends with %d and lists %v", code, listed)
	}
	return err
}

// tally counts what the journal holds.
func (r *round) tally(ctx context.Context) error {
	j, err := journal.Open(filepath.Join(r.state(), "journal.db"))
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	runs, err := j.Runs(ctx, journal.Filter{}, 0)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range runs {
		tasks, err := j.Tasks(ctx, run.ID)
		if err != nil {
			return err
		}
		r.figures.Runs++
		r.figures.Tasks += len(tasks)
		for _, t := range tasks {
			r.figures.Codes[string(t.Code)]++
		}
	}
	return nil
}
