package servers_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/servers"
)

// outage is how long some servers stay away after they were killed. The others
// start again at once.
var outage = map[string]time.Duration{"OpenSSH sftp-server": 30 * time.Second, "AsyncSSH": 30 * time.Second}

// TestARunStoresAtServersThatAreKilledOnTheWay runs a whole backup to every
// packaged server. Each is killed in the middle of a store, once.
func TestARunStoresAtServersThatAreKilledOnTheWay(t *testing.T) {
	t.Parallel()
	fleet, err := dpsim.Start(t.Context(), dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1, ExportSize: "8MB"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gw := fleet.Ready().Devices[0]
	write("gw.pw", gw.Password)
	plan := fmt.Sprintf(`
device "datapower" "gw" {
  config {
    host     = %q
    port     = %d
    username = %q
    password = secret_file("gw.pw")
    tls { ca_file = %q }
  }
}
`, gw.Host, gw.Port, gw.Username, gw.CAFile)
	kinds := servers.Packaged()
	started := make([]*servers.Server, len(kinds))
	var names []string
	for i, k := range kinds {
		s := k.Start(t)
		started[i] = s
		var set strings.Builder
		for name, value := range k.Set {
			fmt.Fprintf(&set, "    %s = %s\n", name, value)
		}
		names = append(names, fmt.Sprintf("destination.sftp.s%d", i))
		plan += fmt.Sprintf(`
destination "sftp" "s%d" {
  min_free = 0
  config {
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
%s  }
}
`, i, s.Host, s.Port, s.User, s.PrivateKey, s.KnownHosts, s.Directory, set.String())
	}
	plan += fmt.Sprintf(`
plan "nightly" {
  destinations = [%s]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`, strings.Join(names, ", "))
	write("plan.hcl", plan)

	var killers sync.WaitGroup
	ended := make(chan struct{})
	for i, s := range started {
		killers.Go(func() { killOnTheWay(t, kinds[i], s, ended) })
	}
	r, err := runner.Open(t.Context(), runner.Options{
		StateDir: filepath.Join(dir, "state"), Version: "0.1.0-test", Bundled: bundled(), Environ: os.Environ(),
		Sink: silent{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Clock: clock.System{},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Apply(t.Context(), runner.ApplyRequest{
		Source: runner.Source{Path: filepath.Join(dir, "plan.hcl"), Environ: os.Environ()},
	})
	close(ended)
	killers.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if res.Diagnostics.HasErrors() {
		t.Fatal(res.Diagnostics.Err())
	}
	if res.ExitCode != 0 || res.Summary == nil || res.Summary.Succeeded != 2 {
		t.Errorf("exit %d, summary %+v", res.ExitCode, res.Summary)
	}
	served := map[string]bool{} // SHA-256
	for _, d := range fleet.State().Devices {
		for _, e := range d.Exports {
			served[e.SHA256] = true
		}
	}
	for i, s := range started {
		exports, manifests := 0, 0
		for name, sum := range hashes(t, s.Dir) {
			switch {
			case strings.HasSuffix(name, ".zip") && served[sum]:
				exports++
			case strings.HasSuffix(name, ".dprun.json"):
				manifests++
			default:
				t.Errorf("%s: %s was left behind, or is not what the gateway gave", kinds[i].Name, name)
			}
		}
		if exports != 2 || manifests != 2 {
			t.Errorf("%s: %d exports and %d manifests, want 2 of each", kinds[i].Name, exports, manifests)
		}
	}
}

// killOnTheWay kills a server when a part of a file stands there, and starts
// it again.
func killOnTheWay(t *testing.T, k servers.Kind, s *servers.Server, ended <-chan struct{}) {
	for ; ; time.Sleep(time.Millisecond) {
		select {
		case <-ended:
			t.Errorf("%s: no part of a file was seen", k.Name)
			return
		default:
		}
		if !partOfAFile(s.Dir) {
			continue
		}
		if err := s.Kill(); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		select {
		case <-ended:
			t.Errorf("%s: the run did not wait for it", k.Name)
		case <-time.After(outage[k.Name]):
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		return
	}
}

// partOfAFile says whether more than nothing and less than an export of 8 MB
// stands under a temporary name.
func partOfAFile(dir string) bool {
	found := false
	_ = filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, ".part") {
			return nil // it may have been renamed meanwhile
		}
		st, err := e.Info()
		found = found || err == nil && st.Size() > 1000 && st.Size() < 7_000_000
		return nil
	})
	return found
}

// silent is a sink that shows nothing.
type silent struct{}

func (silent) Status(event.Status)     {}
func (silent) Run(event.RunInfo)       {}
func (silent) Progress(event.Progress) {}
func (silent) Log(event.Log)           {}
func (silent) Summary(event.Summary)   {}
