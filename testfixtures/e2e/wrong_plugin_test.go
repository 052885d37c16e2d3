package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// through is a plan that stores at a plugin of somebody else, which goes wrong
// with the files of gw-1 alone, and at a directory.
const through = `
destination "wrong" "tape" {
  min_free = 0
  config {
    mode      = "MODE"
    directory = "tape"
    only      = "gw-1/"
  }
}
plan "p" {
  destinations = [destination.file.local, destination.wrong.tape]
  timeouts { store = "20s" }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app*"]
    quiesce = "domain"
  }
}
`

func buildWrong(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dprun-plugin-wrong")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/dprun/dprun/testfixtures/plugins/wrong/dprun-plugin-wrong").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// TestAPluginThatGoesWrongDuringARunHarmsNothingElse: a message names it and
// says what to do, the other gateway's backup is made, the other copy is whole,
// and both gateways are in service.
func TestAPluginThatGoesWrongDuringARunHarmsNothingElse(t *testing.T) {
	t.Parallel()
	dprun, plugin := build(t), buildWrong(t)
	for mode, tt := range map[string]struct {
		exit int
		says []string
	}{
		"deaf":  {3, []string{"did not end a call that was given up: it hangs", "tell whoever wrote it", "plugin=\"wrong 0.0.1 "}},
		"crash": {3, []string{"plugin wrong 0.0.1 ", "ended twice during this call", "tape jammed at gw-1", "this is a fault of the plugin: report it"}},
		"lie":   {3, []string{"plugin wrong 0.0.1 ", "it reports that", "report it to the author of the plugin"}},
		"flood": {0, []string{"a plugin floods its log", "tell whoever wrote it", "plugin=wrong"}},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, dprun, strings.Replace(through, "MODE", mode, 1), dpsim.Device{Name: "gw-1", AppDomains: 1}, dpsim.Device{Name: "gw-2", AppDomains: 1})
			p.guarded = true
			need.Done(t, os.Mkdir(filepath.Join(p.dir, "tape"), 0o700))
			p.install("wrong", plugin)
			p.exits(tt.exit, "apply --yes plan.hcl", append(tt.says, "x/gw-2/app01 SUCCESS")...)
			for _, gw := range []string{"gw-1", "gw-2"} {
				if s := p.quiesceState(gw, "app01"); s != "" {
					t.Errorf("%s: app01 is %s", gw, s)
				}
				p.exits(0, "verify archive backups/"+gw, "whole")
			}
			p.exits(0, "owed")
		})
	}
}

// TestAPluginThatDoesNotStartHarmsNothingElse: what an earlier run left quiesced
// is brought back; a plan that needs the plugin is refused before a gateway is
// disturbed, with a message that names it and says what to do; any other plan runs.
func TestAPluginThatDoesNotStartHarmsNothingElse(t *testing.T) {
	t.Parallel()
	dprun, plugin := build(t), buildWrong(t)
	const byHand = "run it by hand with the argument describe"
	for start, tt := range map[string]struct {
		exit int
		says []string
	}{
		"talk":             {0, []string{"welcome to the plugin wrong", "1 of 1 task succeeded"}},
		"hang":             {11, []string{"start the plugin wrong ", "it did not say within 30s where it serves", byHand}},
		"crash":            {11, []string{"start the plugin wrong ", "it ended before it said where it serves", "exit status 3", "libtape.so is missing", byHand}},
		"garbage":          {11, []string{"start the plugin wrong ", byHand}},
		"another protocol": {11, []string{"plugin wrong ", "the plugin went away", byHand}},
		"another version":  {11, []string{"start the plugin wrong ", "speaks other versions of the plugin protocol", "get a build of the plugin for this dprun"}},
		"tampered":         {11, []string{"the plugin wrong (", "it was changed after it was installed", "find out who has changed it"}},
	} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
			need.Done(t, os.Mkdir(filepath.Join(p.dir, "tape"), 0o700))
			tape := strings.NewReplacer("MODE", "crash", "gw-1/", "another/").Replace(realDevices + through)
			p.stuck().kill()
			p.clearFaults()
			if start == "tampered" {
				tape += "dprun {\n  required_plugins {\n    wrong = { source = \"plugins.example.com/test/wrong\" }\n  }\n}\n"
				p.tamper(tape, plugin)
			} else {
				p.install("wrong", plugin)
				p.write("start", start)
			}
			p.write("tape.hcl", tape)
			p.exits(0, "recover")
			if s := p.quiesceState("gw", "app01"); s != "" {
				t.Errorf("recovered, and app01 is %s", s)
			}
			before := p.sent()["quiesce"]
			p.exits(tt.exit, "apply --yes tape.hcl", tt.says...)
			if after := p.sent()["quiesce"]; tt.exit != 0 && after != before {
				t.Errorf("a gateway was quiesced for a plan that cannot run: %d times", after-before)
			}
			p.exits(0, "apply --yes plan.hcl")
			p.exits(0, "owed")
		})
	}
}

// tamper installs the plugin as dprun init does, and then adds something to its file.
func (p *program) tamper(plan, plugin string) {
	p.t.Helper()
	pkg := filepath.Join(p.dir, "mirror", "plugins.example.com", "test", "wrong", "0.0.1", runtime.GOOS+"_"+runtime.GOARCH)
	need.Done(p.t, os.MkdirAll(pkg, 0o700))
	need.Done(p.t, os.WriteFile(filepath.Join(pkg, "dprun-plugin-wrong"), need.Value(os.ReadFile(plugin))(p.t), 0o755))
	p.write("tape.hcl", plan)
	p.exits(0, "init --plugin-dir mirror tape.hcl")
	installed := filepath.Join(p.state(), "plugins", "packages", "wrong", "0.0.1", "dprun-plugin-wrong")
	need.Done(p.t, os.Chmod(installed, 0o755))
	f := need.Value(os.OpenFile(installed, os.O_WRONLY|os.O_APPEND, 0))(p.t)
	need.Value(f.WriteString("more"))(p.t)
	need.Done(p.t, f.Close())
}
