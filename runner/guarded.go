package runner

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/pluginhost"
)

const (
	// guardStarts is the longest time that a guard may take until it watches.
	guardStarts = 30 * time.Second
	// guardEnds is how long a run waits for its guard to end after a goodbye.
	guardEnds = 5 * time.Second
	// guardLogLimit is the size in bytes at which a new log of the guards is begun.
	guardLogLimit = 1 << 20
)

// GuardReady is the line that a guard process writes to its standard output when
// it watches. Any other line says why it cannot.
const GuardReady = "ready"

// guarded is a run's side of its guard process. The guard is dprun itself,
// started again in a session of its own, so that nothing that ends or stops the
// run's process, its group or its terminal reaches the guard.
type guarded struct {
	run     string
	args    []string // the arguments that make this program a guard
	environ []string
	logFile string
	log     *slog.Logger
	pending *pending.Dir

	mu      sync.Mutex
	leaving bool
	now     *guardProcess // nil: there is no guard now
}

// guardProcess is one guard process.
type guardProcess struct {
	cmd   *exec.Cmd
	alive *os.File      // the run's end of the pipe
	ended chan struct{} // closed when the process is gone
}

// guard starts the guard of a run that may quiesce. With nil args there is no
// guard; then the result is nil, and its methods do nothing.
func (r *operation) guard(run string, args func(run string) []string) (*guarded, error) {
	if args == nil {
		r.Log.Warn("this run has no guard: if dprun dies, a gateway stays quiesced until dprun recover runs", "run", run)
		return nil, nil
	}
	g := &guarded{run: run, args: args(run), environ: r.Environ, logFile: r.state.GuardLog(), log: r.Log, pending: r.pending}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.start(); err != nil {
		return nil, &Error{ExitBug, err}
	}
	return g, nil
}

// start starts a guard and waits until it watches. The caller holds the lock.
func (g *guarded) start() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start the guard process of run %s, which brings gateways back when this process dies: %w; without it nothing is quiesced. "+
				"See %s. If something else runs `dprun recover` every few minutes, --no-guard runs the plan without a guard", g.run, err, g.logFile)
		}
	}()
	self, err := pluginhost.Self()
	if err != nil {
		return err
	}
	watched, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = watched.Close() }()
	says, out, err := os.Pipe()
	if err != nil {
		_ = alive.Close()
		return err
	}
	defer func() { _ = says.Close() }()
	cmd := &exec.Cmd{Path: self, Args: append([]string{"dprun"}, g.args...), Env: g.environ, Stdin: watched, Stdout: out, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if log := g.openLog(); log != nil { // a guard works without a log
		defer func() { _ = log.Close() }()
		cmd.Stderr = log
	}
	err = cmd.Start()
	_ = out.Close()
	if err != nil {
		_ = alive.Close()
		return err
	}
	p := &guardProcess{cmd: cmd, alive: alive, ended: make(chan struct{})}
	_ = says.SetReadDeadline(time.Now().Add(guardStarts))
	line, err := bufio.NewReader(says).ReadString('\n')
	if line = strings.TrimSuffix(line, "\n"); line != GuardReady {
		_ = alive.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if line != "" {
			return errors.New(line)
		}
		return cmp.Or(err, errors.New("it says nothing"))
	}
	g.now = p
	go g.follow(p)
	return nil
}

// openLog opens the file that guards log to, or returns nil.
func (g *guarded) openLog() *os.File {
	if info, err := os.Stat(g.logFile); err == nil && info.Size() > guardLogLimit {
		_ = os.Rename(g.logFile, g.logFile+".old")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := os.OpenFile(g.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		g.log.Warn("the guard process has no log file", "error", err)
		return nil
	}
	return f
}

// follow waits for the end of a guard, and starts another one if the run has not
// ended.
func (g *guarded) follow(p *guardProcess) {
	_ = p.cmd.Wait()
	close(p.ended)
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = p.alive.Close()
	if g.leaving || g.now != p {
		return
	}
	g.now = nil
	g.log.Warn("the guard process of the run ended: another one is started", "run", g.run, "process", p.cmd.Process.Pid, "how", p.cmd.ProcessState.String())
	if err := g.start(); err != nil {
		g.log.Error(err.Error())
	}
}

// ensure starts a guard if there is none. Without a guard nothing may be
// quiesced.
func (g *guarded) ensure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now != nil {
		return nil
	}
	return g.start()
}

// leave ends the guard at once if nothing is quiesced any more. Otherwise the
// guard continues without the run.
func (g *guarded) leave() {
	if g == nil {
		return
	}
	word := byte(sayGoodbye)
	if s, _ := sightOf(g.pending, g.run); s.down() { // true also if the pending files cannot be read
		word = sayLeft
	}
	g.mu.Lock()
	g.leaving = true
	p := g.now
	g.mu.Unlock()
	if p == nil {
		return
	}
	_, _ = p.alive.Write([]byte{word}) // a guard that is gone needs no word
	_ = p.alive.Close()
	if word == sayLeft {
		return
	}
	select {
	case <-p.ended:
	case <-time.After(guardEnds):
		g.log.Warn("the guard process of the run does not end", "run", g.run, "process", p.cmd.Process.Pid)
	}
}

// journal returns the journal of a guarded run. It accepts a quiesce only while a
// guard watches.
func (g *guarded) journal(j engine.Journal) engine.Journal {
	if g == nil {
		return j
	}
	return guardedJournal{j, g}
}

type guardedJournal struct {
	engine.Journal
	guard *guarded
}

// Owe refuses a batch that announces a quiesce while there is no guard.
func (j guardedJournal) Owe(b engine.Batch) error {
	for _, o := range b.Owe {
		if o.Kind != pending.Unquiesce {
			continue
		}
		if err := j.guard.ensure(); err != nil {
			return err
		}
		break
	}
	return j.Journal.Owe(b)
}
