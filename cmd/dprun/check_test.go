package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
)

const checkedPlan = `
locals {
  gateways = { for d in jsondecode(file("ready.json")).devices : d.name => d }
}
device "datapower" "edge" {
  for_each = local.gateways
  group    = "edge"
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.pw")
    tls { ca_file = each.value.ca_file }
  }
}
script "exec" "drain" {
  config { command = ["./drain"] }
}
destination "file" "disk" {
  config { directory = "backups" }
}
%s
plan "nightly" {
  destinations = [destination.file.disk%s]
  %s
  activity "export_domain" "domains" {
    devices        = ["*"]
    domains        = ["app*"]
    quiesce        = "domain"
    before_quiesce = script.exec.drain
  }
  activity "secure_backup" "box" {
    devices = ["gw-2"]
    config { certificate = "backup" }
  }
}
`

// checked is a fleet that a plan is checked against.
type checked struct {
	name    string
	devices []dpsim.Device
	blocks  string // further ones of the plan
	stores  string // further destinations
	args    string // of the plan
	drain   os.FileMode
	flags   []string
	alone   bool // the devices have no group
	code    int
}

func checks() []checked {
	reads := []string{"*/*/login/xml-mgmt?Access=x", "*/*/*?Access=r", "*/*/config/domainquiesce?Access=x", "*/*/config/domainunquiesce?Access=x",
		"*/*/config/secure-backup?Access=x", "*/*/device/delete-file?Access=x", "*/*/file/temporary?Access=r+d"}
	well := func(name string) dpsim.Device {
		return dpsim.Device{Name: name, AppDomains: 2, Access: reads, Certificates: []dpsim.Certificate{{Name: "backup"}}}
	}
	broken := []dpsim.Device{
		{Name: "gw-1", AppDomains: 3, ClockAhead: "7m", Access: []string{"*/*/login/xml-mgmt?Access=x", "*/*/*?Access=r+x", "*/*/status/standby2?Access=NONE", "*/*/config/domainunquiesce?Access=r"},
			Domains: []dpsim.Domain{{Name: "app03", APIC: true}}},
		{Name: "gw-2", AppDomains: 2, TLS: "ending", BackupMode: "normal", Certificates: []dpsim.Certificate{{Name: "backup", Key: "ecdsa"}},
			Domains: []dpsim.Domain{{Name: "app01", FailsafeMode: "management", SaveNeeded: true}, {Name: "app02", Checkpoints: 3}}},
		{Name: "gw-3", Down: true},
		{Name: "gw-4", AppDomains: 1, Faults: []dpsim.Fault{{Kind: "auth_failure"}}},
	}
	const short = "window \"night\" {\n  allow {\n    from = \"02:00\"\n    to   = \"02:03\"\n  }\n}\n"
	const other = "destination \"file\" \"other\" {\n  config { directory = \"nowhere/else\" }\n}\n"
	return []checked{
		{name: "well", devices: []dpsim.Device{well("gw-1"), well("gw-2")}, drain: 0o700},
		{name: "well-all", devices: []dpsim.Device{well("gw-1"), well("gw-2")}, drain: 0o700, flags: []string{"--all"}},
		{name: "broken", devices: broken, drain: 0o600, blocks: short + other, stores: ", destination.file.other", args: "window = window.night", code: 15},
		{name: "broken-json", devices: broken, drain: 0o600, flags: []string{"--json"}, code: 1},
		{name: "one-of-two", devices: []dpsim.Device{well("gw-1"), {Name: "gw-2", Down: true}}, drain: 0o700, alone: true, code: 3},
	}
}

func TestACheckFindsWhatIsInTheWayAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := need.Value(filepath.EvalSymlinks(t.TempDir()))(t)
			fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: c.devices})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(fleet.Close)
			write := func(name, text string, mode os.FileMode) {
				t.Helper()
				need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
			}
			need.Done(t, fleet.WriteReady(filepath.Join(dir, "ready.json")))
			for _, d := range fleet.Ready().Devices {
				write(d.Name+".pw", d.Password, 0o600)
			}
			write("drain", "#!/bin/sh\nexit 1\n", c.drain)
			text := fmt.Sprintf(checkedPlan, c.blocks, c.stores, c.args)
			if c.alone {
				text = strings.Replace(text, "  group    = \"edge\"\n", "", 1)
			}
			write("plan.hcl", text, 0o600)
			need.Done(t, os.Mkdir(filepath.Join(dir, "backups"), 0o700))
			before := fleet.State()
			cmd := dprun(t, dir, append([]string{"check", "plan.hcl", "--log-level", "error"}, c.flags...)...)
			cmd.Env = append(cmd.Env, "TZ=UTC")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if got := code(t, cmd.Run()); got != c.code {
				t.Errorf("exit code %d, want %d\n%s", got, c.code, stderr.String())
			}
			unchanged(t, before, fleet.State())
			if entries, err := os.ReadDir(filepath.Join(dir, "backups")); err != nil || len(entries) > 0 {
				t.Errorf("the destination holds %v (%v)", entries, err)
			}
			for _, d := range fleet.Ready().Devices {
				if strings.Contains(stdout.String()+stderr.String(), d.Password) {
					t.Errorf("the password of %s is shown", d.Name)
				}
			}
			golden.Same(t, filepath.Join("testdata", "check", c.name+".txt"), checkTold(dir, stderr.String()+stdout.String()))
		})
	}
}

// unchanged checks that gateways were only read from.
func unchanged(t *testing.T, before, after dpsim.State) {
	t.Helper()
	for i, d := range after.Devices {
		for op, n := range d.Operations {
			if !strings.HasPrefix(op, "get-") && op != "do-view-certificate-details" {
				t.Errorf("%s was asked %d times for %s", d.Name, n, op)
			}
		}
		if was := before.Devices[i]; !cmp.Equal(was.Files, d.Files) || d.FailedLogins > 1 {
			t.Errorf("%s: files %v, before %v; %d failed logins", d.Name, d.Files, was.Files, d.FailedLogins)
		}
	}
}

// checkTold replaces what differs from check to check.
func checkTold(dir, text string) string {
	text = told(dir, text)
	for _, r := range [][2]string{{`\d+ MB`, "SIZE"}, {`\d{4}-\d\d-\d\d`, "DAY"}, {`\b\d+ days`, "N days"}, {`"format":\d+.*`, `"format"…`}} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// What an account is not shown is found by what another one was shown.
func TestAnInventoryTellsWhatAnAccountIsNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	device := dpsim.Device{Name: "gw-2", Certificates: []dpsim.Certificate{{Name: "backup"}},
		Domains: []dpsim.Domain{{Name: "app01", Objects: []dpsim.Object{{Class: "MultiProtocolGateway", Name: "a"}, {Class: "MultiProtocolGateway", Name: "b", Hidden: true}}}}}
	check := func(d dpsim.Device, args ...string) (string, int) {
		t.Helper()
		fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: []dpsim.Device{d}})
		if err != nil {
			t.Fatal(err)
		}
		defer fleet.Close()
		need.Done(t, fleet.WriteReady(filepath.Join(dir, "ready.json")))
		out, err := dprun(t, dir, append([]string{"check", "plan.hcl", "--log-level", "error"}, args...)...).CombinedOutput()
		return string(out), code(t, err)
	}
	for name, text := range map[string]string{"gw-2.pw": "dpsim-gw-2", "drain": "#!/bin/sh\n", "plan.hcl": fmt.Sprintf(checkedPlan, "", "", ""), "odd.json": `{"devices":{}}`} {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	need.Done(t, os.Chmod(filepath.Join(dir, "gw-2.pw"), 0o600))
	need.Done(t, os.Mkdir(filepath.Join(dir, "backups"), 0o700))
	if out, exit := check(device, "--write-inventory", "inventory.json"); exit != 0 {
		t.Fatalf("exit code %d\n%s", exit, out)
	}
	if out, exit := check(device, "--inventory", "inventory.json", "--all"); exit != 0 || !strings.Contains(out, "the user is shown every object of the inventory") {
		t.Errorf("the same account: exit code %d\n%s", exit, out)
	}
	device.Access = []string{"*/*/*?Access=r+x"}
	if out, exit := check(device, "--inventory", "inventory.json"); exit != 1 || !strings.Contains(out, "objects: app01/MultiProtocolGateway: the user is shown 1 of 2 objects") {
		t.Errorf("an account that is shown less: exit code %d\n%s", exit, out)
	}
	for _, file := range []string{"odd.json", "missing.json"} {
		if out, exit := check(device, "--inventory", file); exit != 64 || !strings.Contains(out, "read the inventory") {
			t.Errorf("%s: exit code %d\n%s", file, exit, out)
		}
	}
}

// A dry night ends each task as a real one would, as far as reading tells, and leaves nothing behind.
func TestADryNightChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: []dpsim.Device{
		{Name: "gw-1", Domains: []dpsim.Domain{{Name: "app01"}, {Name: "app02", QuiesceState: "quiesced"}}},
		{Name: "gw-2", BackupMode: "normal", Certificates: []dpsim.Certificate{{Name: "backup"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	need.Done(t, fleet.WriteReady(filepath.Join(dir, "ready.json")))
	for _, d := range fleet.Ready().Devices {
		need.Done(t, os.WriteFile(filepath.Join(dir, d.Name+".pw"), []byte(d.Password), 0o600))
	}
	plan := strings.Replace(fmt.Sprintf(checkedPlan, "", "", ""), "  group    = \"edge\"\n", "", 1)
	for name, text := range map[string]string{"drain": "#!/bin/sh\ntouch ran\n", "plan.hcl": plan} {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	need.Done(t, os.Mkdir(filepath.Join(dir, "backups"), 0o700))
	before := fleet.State()
	out, err := dprun(t, dir, "plan", "plan.hcl", "--dry-night", "--json").Output()
	if got := code(t, err); got != 3 {
		t.Errorf("exit code %d, want 3", got)
	}
	unchanged(t, before, fleet.State())
	for _, want := range []string{
		`"task":"domains/gw-1/app01","activity":"domains","device":"gw-1","domain":"app01","disruptive":"quiesces the domain","paths"`,
		`"task":"domains/gw-1/app02","activity":"domains","device":"gw-1","domain":"app02","code":"EXECUTION_PRE_CHECKS_DOMAIN_IS_ALREADY_QUIESCED"`,
		`"task":"box/gw-2","activity":"box","device":"gw-2","code":"DEVICE_NOT_IN_DR_MODE"`, `"dry_night":true`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	for _, made := range []string{"ran", "backups/*", ".state/pending/*", ".state/staging/*"} {
		if found, err := filepath.Glob(filepath.Join(dir, made)); err != nil || len(found) > 0 {
			t.Errorf("%v was made (%v)", found, err)
		}
	}
	runs, err := dprun(t, dir, "runs", "list", "--json").Output()
	if err != nil || strings.Contains(string(runs), `"type":"run"`) {
		t.Errorf("a run is known: %s (%v)", runs, err)
	}
}

// A password that is wrong for all devices is tried on one of them.
func TestACheckDoesNotLockTheAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: []dpsim.Device{{Name: "gw", Count: 6, AppDomains: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	need.Done(t, fleet.WriteReady(filepath.Join(dir, "ready.json")))
	files := map[string]string{"drain": "#!/bin/sh\n", "plan.hcl": fmt.Sprintf(checkedPlan, "", "", "")}
	for _, d := range fleet.Ready().Devices {
		files[d.Name+".pw"] = "wrong"
	}
	for name, text := range files {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	out, err := dprun(t, dir, "check", "plan.hcl", "--json", "--log-level", "error").Output()
	if got := code(t, err); got != 15 { // the destination is not there either
		t.Errorf("exit code %d, want 15\n%s", got, out)
	}
	failed := 0
	for _, d := range fleet.State().Devices {
		failed += d.FailedLogins
	}
	if failed != 1 {
		t.Errorf("%d failed logins, want 1", failed)
	}
	if n := strings.Count(string(out), `"check":"login","level":"error"`); n != 6 {
		t.Errorf("%d devices say that the login is refused, want 6\n%s", n, out)
	}
}
