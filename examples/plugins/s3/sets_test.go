//go:build builtservers

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dprun/dprun/testfixtures/need"
)

const setsPlan = `
dprun {
  required_plugins {
    s3 = { source = "plugins.example.com/backup/s3", version = "~> 0.1" }
  }
}
locals {
  gateways = { for d in jsondecode(file("fleet.json")).devices : d.name => d }
}
device "datapower" "gw" {
  for_each = local.gateways
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_env("GATEWAY")
    tls { ca_file = each.value.ca_file }
  }
}
destination "s3" "vault" {
  min_free = 0
  config {
    endpoint   = %q
    bucket     = "backups"
    access_key = %q
    secret_key = secret_env("BUCKET")
  }
}
retention "newest" {
  keep_last = 1
}
plan "nightly" {
  destinations = [destination.s3.vault]
  retention    = retention.newest
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["app*"]
  }
}
`

// vault is a bucket that dprun keeps backups in.
type vault struct {
	t       *testing.T
	dir     string
	backend *s3mem.Backend
}

func (v vault) put(name string, body []byte) {
	v.t.Helper()
	need.Value(v.backend.PutObject("backups", name, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, bytes.NewReader(body), int64(len(body)), nil))(v.t)
}

func (v vault) get(name string) []byte {
	v.t.Helper()
	o := need.Value(v.backend.GetObject("backups", name, nil))(v.t)
	return need.Value(io.ReadAll(o.Contents))(v.t)
}

func (v vault) remove(name string) {
	v.t.Helper()
	need.Value(v.backend.DeleteObject("backups", name))(v.t)
}

// dprun runs it, and gives what it printed.
func (v vault) dprun(want int, args ...string) string {
	v.t.Helper()
	cmd := exec.CommandContext(v.t.Context(), filepath.Join(v.dir, "dprun"), args...)
	cmd.Dir, cmd.Env = v.dir, append(os.Environ(), "DPRUN_STATE_DIR="+filepath.Join(v.dir, "state"), "GATEWAY=dpsim-gw-1", "BUCKET="+secretKey)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != want {
		v.t.Fatalf("dprun %s: %v, want %d\n%s", strings.Join(args, " "), err, want, out)
	}
	v.t.Logf("dprun %s: %s", strings.Join(args, " "), time.Since(began).Round(time.Millisecond))
	return string(out)
}

// stored makes a set as a run of another state directory would have stored it.
func (v vault) stored(n int) {
	device, domain := fmt.Sprintf("old-%d", n/10), fmt.Sprintf("d%d", n%10)
	body := make([]byte, 4096+n%7)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(device + domain))).Read(body)
	sum := sha256.Sum256(body)
	dir := device + "/" + domain + "/"
	v.put(dir+domain+".zip", body)
	v.put(dir+"set.dprun.json", need.Value(json.Marshal(map[string]any{
		"version": 1, "dprun": "1.0", "state": "ANOTHER", "path": dir + "set.dprun.json", "run": "01JRUN", "plan": "nightly", "task": "export/" + device + "/" + domain,
		"activity": "export", "type": "export_domain", "device": device, "domain": domain, "stamp": fmt.Sprintf("2026-11-23-12-00-00-%03d", n), "verified": "read_back", "durable": true, "mode_kept": true,
		"artifacts": []map[string]any{{"file": domain + ".zip", "variant": "persisted", "size": len(body), "sha256": hex.EncodeToString(sum[:])}},
	}))(v.t))
}

// TestBuiltProgramKeepsFiveHundredSets: list, import, check and prune through the program, and one of everything that can go wrong is named.
func TestBuiltProgramKeepsFiveHundredSets(t *testing.T) {
	v := vault{t, t.TempDir(), s3mem.New()}
	need.Done(t, v.backend.CreateBucket("backups"))
	server := httptest.NewServer(gofakes3.New(v.backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	mirrored := filepath.Join(v.dir, "mirror", "plugins.example.com", "backup", "s3", "0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
	need.Done(t, os.MkdirAll(mirrored, 0o755))
	for program, from := range map[string][2]string{
		filepath.Join(mirrored, "dprun-plugin-s3"): {".", "."}, filepath.Join(v.dir, "dprun"): {"../../..", "./cmd/dprun"}, filepath.Join(v.dir, "dpsim"): {"../../..", "./testfixtures/dpsim/cmd/dpsim"},
	} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", program, from[1])
		build.Dir = from[0]
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", program, err, out)
		}
	}
	sim := exec.CommandContext(t.Context(), filepath.Join(v.dir, "dpsim"), "--devices", "1", "--domains", "2", "--export-size", "200KB", "--ready-file", filepath.Join(v.dir, "fleet.json"))
	need.Done(t, sim.Start())
	t.Cleanup(func() { _, _ = sim.Process.Kill(), sim.Wait() })
	for range 100 {
		if _, err := os.Stat(filepath.Join(v.dir, "fleet.json")); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	need.Done(t, os.WriteFile(filepath.Join(v.dir, "plan.hcl"), fmt.Appendf(nil, setsPlan, server.URL, accessKey), 0o600))
	v.dprun(0, "init", "--plugin-dir", "mirror", "plan.hcl")
	for n := range 500 {
		v.stored(n)
	}
	if out := v.dprun(0, "backups", "import", "plan.hcl", "--json"); !strings.Contains(out, `"entered":500`) {
		t.Errorf("imported: %s", out)
	}
	if out := v.dprun(0, "backups", "list", "--limit", "0", "--json"); strings.Count(out, `"type":"backup"`) != 500 {
		t.Errorf("listed are %d", strings.Count(out, `"type":"backup"`))
	}
	v.dprun(0, "backups", "check", "plan.hcl")
	v.dprun(0, "backups", "check", "plan.hcl", "--read-data")

	flipped := v.get("old-0/d0/d0.zip")
	flipped[2000] ^= 1
	v.put("old-0/d0/d0.zip", flipped)
	v.remove("old-1/d0/d0.zip")
	cut := v.get("old-2/d0/set.dprun.json")
	v.put("old-2/d0/set.dprun.json", cut[:len(cut)/2])
	v.put("old-3/d0/stray.zip", []byte("stray"))
	for from, to := range map[string]string{"d0.zip": "d0.zip", "set.dprun.json": "moved.dprun.json"} {
		v.put("old-4/d1/"+to, v.get("old-4/d0/"+from))
		v.remove("old-4/d0/" + from)
	}
	v.put("old-5/d0/planted.dprun.json", v.get("old-6/d0/set.dprun.json"))
	var got []string
	for line := range strings.Lines(v.dprun(3, "backups", "check", "plan.hcl", "--read-data", "--json")) {
		var f struct{ Type, Kind, Path string }
		need.Done(t, json.Unmarshal([]byte(line), &f))
		if f.Type == "backup_fault" {
			got = append(got, f.Kind+" "+f.Path)
		}
	}
	slices.Sort(got)
	want := []string{"altered old-0/d0/d0.zip", "missing old-1/d0/d0.zip", "moved old-4/d0/set.dprun.json", "planted old-5/d0/planted.dprun.json", "stray old-3/d0/stray.zip", "truncated old-2/d0/set.dprun.json"}
	if !slices.Equal(got, want) {
		t.Errorf("named are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	for range 3 {
		v.dprun(0, "apply", "--yes", "plan.hcl")
	}
	if out := v.dprun(0, "backups", "prune", "plan.hcl", "--json"); strings.Count(out, `"outcome":"deleted"`) != 4 || strings.Contains(out, `"outcome":"left"`) {
		t.Errorf("pruned: %s", out)
	}
	if out := v.dprun(0, "backups", "list", "--device", "gw-1", "--json"); strings.Count(out, `"type":"backup"`) != 2 {
		t.Errorf("left are %s", out)
	}
	v.dprun(3, "backups", "check", "plan.hcl", "--read-data")
}
