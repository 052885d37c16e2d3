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
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/servers"
)

// outage is how long some servers stay away after they were killed. The others
// start again at once.
var outage = map[string]time.Duration{"OpenSSH sftp-server": 30 * time.Second, "AsyncSSH": 30 * time.Second}

// victim is a server that is killed in the middle of a store.
type victim struct {
	name        string
	dir         string // what it serves, on the local disk
	destination string // its kind
	config      string // of the destination
	outage      time.Duration
	kill        func() error
	restart     func() error
}

// victims starts every packaged server, and NFS-Ganesha twice: one comes back
// at once.
func victims(t *testing.T) []victim {
	t.Helper()
	var out []victim
	for _, k := range servers.Packaged() {
		s := k.Start(t)
		config := fmt.Sprintf(`
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
`, s.Host, s.Port, s.User, s.PrivateKey, s.KnownHosts, s.Directory)
		for name, value := range k.Set {
			config += fmt.Sprintf("    %s = %s\n", name, value)
		}
		out = append(out, victim{
			name: k.Name, dir: s.Dir, destination: "sftp", config: config, outage: outage[k.Name],
			kill: s.Kill, restart: func() error { return s.Restart(t.Context()) },
		})
	}
	for _, away := range []time.Duration{0, 30 * time.Second} {
		s := ganesha.Start(t)
		out = append(out, victim{
			name: fmt.Sprintf("NFS-Ganesha, away for %s", away), dir: s.ExportDir, destination: "nfs", outage: away,
			config: fmt.Sprintf(`
    server     = %q
    export     = %q
    nfs_port   = %d
    mount_port = %d
`, s.Host, s.Export, s.NFSPort, s.MountPort),
			kill: func() error { s.Kill(); return nil }, restart: s.Restart,
		})
	}
	return out
}

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
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
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
	started := victims(t)
	var names []string
	for i, v := range started {
		names = append(names, fmt.Sprintf("destination.%s.s%d", v.destination, i))
		plan += fmt.Sprintf(`
destination %q "s%d" {
  min_free = 0
  config {%s  }
}
`, v.destination, i, v.config)
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
	for _, v := range started {
		killers.Go(func() { killOnTheWay(t, v, ended) })
	}
	r, err := runner.Open(runner.Options{
		StateDir: filepath.Join(dir, "state"), Version: "0.1.0-test", Bundled: bundled(), Environ: os.Environ(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Clock: clock.System{},
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
	for _, v := range started {
		exports, manifests := 0, 0
		for name, sum := range hashes(t, v.dir) {
			switch {
			case strings.HasSuffix(name, ".zip") && served[sum]:
				exports++
			case strings.HasSuffix(name, ".dprun.json"):
				manifests++
			case strings.HasPrefix(name, evidence.Dir+"/"): // the record of the run
			default:
				t.Errorf("%s: %s was left behind, or is not what the gateway gave", v.name, name)
			}
		}
		if exports != 2 || manifests != 2 {
			t.Errorf("%s: %d exports and %d manifests, want 2 of each", v.name, exports, manifests)
		}
	}
}

// killOnTheWay kills a server when a part of a file stands there, and starts
// it again.
func killOnTheWay(t *testing.T, v victim, ended <-chan struct{}) {
	for ; ; time.Sleep(time.Millisecond) {
		select {
		case <-ended:
			t.Errorf("%s: no part of a file was seen", v.name)
			return
		default:
		}
		if !partOfAFile(v.dir) {
			continue
		}
		if err := v.kill(); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		select {
		case <-ended:
			t.Errorf("%s: the run did not wait for it", v.name)
		case <-time.After(v.outage):
		}
		if err := v.restart(); err != nil {
			t.Errorf("%s: %v", v.name, err)
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
