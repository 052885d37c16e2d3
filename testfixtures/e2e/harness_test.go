// Package e2e runs whole backups: the runner with real plugin processes,
// against simulated gateways and real servers.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/exec"
	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/need"
)

func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{"datapower": datapower.Plugin, "exec": exec.Plugin, "file": file.Plugin, "nfs": nfs.Plugin, "sftp": sftp.Plugin, "fragile": fragilePlugin}
}

// TestMain serves the bundled plugins when the test binary is started as one.
func TestMain(m *testing.M) {
	pluginhost.ServeBundled(os.Args[1:], bundled())
	need.AtOnce(2)
	need.Signals()
	exit := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(exit)
}

// night is when every test begins: simulated time, moved with the fleet's.
var night = time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)

// site is a directory with a plan, a fleet and a state directory.
type site struct {
	t     *testing.T
	dir   string
	fleet *dpsim.Fleet
	clock *manualclock.Clock
	stop  *runner.Stop
	sink  *recorder
	// patience is how long the plugin waits for an answer, in real time: a
	// busy machine takes seconds to make an export.
	patience string
	// restore is what the devices' blocks hold beside config.
	restore string
	// encryption is the same for the destination's.
	encryption string
}

// recorder keeps what a run publishes.
type recorder struct {
	mu       sync.Mutex
	statuses []event.Status
	logs     []event.Log
	on       func(event.Status)
}

func (r *recorder) Status(s event.Status) {
	r.mu.Lock()
	r.statuses = append(r.statuses, s)
	on := r.on
	r.mu.Unlock()
	if on != nil {
		on(s)
	}
}
func (r *recorder) Run(event.RunInfo)       {}
func (r *recorder) Progress(event.Progress) {}
func (r *recorder) Log(l event.Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logs = append(r.logs, l)
}
func (r *recorder) Summary(event.Summary) {}
func (r *recorder) Settled(event.Settled) {}

// history gives the codes of a task ("" for the run).
func (r *recorder) history(task string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, s := range r.statuses {
		if s.Task == task {
			out = append(out, s.Code)
		}
	}
	return out
}

// newSite starts a fleet whose time stands still until the engine's moves.
func newSite(t *testing.T, s dpsim.Scenario) *site {
	t.Helper()
	s.Start, s.Frozen = night.Format(time.RFC3339), true
	return startSite(t, s)
}

// startSite starts a fleet whose time is the scenario's.
func startSite(t *testing.T, s dpsim.Scenario) *site {
	t.Helper()
	fleet := need.Value(dpsim.Start(context.Background(), s))(t)
	t.Cleanup(fleet.Close)
	st := &site{t: t, dir: t.TempDir(), fleet: fleet, clock: manualclock.New(night), stop: runner.NewStop(t.Context()), sink: &recorder{}, patience: "1m"}
	need.Done(t, fleet.WriteReady(filepath.Join(st.dir, "fleet.json")))
	for _, d := range fleet.Ready().Devices {
		st.write(d.Name+".pw", d.Password)
	}
	need.Done(t, os.Mkdir(filepath.Join(st.dir, "backups"), 0o700))
	return st
}

func (s *site) write(name, text string) {
	s.t.Helper()
	need.Done(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// devices declares the fleet's gateways; their passwords are read from files.
const devices = `
device "datapower" "gw" {
  for_each = { for d in jsondecode(file("fleet.json")).devices : d.name => d }
  config {
    host            = each.value.host
    port            = each.value.port
    username        = each.value.username
    password        = secret_file("${each.key}.pw")
    connect_timeout = "1m"
    answer_timeout  = "1m"
    stall_timeout   = "1m"
    tls { ca_file = each.value.ca_file }
  }
  # restore
}
destination "file" "local" {
  min_free = "1%"
  config { directory = "backups" }
  # encryption
}
`

// apply writes a plan (the common declarations are added) and runs it, with
// the engine's clock and the fleet's moved together.
func (s *site) apply(plan string) *report.Result {
	s.t.Helper()
	s.write("plan.hcl", strings.Replace(strings.Replace(strings.ReplaceAll(devices, `"1m"`, `"`+s.patience+`"`), "# restore", s.restore, 1), "# encryption", s.encryption, 1)+plan)
	return s.run(func(r *runner.Runner) (*report.Result, error) {
		return r.Apply(context.Background(), s.request())
	})
}

// request asks for a run of the plan that the site's sink sees.
func (s *site) request() runner.ApplyRequest {
	return runner.ApplyRequest{Operation: s.operation(), Source: s.source()}
}

func (s *site) operation() runner.Operation { return runner.Operation{Sink: s.sink, Stop: s.stop} }

func (s *site) source() runner.Source {
	return runner.Source{Path: filepath.Join(s.dir, "plan.hcl"), Environ: os.Environ()}
}

func (s *site) open(c clock.Clock) *runner.Runner {
	s.t.Helper()
	r, err := runner.Open(runner.Options{StateDir: filepath.Join(s.dir, "state"), Version: "0.1.0-test", Bundled: bundled(), Environ: os.Environ(),
		Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)), Clock: c, Group: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) run(f func(*runner.Runner) (*report.Result, error)) *report.Result {
	s.t.Helper()
	r := s.open(s.clock)
	ctx, cancel := context.WithCancel(context.Background())
	moved := make(chan struct{})
	// Something that takes longer than every limit of the plugin hangs: only
	// then does time move while an action is under way.
	limit, _ := time.ParseDuration(s.patience)
	stuck := limit + 3*time.Second
	go func() {
		defer close(moved)
		manualclock.Drive(ctx, s.clock, s.fleet.Clock(), stuck)
	}()
	defer func() {
		cancel()
		<-moved
		if err := r.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	}()
	res, err := f(r)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	if res.Diagnostics.HasErrors() {
		s.t.Fatalf("the plan has errors: %v", res.Diagnostics.Err())
	}
	return res
}

// files lists what stands below a directory, without directories and without the
// records of evidence, of which each run leaves one.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		switch {
		case err == nil && rel == evidence.Dir:
			return filepath.SkipDir
		case err == nil && !d.IsDir():
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// states gives every domain of the fleet that is not in service.
func (s *site) down() []string {
	var out []string
	for _, d := range s.fleet.State().Devices {
		for _, dom := range d.Domains {
			if dom.QuiesceState != "" {
				out = append(out, fmt.Sprintf("%s/%s %s", d.Name, dom.Name, dom.QuiesceState))
			}
		}
	}
	return out
}

func manifestOf(t *testing.T, path string) (m struct {
	Verified  string
	Artifacts []struct {
		File, SHA256 string
		Size         int64
	}
}) {
	t.Helper()
	b := need.Value(os.ReadFile(path))(t)
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m
}

func last(codes []string) string {
	if len(codes) == 0 {
		return ""
	}
	return codes[len(codes)-1]
}
