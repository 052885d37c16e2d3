package datapower_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// backup is the path of an export of a domain.
func (g *gateway) backup(domain string) string {
	g.t.Helper()
	return g.backupOf(domain, sdk.VariantPersisted)
}

func (g *gateway) backupOf(domain, variant string) string {
	g.t.Helper()
	got, dir, err := g.capture("export_domain", domain, variant, config("export_domain", nil))
	if err != nil {
		g.t.Fatal(err)
	}
	return filepath.Join(dir, got.Artifacts[0].Name)
}

func (g *gateway) rehearse(file, domain string, change ...func(*sdk.RehearseRequest)) (*sdk.RehearseReport, error) {
	g.t.Helper()
	r := sdk.RehearseRequest{Target: sdk.Target{Domain: domain}, File: file, Dir: g.t.TempDir()}
	for _, f := range change {
		f(&r)
	}
	return g.Source.(sdk.Rehearser).Rehearse(testContext(g.t), r)
}

// told are the findings as short texts, and the changes but those of the fabricated files.
func told(r *sdk.RehearseReport) (findings, changes []string) {
	for _, f := range r.Findings {
		findings = append(findings, strings.TrimSpace(string(f.Level)+" "+f.Check+" "+f.Subject))
	}
	for _, c := range r.Changes {
		if !strings.HasSuffix(c.Name, ".xsl") || strings.Contains(c.Name, "gone") {
			changes = append(changes, strings.Join(strings.Fields(string(c.Effect)+" "+c.Class+" "+c.Name), " "))
		}
	}
	return findings, changes
}

func TestARehearsalTellsWhatWouldChangeWhatStaysAndWhatIsAbsent(t *testing.T) {
	t.Parallel()
	objects := func(names ...string) (out []dpsim.Object) {
		for _, n := range names {
			class, name, _ := strings.Cut(n, " ")
			out = append(out, dpsim.Object{Class: class, Name: name})
		}
		return out
	}
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{
		{Name: "orders", MissingFiles: 1, PrivateKeys: 1, Objects: append(objects("Matching both", "TCPProxyService tcp", "PasswordAlias secret", "ConfigSequence runs"), dpsim.Object{Class: "LogTarget", Name: "differs", State: "disabled"})},
		{Name: "other", Objects: objects("Matching both", "Matching more", "LogTarget differs")},
	}})
	file := g.backup("orders")
	before := g.fleet.State().Device(gatewayName)
	report, err := g.rehearse(file, "other")
	if err != nil {
		t.Fatal(err)
	}
	findings, changes := told(report)
	if diff := cmp.Diff([]string{
		"absent cert/orders-key-0.pem", "absent local/gone/absent-0.xsl", "changed local/README.txt", "changed LogTarget differs",
		"new ConfigSequence runs", "new PasswordAlias secret", "new TCPProxyService tcp", "stays Matching more",
	}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"warning enabled TCPProxyService tcp", "warning executes ConfigSequence runs", "warning origin orders", "warning password secret", "warning dry_run other",
		"not_proven gateway_says files: changed", "not_proven gateway_says files: new", "not_proven gateway_says objects: changed", "not_proven gateway_says objects: new", "not_proven gateway_says objects: same",
	}, findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	after := g.fleet.State().Device(gatewayName)
	if diff := cmp.Diff([]any{before.Domains[2].SaveNeeded, before.Files}, []any{after.Domains[2].SaveNeeded, after.Files}); diff != "" {
		t.Errorf("a rehearsal changed the gateway:\n%s", diff)
	}

	report = need.Value(g.rehearse(file, "orders"))(t)
	if _, changes := told(report); len(changes) > 0 {
		t.Errorf("where it came from, a restore would change %q", changes)
	}
}

func TestARestoreIsRefusedWhereItWouldDoHarmOrNothingIsKnown(t *testing.T) {
	t.Parallel()
	device := dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}, {Name: "unsaved", SaveNeeded: true}, {Name: "quiesced", QuiesceState: "quiesced"}, {Name: "busy", CurrentCommand: "backup"}}}
	for name, c := range map[string]struct {
		domain string
		fault  []dpsim.Fault
		want   string
	}{
		"default":         {"default", nil, "error default default"},
		"unsaved":         {"unsaved", nil, "error unsaved unsaved"},
		"quiesced":        {"quiesced", nil, "error state quiesced"},
		"busy":            {"busy", nil, "error busy busy"},
		"firmware unread": {"orders", []dpsim.Fault{{Kind: "error_result", Operation: "get-status/FirmwareVersion"}, {Kind: "error_result", Operation: "get-status/FirmwareVersion2"}, {Kind: "error_result", Operation: "get-status/FirmwareVersion3"}}, "error firmware"},
		"mode unread":     {"orders", []dpsim.Fault{{Kind: "refused", Operation: "get-config/Domain"}}, "error config_mode orders"},
		"mode empty":      {"orders", []dpsim.Fault{{Kind: "no_rows", Operation: "get-config/Domain"}}, "error config_mode orders"},
		"applied":         {"orders", []dpsim.Fault{{Kind: "import_dry_run_ignored"}}, "error dry_run orders"},
		"nameless":        {"orders", []dpsim.Fault{{Kind: "import_no_domain"}}, "error dry_run orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, device)
			file := g.backup("orders")
			for _, f := range c.fault {
				g.fault(f)
			}
			report, err := g.rehearse(file, c.domain)
			if err != nil {
				t.Fatal(err)
			}
			if findings, _ := told(report); !slices.Contains(findings, c.want) {
				t.Errorf("findings %q, want %q", findings, c.want)
			}
			if c.fault == nil && g.imports() > 0 {
				t.Error("what is refused is rehearsed all the same")
			}
		})
	}
}

// What would change is not told where the gateway may have changed it already.
func TestNoChangesAreForeseenWhereTheDryRunForbidsTheRestore(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: []dpsim.Object{{Class: "Matching", Name: "one"}}}, {Name: "other"}}})
	file := g.backup("orders")
	if report := need.Value(g.rehearse(file, "other"))(t); len(report.Changes) == 0 {
		t.Error("no change is foreseen")
	}
	g.fault(dpsim.Fault{Kind: "import_dry_run_ignored"})
	report := need.Value(g.rehearse(file, "other"))(t)
	if findings, changes := told(report); !slices.Contains(findings, "error dry_run other") || len(report.Changes) > 0 {
		t.Errorf("findings %q, changes %q", findings, changes)
	}
}

// imports is how many imports were asked for.
func (g *gateway) imports() (n int) {
	for _, r := range g.fleet.Requests() {
		if r.Operation == "do-import" {
			n++
		}
	}
	return n
}

func TestUnsavedChangesOfTheTargetMayBeAllowed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", SaveNeeded: true}}})
	report := need.Value(g.rehearse(g.backup("orders"), "orders", func(r *sdk.RehearseRequest) { r.Unsaved = true }))(t)
	if _, changes := told(report); !slices.Contains(changes, "stays HTTPSourceProtocolHandler unsaved-change") {
		t.Errorf("changes %q", changes)
	}
}

func TestAnArchiveOfNewerFirmwareIsRefused(t *testing.T) {
	t.Parallel()
	gateways := newGateways(t, map[string]dpsim.Device{"new": {Firmware: "IDG.10.5", Domains: []dpsim.Domain{{Name: "orders"}}}, "old": {Firmware: "IDG.10.0.1", Domains: []dpsim.Domain{{Name: "orders"}}}})
	report := need.Value(gateways["old"].rehearse(gateways["new"].backup("orders"), "orders"))(t)
	if findings, _ := told(report); len(findings) != 2 || findings[0] != "error firmware IDG.10.0.1.5" || !strings.HasPrefix(findings[1], "warning origin ") {
		t.Errorf("onto older firmware: %q", findings)
	}
	report = need.Value(gateways["new"].rehearse(gateways["old"].backup("orders"), "orders"))(t)
	if findings, _ := told(report); slices.ContainsFunc(findings, func(f string) bool { return strings.HasPrefix(f, "error") }) {
		t.Errorf("onto newer firmware: %q", findings)
	}
	for pair, want := range map[[2]string][2]bool{
		{"IDG.10.0.1.5", "10.0.1.5"}: {false, true}, {"XI50.6.0.0.2nn", "XI50.6.0.0.10"}: {true, true}, {"", "IDG.10.0.1.5"}: {false, false},
		{"IDG.10.5.0.1", "IDG.10.0.1.9"}: {false, true}, {"IDG.x.y", "IDG.10.0.1"}: {false, false}, {"2018.4.1.3", "10.0.1.5"}: {false, true},
	} {
		if older, known := datapower.OlderFirmware(pair[0], pair[1]); [2]bool{older, known} != want {
			t.Errorf("%q is older than %q: %t, known %t", pair[0], pair[1], older, known)
		}
	}
}

func TestWhatIsNoWholeExportOfADomainIsNotRehearsed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}}})
	whole := need.Value(os.ReadFile(g.backup("orders")))(t)
	write := func(content []byte) string {
		file := filepath.Join(t.TempDir(), "a.zip")
		need.Done(t, os.WriteFile(file, content, 0o600))
		return file
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 0x55
	for name, content := range map[string][]byte{"flipped": flipped, "cut": whole[:len(whole)-100], "empty": {}, "text": []byte("no archive")} {
		if _, err := g.rehearse(write(content), "orders"); failure.From(err).Kind != failure.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := g.rehearse(write(whole), "nowhere")
	wantFailure(t, failure.CallRehearse, err, failure.NotFound, failure.UnknownDomain)
	if g.imports() > 0 {
		t.Error("it was sent all the same")
	}

	got, dir, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"archive": filepath.Join(dir, got.Artifacts[0].Name), "archive default": g.backup("default")} {
		report := need.Value(g.rehearse(file, "orders"))(t)
		if findings, _ := told(report); !slices.Contains(findings, "error "+name) {
			t.Errorf("%s: findings %q", name, findings)
		}
	}
	_, err = g.rehearse(write(whole), "")
	wantFailure(t, failure.CallRehearse, err, failure.Precondition, failure.Unsupported)
}

func TestARehearsalThatTheGatewayDoesNotAnswerFails(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]failure.Kind{
		"import_refused": failure.Precondition, "import_empty": failure.Corrupt, "refused": failure.Denied, "close": failure.Unavailable, "no_reply_but_done": failure.Unavailable, "garbage": failure.Corrupt,
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}}})
			file := g.backup("orders")
			g.fault(dpsim.Fault{Kind: fault, Operation: "do-import"})
			_, err := g.rehearse(file, "orders")
			if f := failure.From(err); err == nil || f.Kind == failure.Internal {
				t.Errorf("%v, want a failure such as %s", err, want)
			}
			if n := g.imports(); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

func TestALongListOfNotesIsCut(t *testing.T) {
	t.Parallel()
	var many []dpsim.Object
	for i := range 60 {
		many = append(many, dpsim.Object{Class: "TCPProxyService", Name: fmt.Sprintf("tcp-%02d", i)})
	}
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: many}, {Name: "other"}}})
	report := need.Value(g.rehearse(g.backup("orders"), "other"))(t)
	findings, _ := told(report)
	findings = slices.DeleteFunc(findings, func(f string) bool { return !strings.HasPrefix(f, "warning enabled") })
	if len(findings) != 51 || findings[0] != "warning enabled" {
		t.Errorf("%d findings: %q", len(findings), findings)
	}
}
