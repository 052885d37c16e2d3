package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// unfit puts files into the plugin directory that cannot be used.
func (p *program) unfit() map[string]func() {
	p.t.Helper()
	dir := filepath.Join(p.state(), "plugins")
	file := func(name string, mode os.FileMode) {
		p.t.Helper()
		path := filepath.Join(dir, "dprun-plugin-"+name)
		need.Done(p.t, os.WriteFile(path, []byte("#!/bin/sh\nsleep 60\n"), 0o600))
		need.Done(p.t, os.Chmod(path, mode))
	}
	return map[string]func(){
		"not executable":  func() { file("webdav", 0o644) },
		"writable by all": func() { file("vault", 0o777) },
		"a dangling link": func() {
			_ = os.Symlink("/nonexistent", filepath.Join(dir, "dprun-plugin-gone"))
		},
		"a bundled plugin's name":    func() { file("datapower", 0o755) },
		"a plugin that says nothing": func() { file("mute", 0o755) },
		"open to all": func() {
			need.Done(p.t, os.Chmod(dir, 0o777))
		},
	}
}

func TestABadPluginFileKeepsNoGatewayDown(t *testing.T) {
	t.Parallel()
	dprun := build(t)

	t.Run("every kind", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.clearFaults()
		for kind, put := range p.unfit() {
			put()
			if code, out := p.run("owed"); code != 16 || !strings.Contains(out, "domain-unquiesce app01") {
				t.Errorf("%s: owed: exit %d\n%s", kind, code, out)
			}
		}
		p.write("other.hcl", strings.Replace(realDevices+quiescing, "plan \"p\" {", `script "webdav" "s" {}`+"\nplan \"q\" {\n  pre_script = script.webdav.s", 1))
		p.fault(dpsim.Fault{Kind: "auth_failure"})
		p.exits(16, "apply --yes other.hcl", "no plugin is started from")
		p.clearFaults()
		code, out := p.run("recover")
		if code != 0 || !strings.Contains(out, "dprun-plugin-gone") && !strings.Contains(out, "others may write") {
			t.Errorf("recover: exit %d\n%s", code, out)
		}
		if s := p.quiesceState("gw", "app01"); s != "" {
			t.Errorf("recovered, and app01 is %s", s)
		}
		p.exits(11, "apply --yes other.hcl", "no plugin is started from")
	})

	for round := range 3 {
		t.Run(fmt.Sprintf("killed at any moment, round %d", round), func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
			p.exits(0, "owed") // makes the state directory
			for kind, put := range p.unfit() {
				if kind != "a bundled plugin's name" { // such a plan is refused
					put()
				}
			}
			after := time.Duration(rand.IntN(2000)) * time.Millisecond
			r := p.start("apply", "--yes", "plan.hcl")
			time.Sleep(after)
			children := childrenOf(r.cmd.Process.Pid)
			_ = r.cmd.Process.Kill()
			r.wait()
			p.await("the plugins of the killed process end", func() bool { return !slices.ContainsFunc(children, alive) })
			down := p.quiesceState("gw", "app01")
			if code, out := p.run("owed"); down != "" && code != 16 {
				t.Errorf("killed after %s: app01 is %s, and owed ends with %d\n%s", after, down, code, out)
			}
		})
	}
}
