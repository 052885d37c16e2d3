package scenario

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// Site is what every scenario's plan may use beside its own declarations.
//
//go:embed site.hcl
var Site []byte

// night is when a scenario in moved time begins.
var night = time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)

// requestLimit bounds the wait for a request that a step is to follow.
const requestLimit = 2 * time.Minute

// Options are what a player needs from the test program.
type Options struct {
	// Bundled are the plugins that the program serves itself.
	Bundled map[string]func() sdk.Plugin
	// Dprun gives the path of a dprun program, for runs that are processes.
	Dprun func() (string, error)
}

// Outcome is how a scenario ended.
type Outcome struct {
	Exits   map[string]int      // by command
	Owes    map[string][]string // by command; device/domain that dprun owed listed
	Runs    []Run               // in the order of their beginning
	Down    []string            // device/domain that is not in service
	Stored  []string            // files at the destination of [Site]
	Crossed []string            // gateways whose temporary: had less room than their own limit
	Left    []string            // files of secure backups on the gateways
}

// Run is one run as its journal tells it.
type Run struct {
	ID        string
	Plan      string
	Histories map[string][]event.Status // by task; the run's own has no name
}

// player plays one scenario.
type player struct {
	Options
	t        testing.TB
	s        *Scenario
	dir      string
	fleet    *dpsim.Fleet
	clock    clock.Clock
	moved    *manualclock.Clock // nil by the wall clock
	mu       sync.Mutex
	exits    map[string]int
	owes     map[string][]string
	told     []event.Status // everything that was published
	commands sync.WaitGroup
}

// Play plays a scenario in a directory of its own. What keeps it from being
// played fails the test; how it ended is for the caller to judge.
func Play(t testing.TB, s *Scenario, o Options) *Outcome {
	t.Helper()
	p := &player{Options: o, t: t, s: s, dir: t.TempDir(), exits: map[string]int{}, owes: map[string][]string{}, clock: clock.System{}}
	p.build()
	if p.moved != nil {
		ctx, cancel := context.WithCancel(context.Background())
		driven := make(chan struct{})
		go func() {
			defer close(driven)
			manualclock.Drive(ctx, p.moved, p.fleet.Clock(), whenStuck)
		}()
		defer func() { cancel(); <-driven }()
	}
	for _, c := range s.steps.Commands {
		if !c.Beside {
			p.do(c.deed, nil)
			p.run(c)
		}
	}
	p.commands.Wait()
	return p.outcome()
}

// build starts the fleet and the servers and writes the plan.
func (p *player) build() {
	p.t.Helper()
	p.must(p.s.write(p.dir))
	fleet, err := dpsim.LoadScenario(filepath.Join(p.dir, "fleet.hcl"))
	p.must(err)
	if !p.s.byTheWall() {
		fleet.Start, fleet.Frozen = night.Format(time.RFC3339), true
		p.moved = manualclock.New(night)
		p.clock = p.moved
	}
	p.fleet, err = dpsim.Start(context.Background(), fleet)
	p.must(err)
	p.t.Cleanup(p.fleet.Close)
	// A capture that waits for its archive to be made looks stuck to the clock.
	p.must(p.fleet.Warm(context.Background()))
	p.must(p.fleet.WriteReady(filepath.Join(p.dir, "fleet.json")))
	for _, d := range p.fleet.Ready().Devices {
		p.must(os.WriteFile(filepath.Join(p.dir, d.Name+".pw"), []byte(d.Password), 0o600))
	}
	p.must(os.Mkdir(filepath.Join(p.dir, "backups"), 0o700))
	plan := append(bytes.Clone(Site), p.s.files["plan.hcl"]...)
	p.must(os.WriteFile(filepath.Join(p.dir, "plan.hcl"), plan, 0o600))
	for _, n := range p.s.steps.Servers {
		p.serve(n)
	}
	for _, n := range p.s.steps.SFTP {
		s := sshd.Start(p.t, sshd.Options{HostKeys: []string{sshd.ED25519}, Deny: n.Deny})
		p.describe(n.Name, map[string]any{"host": s.Host, "port": s.Port, "user": s.User, "key": s.PrivateKey, "known_hosts": s.KnownHosts, "directory": s.Dir})
	}
}

// serve starts a real NFS server and writes where it is.
func (p *player) serve(n server) {
	var options []ganesha.Option
	if n.Size > 0 {
		options = append(options, ganesha.WithSize(n.Size))
	}
	s := ganesha.Start(p.t, options...)
	p.describe(n.Name, map[string]any{"host": s.Host, "export": s.Export, "nfs_port": s.NFSPort, "mount_port": s.MountPort})
}

// describe writes where a server is.
func (p *player) describe(name string, server map[string]any) {
	body, err := json.Marshal(server)
	p.must(err)
	p.must(os.WriteFile(filepath.Join(p.dir, name+".json"), body, 0o600))
}

func (p *player) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.s.File, err)
	}
}

// do changes the world. signal reaches the command during which it happens.
func (p *player) do(d deed, signal func(string)) {
	if d.Request == "" {
		p.doNow(d, signal)
		return
	}
	p.commands.Go(func() { // beside the run, which is to send the request
		p.await(d.Request)
		p.doNow(d, signal)
	})
}

func (p *player) doNow(d deed, signal func(string)) {
	p.check(each(d.Edits, p.fleet.Edit))
	p.check(each(d.Clear, p.fleet.ClearFaults))
	p.check(each(d.Faults, p.fleet.AddFault))
	if d.Advance != "" {
		step, err := time.ParseDuration(d.Advance)
		p.check(err)
		p.fleet.Clock().Advance(step)
		if p.moved != nil {
			p.moved.Advance(step)
		}
	}
	if d.Start != "" {
		p.startBeside(d.Start)
	}
	if d.Signal != "" {
		signal(d.Signal)
	}
}

// await waits until a gateway has got a request.
func (p *player) await(operation string) {
	for end := time.Now().Add(requestLimit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, d := range p.fleet.State().Devices {
			if d.Operations[operation] > 0 {
				return
			}
		}
	}
	p.t.Errorf("%s: no gateway got a request %s within %s", p.s.File, operation, requestLimit)
}

// check notes an error from any goroutine.
func (p *player) check(err error) {
	if err != nil {
		p.t.Errorf("%s: %v", p.s.File, err)
	}
}

// each does something with every element of a list, which is written as
// dpsim's control takes it.
func each[E any](list cty.Value, do func(E) error) error {
	if list == cty.NilVal || list.IsNull() {
		return nil
	}
	body, err := ctyjson.Marshal(list, list.Type())
	if err != nil {
		return fmt.Errorf("read a step: %w", err)
	}
	var all []E
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&all); err != nil {
		return fmt.Errorf("read a step: %w", err)
	}
	for _, e := range all {
		if err := do(e); err != nil {
			return err
		}
	}
	return nil
}

// startBeside begins another command and goes on.
func (p *player) startBeside(name string) {
	for _, c := range p.s.steps.Commands {
		if c.Name != name || !c.Beside {
			continue
		}
		idle := func() {}
		if p.moved != nil {
			idle = sync.OnceFunc(p.moved.Waiter().Stop) // no time passes until it takes part
		}
		p.commands.Go(func() {
			defer idle()
			p.do(c.deed, nil)
			p.runThen(c, idle)
		})
		return
	}
	p.t.Errorf("%s: there is no command %q to run beside another", p.s.File, name)
}

func (p *player) run(c command) { p.runThen(c, func() {}) }

// runThen runs a command to its end; begun is called at its first status.
func (p *player) runThen(c command, begun func()) {
	var exit int
	if c.Older {
		p.check(p.age(c))
	}
	if c.Process {
		exit = p.process(c, begun)
	} else {
		exit = p.inProcess(c, begun)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exits[c.Name] = exit
}

// inProcess runs dprun's engine here, with real plugin processes.
func (p *player) inProcess(c command, begun func()) int {
	ctx := context.Background()
	stop := runner.NewStop(ctx)
	defer stop.Release()
	w := &watch{player: p, command: c, begun: begun, signal: stop.Ask, done: make([]bool, len(c.At))}
	r, err := runner.Open(runner.Options{StateDir: p.stateDir(c), Version: "0.1.0-test", Bundled: p.Bundled, Environ: os.Environ(),
		Log: slog.New(slog.NewTextHandler(p.t.Output(), nil)), Clock: p.clock, Group: -1})
	if err != nil {
		return p.refused(err)
	}
	defer func() { p.check(r.Close()) }()
	var res *report.Result
	switch c.Args[0] {
	case "apply":
		res, err = r.Apply(ctx, runner.ApplyRequest{Operation: runner.Operation{Sink: w, Stop: stop}, Source: runner.Source{Path: filepath.Join(p.dir, "plan.hcl"), Environ: os.Environ()}, Plan: c.Plan})
	case "recover":
		res, err = r.Recover(ctx, runner.RecoverRequest{Operation: runner.Operation{Sink: w, Stop: stop}})
	case "owed":
		left := r.Owed(ctx)
		if left.Unknown != nil {
			p.check(errors.New(left.Unknown.Message))
		}
		for _, o := range left.Owed {
			p.owes[c.Name] = append(p.owes[c.Name], strings.Trim(o.Device+"/"+o.Domain, "/"))
		}
		return left.ExitCode
	default:
		err = fmt.Errorf("a scenario cannot run dprun %s", c.Args[0])
	}
	if err != nil {
		return p.refused(err)
	}
	p.check(res.Diagnostics.Err())
	return res.ExitCode
}

// refused is the exit code of a command that came to no run.
func (p *player) refused(err error) int {
	e := new(runner.Error)
	if !errors.As(err, &e) {
		p.check(err)
		return -1
	}
	p.t.Logf("%s: %v", p.s.File, err)
	return e.ExitCode
}

func (p *player) stateDir(c command) string { return filepath.Join(p.dir, cmp.Or(c.State, "state")) }

// watch does what a scenario says when a status is entered. It is the sink of a run.
type watch struct {
	player  *player
	command command
	begun   func()
	signal  func(string)
	done    []bool
}

// Status implements [event.Sink].
func (w *watch) Status(s event.Status) {
	w.player.t.Logf("%s %s: %s %s", s.Time.Format(time.TimeOnly), s.Task, s.Code, s.Message)
	w.begun()
	w.player.tell(s)
	for i, at := range w.command.At {
		if !w.done[i] && at.Task == s.Task && at.Code == s.Code {
			w.done[i] = true
			w.player.do(at.deed, w.signal)
		}
	}
}

// Run implements [event.Sink].
func (w *watch) Run(event.RunInfo) {}

// Progress implements [event.Sink].
func (w *watch) Progress(event.Progress) {}

// Log implements [event.Sink].
func (w *watch) Log(l event.Log) { w.player.t.Logf("%s %s: %s", l.Task, l.Stream, l.Text) }

// Summary implements [event.Sink].
func (w *watch) Summary(event.Summary) {}
func (w *watch) Settled(event.Settled) {}

func (p *player) tell(s event.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, s)
}

// outcome reads the journals and looks at the fleet and the destination.
func (p *player) outcome() *Outcome {
	o := &Outcome{Exits: p.exits, Owes: p.owes}
	var seen []string
	for _, c := range p.s.steps.Commands {
		if dir := p.stateDir(c); !slices.Contains(seen, dir) {
			seen = append(seen, dir)
			p.readJournal(dir, o)
		}
	}
	for _, d := range p.fleet.State().Devices {
		if d.Crossed > 0 {
			o.Crossed = append(o.Crossed, d.Name)
		}
		for _, dom := range d.Domains {
			if dom.QuiesceState != "" {
				o.Down = append(o.Down, d.Name+"/"+dom.Name)
			}
		}
		for _, f := range d.Files {
			if !strings.HasPrefix(f.Path, "export:") { // where a gateway keeps its last export for itself
				o.Left = append(o.Left, d.Name+" "+f.Path)
			}
		}
	}
	p.addTold(o)
	backups := filepath.Join(p.dir, "backups")
	p.must(filepath.WalkDir(backups, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path, err = filepath.Rel(backups, path); path == evidence.Dir {
			return filepath.SkipDir // each run leaves a record there
		}
		if !d.IsDir() {
			o.Stored = append(o.Stored, path)
		}
		return err
	}))
	return o
}

// whenStuck is how long work may go on, in wall time, before it is taken to
// wait for simulated time by itself.
const whenStuck = 20 * time.Second
