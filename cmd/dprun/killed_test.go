package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAKilledRunIsRecoveredOrSaysWhatToType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, password string
		code           int
		last           string
	}{
		{"the password can be read again", `secret_command(["cat", "gw-1.pw"])`, exitOK, "Nothing is left to undo in the state directory DIR.\n"},
		{"the password cannot be read again", `secret_env("GONE")`, runner.ExitOwed, "dprun recover\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := slowFleet(t, dpsim.Fault{Kind: "hang", Operation: "do-export"})
			plan := strings.Replace(slowPlan, `= secret_file("gw-1.pw")`, "= "+c.password, 1)
			plan = strings.Replace(plan, `domains = ["*"]`, "domains = [\"app01\"]\n    quiesce = \"domain\"", 1)
			need.Done(t, os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(plan), 0o600))
			apply := dprun(t, dir, "apply", "--yes", "--no-guard", "--log-level", "info", "plan.hcl")
			apply.Env = append(apply.Env, "GONE=dpsim-gw-1")
			stderr := need.Value(apply.StderrPipe())(t)
			need.Done(t, apply.Start())
			lines, captures := bufio.NewScanner(stderr), false
			for !captures && lines.Scan() {
				captures = strings.Contains(lines.Text(), "EXPORT_DOMAIN_PERSISTED_STARTED")
			}
			if !captures {
				t.Fatal("the run ended before it captured anything")
			}
			need.Done(t, apply.Process.Kill())
			_ = apply.Wait() // killed

			if got := code(t, dprun(t, dir, "owed").Run()); got != runner.ExitOwed {
				t.Errorf("owed: exit code %d, want %d", got, runner.ExitOwed)
			}
			recover := dprun(t, dir, "recover")
			var stdout bytes.Buffer
			recover.Stdout = &stdout
			if got := code(t, recover.Run()); got != c.code {
				t.Errorf("recover: exit code %d, want %d", got, c.code)
			}
			c.last = strings.Replace(c.last, "DIR", filepath.Join(dir, ".state"), 1)
			if !strings.HasSuffix(stdout.String(), c.last) {
				t.Errorf("recover does not end in %q:\n%s", c.last, stdout.String())
			}
			if c.code != exitOK {
				return
			}
			again, err := dprun(t, dir, "recover").CombinedOutput()
			if err != nil || len(again) > 0 {
				t.Errorf("recover with nothing to do: %v, and it prints %q", err, again)
			}
		})
	}
}

// A drill that is killed while its domain is there: the domain is owed, no other
// drill begins, and recovery removes it.
func TestWhatAKilledDrillLeavesIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fleet := need.Value(dpsim.Start(t.Context(), dpsim.Scenario{Dir: dir, Devices: []dpsim.Device{
		{Name: "gw", Domains: []dpsim.Domain{{Name: "orders"}}},
		{Name: "lab", Serial: "7800163", Domains: []dpsim.Domain{{Name: "default", Objects: []dpsim.Object{{Class: "LogLabel", Name: "dprun-drill-gateway"}}}}},
	}}))(t)
	t.Cleanup(fleet.Close)
	need.Done(t, fleet.WriteReady(filepath.Join(dir, "ready.json")))
	for _, d := range fleet.Ready().Devices {
		need.Done(t, os.WriteFile(filepath.Join(dir, d.Name+".pw"), []byte(d.Password), 0o600))
	}
	need.Done(t, os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(killedDrill), 0o600))
	if out, err := dprun(t, dir, "apply", "plan.hcl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	need.Done(t, fleet.AddFault(dpsim.Fault{Kind: "hang", Operation: "do-import"}))
	drill := dprun(t, dir, "drill", "plan.hcl")
	need.Done(t, drill.Start())
	made := func() (name string) {
		for _, d := range fleet.State().Device("lab").Domains {
			if strings.HasPrefix(d.Name, "dprun-drill-") {
				name = d.Name
			}
		}
		return name
	}
	for fleet.State().Device("lab").Operations["do-import"] == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	need.Done(t, drill.Process.Kill())
	_ = drill.Wait() // killed
	name := made()
	if name == "" {
		t.Fatal("it was killed, and has made no domain")
	}
	owed, err := dprun(t, dir, "owed").Output()
	if got := code(t, err); got != runner.ExitOwed || !strings.Contains(string(owed), "domain "+name+", made by a drill, may still be there") || !strings.Contains(string(owed), "no domain "+name) {
		t.Errorf("owed: exit code %d\n%s", got, owed)
	}
	again, err := dprun(t, dir, "drill", "plan.hcl").CombinedOutput()
	if got := code(t, err); got != runner.ExitOwed || !strings.Contains(string(again), "dprun recover") || made() != name {
		t.Errorf("another drill: exit code %d\n%s", got, again)
	}
	if out, err := dprun(t, dir, "recover").CombinedOutput(); err != nil || made() != "" {
		t.Errorf("recover: %v, and there is %q\n%s", err, made(), out)
	}
}

const killedDrill = `
locals { gateways = { for d in jsondecode(file("ready.json")).devices : d.name => d } }
device "datapower" "gw" {
  config {
    host     = local.gateways.gw.host
    port     = local.gateways.gw.port
    username = local.gateways.gw.username
    password = secret_file("gw.pw")
    tls { ca_file = local.gateways.gw.ca_file }
  }
}
device "datapower" "lab" {
  labels = { drill = "yes" }
  config {
    host     = local.gateways.lab.host
    port     = local.gateways.lab.port
    username = local.gateways.lab.username
    password = secret_file("lab.pw")
    tls { ca_file = local.gateways.lab.ca_file }
  }
  restore { username = local.gateways.lab.username }
}
destination "file" "local" {
  config {
    directory        = "out"
    create_directory = true
  }
}
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "domains" {
    devices = ["gw"]
    domains = ["orders"]
  }
  drill "weekly" {
    device   = device.datapower.lab
    identity = "7800163/lab"
  }
}
`
