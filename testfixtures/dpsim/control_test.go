package dpsim_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestControlMovesTime(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	quiesce(g, "app01")
	got := control(t, f, "/clock", `{"advance":"90s"}`)
	if got["now"] != "2026-03-01T12:01:30Z" || got["frozen"] != true {
		t.Errorf("clock %v", got)
	}
	if s := g.state("app01"); s != "quiesced" {
		t.Errorf("state %q", s)
	}
	got = control(t, f, "/clock", `{"set":"2027-01-01T00:00:00Z","freeze":true}`)
	if got["now"] != "2027-01-01T00:00:00Z" {
		t.Errorf("clock %v", got)
	}
	if control(t, f, "/clock", `{"freeze":false}`)["frozen"] != false {
		t.Error("still frozen")
	}
}

func TestControlEditsState(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 3})
	control(t, f, "/state", `{"edits":[
		{"device":"gw","domain":"app01","save_needed":true,"quiesce_state":"quiesced"},
		{"device":"gw","domain":"app02","remove":true},
		{"domain":"app03","current_command":"exec","object":{"class":"XMLFirewallService","name":"fw","state":"down"}},
		{"backup_mode":"normal","free_temporary":"7MB","certificate":{"name":"new","state":"up"}}]}`)
	if s := g.state("app01"); s != "quiesced" {
		t.Errorf("state %q", s)
	}
	text := g.status("DomainStatus")
	want(t, text, "<Domain>app01</Domain><SaveNeeded>on</SaveNeeded>", "<CurrentCommand>exec</CurrentCommand>")
	wantNot(t, text, "app02")
	want(t, g.ask("app02", exportAll), "error-log")
	want(t, g.ask("app03", `<m:get-status class="ObjectStatus"/>`), "<Class>XMLFirewallService</Class><OpState>down</OpState>")
	want(t, g.ask("default", `<m:get-config class="SystemSettings"/>`), ">normal</BackupMode>")
	want(t, g.ask("default", `<m:get-config class="CryptoCertificate"/>`), `name="new"`)
	want(t, g.status("FilesystemStatus"), "<FreeTemporary>7</FreeTemporary>")
	control(t, f, "/state", `{"password":"changed","reset_counters":true}`)
	want(t, g.status("DomainStatus"), "Authentication failure")
	if s := f.State().Device("gw"); s.Total != 1 || s.FailedLogins != 1 {
		t.Errorf("counters %+v", s)
	}
}

func TestControlSetsFaultsAndRefusesNonsense(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{})
	control(t, f, "/faults", `{"device":"gw","kind":"empty_file","operation":"do-export","count":1}`)
	want(t, g.ask("default", exportAll), "<dp:file/>")
	control(t, f, "/faults", `{"set":[{"kind":"error_log"},{"kind":"refused"}],"clear":[{}]}`)
	if n := len(readFaults(t, f)); n != 2 {
		t.Errorf("%d faults, want 2", n)
	}
	control(t, f, "/faults", `{"clear":[{"kind":"error_log"},{"kind":"refused"}]}`)
	for path, body := range map[string]string{
		"/faults": `{"kind":"nonsense"}`,
		"/clock":  `{"advance":"soon"}`,
		"/state":  `{"device":"gw","quiesce":"x"}`,
	} {
		resp := need.Value(http.Post(f.Control()+path, "application/json", strings.NewReader(body)))(t)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s: %s", path, body, resp.Status)
		}
	}
}

func readFaults(t *testing.T, f *dpsim.Fleet) []dpsim.Fault {
	t.Helper()
	resp := need.Value(http.Get(f.Control() + "/faults"))(t)
	defer resp.Body.Close()
	var out []dpsim.Fault
	need.Done(t, json.NewDecoder(resp.Body).Decode(&out))
	return out
}

func TestStateCountsRequests(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	g.status("DomainStatus")
	g.status("DomainStatus")
	quiesce(g, "app01")
	g.export("app01", true)
	resp := need.Value(http.Get(f.Control() + "/state"))(t)
	defer resp.Body.Close()
	var s dpsim.State
	need.Done(t, json.NewDecoder(resp.Body).Decode(&s))
	d := s.Device("gw")
	if diff := cmp.Diff(map[string]int{"get-status/DomainStatus": 2, "do-action/DomainQuiesce": 1, "do-export": 1}, d.Operations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"do-action/DomainQuiesce": 1, "do-export": 1}, d.Domains[1].Operations); diff != "" {
		t.Error(diff)
	}
	if d.Total != 4 || d.Domains[1].QuiesceState != "quiescing" || len(d.Exports) != 1 || d.Exports[0].Count != 1 {
		t.Errorf("state %+v", d)
	}
	var order []string
	for _, r := range f.Requests() {
		order = append(order, r.Operation+" "+r.Domain)
	}
	wanted := []string{"get-status/DomainStatus default", "get-status/DomainStatus default", "do-action/DomainQuiesce app01", "do-export app01"}
	if diff := cmp.Diff(wanted, order); diff != "" {
		t.Error(diff)
	}
}

func TestScenarioFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "x.zip"), []byte("served as it is"), 0o600))
	s := need.Value(dpsim.LoadScenario("testdata/fleet.hcl"))(t)
	s.Devices[0].Domains[0].Archive = filepath.Join(dir, "x.zip")
	f := start(t, s)
	var names []string
	for _, d := range f.Ready().Devices {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"fra-1", "edge-1", "edge-2"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"default", "orders", "app01", "app02"}, f.Device("fra-1").Domains); diff != "" {
		t.Error(diff)
	}
	g := dial(t, f.Device("fra-1"))
	if got := string(g.export("orders", true)); got != "served as it is" {
		t.Errorf("served %q", got)
	}
	want(t, g.ask("app01", exportAll), "<dp:file/>")
	edge := dial(t, f.Device("edge-2"))
	want(t, edge.status("FirmwareVersion"), "<Version>XI50.6.0.0.2</Version>")
	wantNot(t, edge.ask("app01", exportAll), "<dp:file/>")
}

func TestWrongScenariosAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no device":         ``,
		"twice":             `device "a" {}` + "\n" + `device "a" {}`,
		"unknown attribute": `device "a" { colour = "red" }`,
		"firmware":          `device "a" { firmware = "IDG.99" }`,
		"size":              `device "a" { export_size = "big" }`,
		"tiny":              `device "a" { export_size = "1KB" }`,
		"duration":          "device \"a\" {\n timings {\n quiesce = \"-1s\"\n }\n}",
		"fault":             "device \"a\" {\n fault \"x\" {}\n}",
		"state":             "device \"a\" {\n domain \"b\" {\n quiesce_state = \"asleep\"\n }\n}",
		"tls":               `device "a" { tls = "maybe" }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "scenario")
			need.Done(t, os.WriteFile(path, []byte(text), 0o600))
			s, err := dpsim.LoadScenario(path)
			if err != nil {
				return
			}
			if f, err := dpsim.Start(t.Context(), s); err == nil {
				f.Close()
				t.Error("it was started")
			}
		})
	}
}
