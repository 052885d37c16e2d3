package datapower_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

// preflight asks what is in the way of activities, and checks that nothing was changed and no secret told.
func (g *gateway) preflight(activities ...sdk.PreflightActivity) []sdk.Finding {
	g.t.Helper()
	return g.preflightReport(activities...).Findings
}

func (g *gateway) preflightReport(activities ...sdk.PreflightActivity) *sdk.PreflightReport {
	g.t.Helper()
	p, ok := g.Source.(sdk.Preflighter)
	if !ok {
		g.t.Fatal("the source has no preflight")
	}
	r, err := p.Preflight(testContext(g.t), sdk.PreflightRequest{Now: time.Now(), Activities: activities})
	if err != nil {
		g.t.Fatal(err)
	}
	g.unchanged()
	for _, f := range r.Findings {
		if strings.Contains(f.Message+f.Remedy+f.Subject, "dpsim-"+gatewayName) {
			g.t.Errorf("a finding holds the password: %+v", f)
		}
	}
	return r
}

// unchanged checks that nothing but reads was asked for.
func (g *gateway) unchanged() {
	g.t.Helper()
	for op, n := range g.fleet.State().Device(gatewayName).Operations {
		if !strings.HasPrefix(op, "get-") && op != "do-view-certificate-details" {
			g.t.Errorf("%d times %s", n, op)
		}
	}
}

// worth are the findings of a check as "level subject", without those that are well unless all is asked for.
func worth(findings []sdk.Finding, check string, all bool) []string {
	var out []string
	for _, f := range findings {
		if f.Check == check && (all || f.Level != sdk.LevelOK) {
			out = append(out, strings.TrimSpace(string(f.Level)+" "+f.Subject))
		}
	}
	slices.Sort(out)
	return out
}

func exporting(domains ...string) sdk.PreflightActivity {
	return sdk.PreflightActivity{Activity: exportDomain, Config: config(exportDomain, nil), Domains: domains, Quiesce: "none"}
}

func securing(set map[string]string) sdk.PreflightActivity {
	return sdk.PreflightActivity{Activity: secureBackup, Config: config(secureBackup, set), Quiesce: "none"}
}

func quiescing(a sdk.PreflightActivity, what string) sdk.PreflightActivity {
	a.Quiesce = what
	return a
}

// Each finding acts on one gateway, and rightly does not on another.
func TestAPreflightFindsWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	backup := map[string]string{"certificate": "backup"}
	for _, c := range []struct {
		name     string
		device   dpsim.Device
		activity sdk.PreflightActivity
		check    string
		want     []string
	}{
		{"a certificate that ends", dpsim.Device{TLS: "ending"}, exporting(), "tls.certificate", []string{"warning gw"}},
		{"a certificate that does not", dpsim.Device{}, exporting(), "tls.certificate", nil},
		{"a clock ahead", dpsim.Device{ClockAhead: "10m"}, exporting(), "clock", []string{"warning"}},
		{"a clock that agrees", dpsim.Device{}, exporting(), "clock", nil},
		{"fail-safe", dpsim.Device{Domains: []dpsim.Domain{{Name: "a", FailsafeMode: "management"}, {Name: "b", FailsafeMode: "console"}}}, exporting("a"), "failsafe", []string{"warning a"}},
		{"quiesced", dpsim.Device{Domains: []dpsim.Domain{{Name: "a", QuiesceState: "quiesced"}, {Name: "b", QuiesceState: "quiesced"}}}, exporting("a"), "quiesced", []string{"error a"}},
		{"busy", dpsim.Device{Domains: []dpsim.Domain{{Name: "a", CurrentCommand: "exec"}}}, exporting("a"), "busy", []string{"warning a"}},
		{"idle", dpsim.Device{Domains: []dpsim.Domain{{Name: "a"}}}, exporting("a"), "busy", nil},
		{"somebody else", dpsim.Device{Domains: []dpsim.Domain{{Name: "default", CurrentCommand: "secure-backup"}}}, exporting(), "other_backups", []string{"warning default"}},
		{"unsaved", dpsim.Device{Domains: []dpsim.Domain{{Name: "a", SaveNeeded: true}}}, exporting("a"), "unsaved", []string{"warning a"}},
		{"no such domain", dpsim.Device{Domains: []dpsim.Domain{{Name: "a"}}}, exporting("a", "b"), "domain", []string{"error b"}},
		{"no slot", dpsim.Device{Domains: []dpsim.Domain{{Name: "a", Checkpoints: 3}, {Name: "b", Checkpoints: 2}}}, exporting("a", "b"), "checkpoints", []string{"warning a"}},
		{"normal mode", dpsim.Device{BackupMode: "normal"}, securing(backup), "backup_mode", []string{"error"}},
		{"normal mode and exports", dpsim.Device{BackupMode: "normal"}, exporting(), "backup_mode", nil},
		{"a container", dpsim.Device{Platform: "software"}, securing(backup), "backup_mode", []string{"error"}},
		{"secure mode", dpsim.Device{}, securing(backup), "backup_mode", nil},
		{"no certificate", dpsim.Device{}, securing(backup), "certificate", []string{"error backup"}},
		{"a certificate that is down", dpsim.Device{Certificates: []dpsim.Certificate{{Name: "backup", State: "expired"}}}, securing(backup), "certificate", []string{"error backup"}},
		{"ECDSA", dpsim.Device{Certificates: []dpsim.Certificate{{Name: "backup", Key: "ecdsa"}}}, securing(backup), "certificate", []string{"error backup", "not_proven backup"}},
		{"RSA, soon over", dpsim.Device{Certificates: []dpsim.Certificate{{Name: "backup", Left: "240h"}}}, securing(backup), "certificate", []string{"not_proven backup", "warning backup"}},
		{"old firmware", dpsim.Device{Firmware: "IDG.7.5", Certificates: []dpsim.Certificate{{Name: "backup"}}}, securing(backup), "certificate", []string{"not_proven backup"}},
		{"everything allowed", dpsim.Device{}, exporting(), "account", []string{"warning admin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, worth(newGateway(t, c.device).preflight(c.activity), c.check, false)); diff != "" {
				t.Errorf("findings of %s (-want +got):\n%s", c.check, diff)
			}
		})
	}
}

// The access profile of the documentation is enough for what the activities read, and a line that is left out is named.
func TestTheAccessProfileIsEnoughAndALineThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	secure := quiescing(securing(map[string]string{"certificate": "backup"}), "device")
	profile := datapower.AccessProfile(secureBackup, "device")
	found := func(t *testing.T, access []string) (missing []string) {
		t.Helper()
		g := newGateway(t, dpsim.Device{AppDomains: 2, Certificates: []dpsim.Certificate{{Name: "backup"}}, Access: access})
		for _, f := range g.preflight(secure) {
			if f.Check == "permission" && (f.Level == sdk.LevelError || f.Level == sdk.LevelWarning) {
				_, resource, _ := strings.Cut(strings.TrimPrefix(f.Subject, "*/"), "/")
				missing = append(missing, resource)
			}
		}
		return missing
	}
	if missing := found(t, profile); missing != nil {
		t.Errorf("the whole profile lacks %v", missing)
	}
	for i, line := range profile {
		_, resource, _ := strings.Cut(strings.TrimPrefix(line, "*/"), "/")
		resource, letters, _ := strings.Cut(resource, "?Access=")
		if !strings.HasPrefix(letters, "r") {
			continue // only its use proves it
		}
		t.Run("without "+resource, func(t *testing.T) {
			t.Parallel()
			got := found(t, slices.Delete(slices.Clone(profile), i, i+1))
			if diff := cmp.Diff([]string{resource + "?Access=r"}, got); diff != "" {
				t.Errorf("named as missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARightThatIsMissingInSomeDomainsIsNamedWithThem(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 3, Access: append(datapower.AccessProfile(exportDomain, "none"),
		"*/app02/status/object-status?Access=NONE")})
	want := []string{"error */app02/status/object-status?Access=r"}
	got := slices.DeleteFunc(worth(g.preflight(exporting("app01", "app02", "app03")), "permission", false), func(f string) bool { return strings.HasPrefix(f, "not_proven") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAQuiesceWithoutAnUnquiesceIsAnError(t *testing.T) {
	t.Parallel()
	all := []string{"*/*/*?Access=r+w+a+d+x"}
	for _, c := range []struct {
		activity sdk.PreflightActivity
		without  string
		want     []string
	}{
		{quiescing(exporting("app01"), "domain"), "*/*/config/domainunquiesce?Access=r", []string{"error */*/config/domainunquiesce?Access=x"}},
		{quiescing(securing(map[string]string{"certificate": "backup"}), "device"), "*/*/config/unquiesce?Access=NONE", []string{"error */*/config/unquiesce?Access=x"}},
		{exporting("app01"), "*/*/config/domainunquiesce?Access=r", nil},
		{quiescing(exporting("app01"), "domain"), "192.0.2.1/*/config/domainunquiesce?Access=r", nil}, // for another address: not known
	} {
		g := newGateway(t, dpsim.Device{AppDomains: 1, Access: append(slices.Clone(all), c.without)})
		if diff := cmp.Diff(c.want, worth(g.preflight(c.activity), "unquiesce", true)); diff != "" {
			t.Errorf("%s without %s:\n%s", c.activity.Activity, c.without, diff)
		}
	}
}

// An account with the lines of the documentation, and no other, does everything that a night asks of it.
func TestTheAccessProfileIsEnoughForANight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		activity, variant, quiesce string
		set                        map[string]string
		target                     sdk.Target
	}{
		{exportDomain, sdk.VariantPersisted, "none", nil, sdk.Target{Domain: "app01"}},
		{exportDomain, sdk.VariantPersisted, "domain", nil, sdk.Target{Domain: "app01"}},
		{"export_all_domains", sdk.VariantPersisted, "device", nil, sdk.Target{}},
		{secureBackup, sdk.VariantSecureBackup, "none", map[string]string{"certificate": "backup"}, sdk.Target{}},
		{secureBackup, sdk.VariantSecureBackup, "device", map[string]string{"certificate": "backup"}, sdk.Target{}},
	} {
		t.Run(c.activity+" "+c.quiesce, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{
				AppDomains: 2, Certificates: []dpsim.Certificate{{Name: "backup"}}, Peerings: []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}}},
				Timings: &dpsim.Timings{Quiesce: "0s", Unquiesce: "0s", SecureBackup: "0s"}, Access: datapower.AccessProfile(c.activity, c.quiesce),
			})
			ctx, must := testContext(t), func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			in, err := g.Inspect(ctx, everyDomain)
			must(err)
			if err == nil && len(in.Unread) > 0 {
				t.Errorf("unread: %v", unreadFacts(in))
			}
			r, err := g.Check(ctx, sdk.CheckRequest{Activity: c.activity, Config: config(c.activity, c.set), Target: c.target, Quiesce: c.quiesce != "none"})
			must(err)
			if err == nil && (len(r.Warnings) > 0 || r.Role == sdk.RoleUnknown) {
				t.Errorf("%v, role %q (%s)", r.Warnings, r.Role, r.RoleDetail)
			}
			if c.quiesce != "none" {
				must(g.Quiesce(ctx, c.target, time.Minute))
			}
			got, _, err := g.capture(c.activity, c.target.Domain, c.variant, config(c.activity, c.set))
			must(err)
			if err == nil && got.Token != "" {
				must(g.Discard(ctx, got.Token))
			}
			if c.quiesce != "none" {
				must(g.Unquiesce(ctx, c.target))
				if s, err := g.QuiesceState(ctx, c.target); err != nil || s.State != sdk.StateNormal {
					t.Errorf("state %+v, %v", s, err)
				}
				if h, err := g.Source.(sdk.Healther).Health(ctx, sdk.HealthRequest{Target: c.target}); err != nil || len(h.Unread) > 0 {
					t.Errorf("health %+v, %v", h, err)
				}
			}
		})
	}
}

// A read that fails is no proof of a right; a class that the firmware does not have needs none.
func TestWhatCannotBeReadIsNotTakenForARight(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"garbage", "wrong_part", "http_error", "error_log"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: kind, Operation: "get-status/ObjectStatus"}, {Kind: kind, Operation: "get-config/Throttler"}}})
			got := worth(g.preflight(exporting("app01")), "permission", true)
			for _, line := range []string{"*/*/status/object-status?Access=r", "*/default/system/throttle?Access=r"} {
				if !slices.Contains(got, "warning "+line) || slices.Contains(got, "ok "+line) {
					t.Errorf("%s: %v", line, got)
				}
			}
		})
	}
	old := newGateway(t, dpsim.Device{Firmware: "XI50.6", AppDomains: 1})
	for _, f := range worth(old.preflight(quiescing(exporting("app01"), "domain")), "permission", false) {
		if !strings.HasPrefix(f, "not_proven") {
			t.Errorf("firmware that lacks classes: %s", f)
		}
	}
}

func TestALostAnswerFailsThePreflight(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "close", Operation: "get-status/ObjectStatus"}}})
	_, err := g.Source.(sdk.Preflighter).Preflight(testContext(t), sdk.PreflightRequest{Now: time.Now(), Activities: []sdk.PreflightActivity{exporting("app01")}})
	wantFailure(t, failure.CallPreflight, err, failure.Unavailable, "")
}

func TestTheMostSpecificLineOfAnAccessProfileCounts(t *testing.T) {
	t.Parallel()
	const resource = "config/domainunquiesce"
	for _, c := range []struct {
		lines          []string
		granted, known bool
	}{
		{nil, false, true},
		{[]string{"*/*/*?Access=r+w+a+d+x"}, true, true},
		{[]string{"*/*/*?Access=r+w+a+d+x", "*/*/config/*?Access=r"}, false, true},
		{[]string{"*/*/config/*?Access=r", "*/*/config/domainunquiesce?Access=x"}, true, true},
		{[]string{"*/app01/config/domainunquiesce?Access=x"}, false, true},
		{[]string{"*/default/config/domainunquiesce?Access=x", "*/*/config/domainunquiesce?Access=r"}, true, true},
		{[]string{"*/*/config/domainunquiesce?Access=r", "*/*/config/domainunquiesce?Access=x"}, true, true},
		{[]string{"*/*/config/domainunquiesce?Access=x&Name=a.*"}, true, false},                  // for some objects
		{[]string{"192.0.2.1/*/config/domainunquiesce?Access=x"}, true, false},                   // for one address
		{[]string{"192.0.2.1/*/*?Access=x", "*/*/config/domainunquiesce?Access=r"}, false, true}, // which another line overrules
		{[]string{"*/*/config/domainunquiesce?Access=NONE"}, false, true},
		{[]string{"*/*/config/domainunquiesce?Name=a"}, false, false},
		{[]string{"*/[/config/*?Access=x"}, false, true},
		{[]string{"nonsense"}, false, false},
		{[]string{"?Access=x"}, false, false},
	} {
		if granted, known := datapower.Grants(c.lines, "default", resource, "x"); granted != c.granted || known != c.known {
			t.Errorf("%v: granted %v, known %v; want %v, %v", c.lines, granted, known, c.granted, c.known)
		}
	}
}
