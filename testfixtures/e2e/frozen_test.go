package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// frozen is the commit that froze version 1 of the plugin protocol.
const frozen = "4930eccb3b95a99b14bc93e30551aec523bea0b0"

// buildFrozen builds dprun and a plugin as they were at that commit, from the
// repository's own history, with the modules that are required today: nothing is
// downloaded.
func buildFrozen(t *testing.T) (dprun, plugin string) {
	t.Helper()
	root := need.Value(filepath.Abs("../.."))(t)
	dir := t.TempDir()
	run := func(in, script string) {
		t.Helper()
		c := exec.Command("sh", "-c", script)
		c.Dir, c.Env = in, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	if shallow, err := exec.Command("git", "-C", root, "rev-parse", "--is-shallow-repository").Output(); err != nil || string(shallow) == "true\n" {
		t.Skip("this copy of the repository has no history to build what was frozen from: run it in a whole clone (git fetch --unshallow)")
	}
	run(root, "git archive -o "+dir+"/source.tar "+frozen+" go.mod cmd examples plan plugins runner sdk && cp go.mod go.sum "+dir)
	run(dir, "mkdir source && tar -xf source.tar -C source && mv go.mod go.sum source")
	run(filepath.Join(dir, "source"), "go build -o ../dprun ./cmd/dprun && go build -o ../dprun-plugin-memdir ./examples/plugins/memdir")
	return filepath.Join(dir, "dprun"), filepath.Join(dir, "dprun-plugin-memdir")
}

const intoMemory = `
destination "memdir" "m" {}
plan "p" {
  destinations = [destination.memdir.m]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app*"]
  }
}
`

// install puts a plugin's program into the plugin directory.
func (p *program) install(name, file string) {
	p.t.Helper()
	dir := filepath.Join(p.state(), "plugins")
	need.Done(p.t, os.MkdirAll(dir, 0o700))
	need.Done(p.t, os.WriteFile(filepath.Join(dir, "dprun-plugin-"+name), need.Value(os.ReadFile(file))(p.t), 0o755))
}

// TestPluginsOfTheFrozenProtocolWork: what was built when version 1 was frozen
// works with the dprun of today, and the dprun of that day with today's plugins.
func TestPluginsOfTheFrozenProtocolWork(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	oldDprun, oldPlugin := buildFrozen(t)

	t.Run("they keep the rules of today", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, "", dpsim.Device{Name: "gw"})
		p.env = []string{"TMPDIR=" + os.TempDir()} // a socket has a short path
		p.write("file", "#!/bin/sh\nexec "+oldDprun+" __plugin file\n")
		need.Done(t, os.Chmod(filepath.Join(p.dir, "file"), 0o700))
		p.write("file.hcl", "destination \"file\" \"f\" {\n  config { directory = \"backups\" }\n}\n")
		p.write("memdir.hcl", `destination "memdir" "m" {}`)
		p.exits(0, "plugin test --size 2MiB --config memdir.hcl "+oldPlugin, "0 broken")
		p.exits(0, "plugin test --size 2MiB --config file.hcl ./file", "0 broken")
	})
	t.Run("a plan stores through one", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, intoMemory, dpsim.Device{Name: "gw", AppDomains: 2})
		p.install("memdir", oldPlugin)
		p.exits(0, "apply --yes plan.hcl", "2 of 2 tasks succeeded", "verified at memdir.m")
	})
	t.Run("the dprun of that day uses a plugin of today", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, oldDprun, intoMemory, dpsim.Device{Name: "gw", AppDomains: 2})
		p.guarded = true // or --no-guard is added, which it does not know
		plugin := filepath.Join(t.TempDir(), "memdir")
		if out, err := exec.Command("go", "build", "-o", plugin, "github.com/dprun/dprun/examples/plugins/memdir").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		p.install("memdir", plugin)
		p.exits(0, "apply --yes plan.hcl", "2 of 2 tasks succeeded")
	})
}
