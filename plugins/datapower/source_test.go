package datapower_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestInspectTellsWhatADeviceIs(t *testing.T) {
	t.Parallel()
	for _, firmware := range []string{"XI50.6", "IDG.7.5", "IDG.2018.4.1", "IDG.10.0.1", "IDG.10.5"} {
		t.Run(firmware, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{
				Firmware: firmware, Serial: "7800163", BackupMode: "normal", TotalTemporary: "1000MB", FreeTemporary: "400MB",
				Domains: []dpsim.Domain{{Name: "orders", SaveNeeded: true}, {Name: "apic", APIC: true, QuiesceState: "quiesced"}},
			})
			got := need.Value(g.Inspect(testContext(t), everyDomain))(t)
			f := got.Facts
			if f.Serial != "7800163" || f.Identity != "7800163/"+gatewayName || f.BackupMode != "normal" || f.Firmware == "" || f.Container {
				t.Errorf("facts %+v", f)
			}
			if f.Clock.IsZero() || f.TLSFingerprint != g.fleet.Device(gatewayName).Fingerprint || f.Space.FreeTemporary != 400_000_000 || f.Space.TotalTemporary != 1_000_000_000 {
				t.Errorf("facts %+v", f)
			}
			byName := map[string]sdk.Domain{}
			for _, d := range got.Domains {
				byName[d.Name] = d
			}
			if diff := cmp.Diff(map[string]sdk.Domain{
				"default": {Name: "default", QuiesceState: sdk.StateNormal},
				"orders":  {Name: "orders", QuiesceState: sdk.StateNormal, SaveNeeded: true},
				"apic":    {Name: "apic", QuiesceState: sdk.StateQuiesced, APIConnect: true},
			}, byName); diff != "" {
				t.Errorf("domains (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPIConnectIsReadOfTheDomainsThatMatter(t *testing.T) {
	t.Parallel()
	for globs, want := range map[string]string{"": "", "*": "a.b,axb,orders", "a.*": "a.b", "*b,orders": "a.b,axb,orders", "rder": "", "o*r*s": "orders"} {
		g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "a.b", APIC: true}, {Name: "axb", APIC: true}, {Name: "orders", APIC: true}}})
		in, err := g.Inspect(testContext(t), sdk.InspectRequest{Domains: strings.Split(globs, ",")})
		if err != nil || len(in.Domains) != 4 {
			t.Fatalf("%+v, %v", in, err)
		}
		var managed []string
		for _, d := range in.Domains {
			if d.APIConnect {
				managed = append(managed, d.Name)
			}
		}
		read := g.fleet.State().Device(gatewayName).Operations["get-config/APIConnectGatewayService"]
		if got := strings.Join(managed, ","); got != want || read != len(managed) {
			t.Errorf("%q: %s after %d reads, want %s", globs, got, read, want)
		}
	}
}

func TestContainersAreKnownByTheirCertificate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Platform: "software"})
	got, err := g.Inspect(testContext(t), everyDomain)
	if err != nil || !got.Facts.Container || got.Facts.Identity != "tls:"+g.fleet.Device(gatewayName).Fingerprint {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnUnusableDeviceIsToldApart(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{}, func(c *datapower.Config) { c.Password = "wrong" })
	_, err := g.Inspect(testContext(t), everyDomain)
	wantFailure(t, failure.CallInspect, err, failure.Denied, failure.BadCredentials)

	g = newGateway(t, dpsim.Device{Down: true})
	_, err = g.Inspect(testContext(t), everyDomain)
	wantFailure(t, failure.CallInspect, err, failure.Unavailable, "")
}

func TestCheckReadsTheTarget(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{
		{Name: "calm"}, {Name: "dirty", SaveNeeded: true}, {Name: "busy", CurrentCommand: "exec"}, {Name: "down", QuiesceState: "quiesced"},
	}})
	check := func(activity, domain string, set map[string]string) (*sdk.CheckReport, error) {
		return g.Check(testContext(t), sdk.CheckRequest{Activity: activity, Config: config(activity, set), Target: sdk.Target{Domain: domain}})
	}
	persisted, running, both := []string{sdk.VariantPersisted}, []string{sdk.VariantRunning}, []string{sdk.VariantPersisted, sdk.VariantRunning}
	for _, c := range []struct {
		activity, domain, mode string
		variants               []string
		command                string
		state                  sdk.QuiesceState
	}{
		{"export_domain", "calm", "auto", persisted, "", sdk.StateNormal},
		{"export_domain", "dirty", "auto", both, "", sdk.StateNormal},
		{"export_domain", "dirty", "persisted", persisted, "", sdk.StateNormal},
		{"export_domain", "calm", "running", running, "", sdk.StateNormal},
		{"export_domain", "calm", "both", both, "", sdk.StateNormal},
		{"export_domain", "busy", "auto", persisted, "exec", sdk.StateNormal},
		{"export_domain", "down", "auto", persisted, "", sdk.StateQuiesced},
		{"export_all_domains", "", "auto", both, "exec", sdk.StateQuiesced},
	} {
		r, err := check(c.activity, c.domain, map[string]string{"persisted": c.mode})
		if err != nil || !cmp.Equal(r.Variants, c.variants) || r.CurrentCommand != c.command || r.Quiesce.State != c.state || r.Space.FreeTemporary <= 0 {
			t.Errorf("%s %q %s: %+v, %v", c.activity, c.domain, c.mode, r, err)
		}
	}
	_, err := check("export_domain", "none", nil)
	wantFailure(t, failure.CallCheck, err, failure.NotFound, failure.UnknownDomain)
}

func TestATargetGoesDownAndComesBack(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]sdk.Target{"domain": {Domain: "app01"}, "device": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 2})
			g.fleet.Clock().Freeze(true)
			ctx := testContext(t)
			state := func(want sdk.QuiesceState) {
				t.Helper()
				r, err := g.QuiesceState(ctx, target)
				if err != nil || r.State != want {
					t.Fatalf("state %+v, %v; want %s", r, err, want)
				}
			}
			state(sdk.StateNormal)
			need.Done(t, g.Quiesce(ctx, target, 10*time.Second))
			state(sdk.StateQuiescing)
			g.fleet.Clock().Advance(time.Minute)
			state(sdk.StateQuiesced)
			need.Done(t, g.Unquiesce(ctx, target))
			state(sdk.StateUnquiescing)
			g.fleet.Clock().Advance(time.Minute)
			state(sdk.StateNormal)
		})
	}
}

func TestARefusedQuiesceIsToldApart(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "calm"}, {Name: "down", QuiesceState: "quiesced"}}})
	for _, kind := range []string{"quiesce_refused", "second_quiesce_refused"} {
		g.fault(dpsim.Fault{Kind: kind})
	}
	wantFailure(t, failure.CallQuiesce, g.Quiesce(ctx, sdk.Target{Domain: "calm"}, time.Minute), failure.Precondition, failure.DeviceError)
	wantFailure(t, failure.CallQuiesce, g.Quiesce(ctx, sdk.Target{Domain: "down"}, time.Minute), failure.Precondition, failure.AlreadyQuiesced)
	wantFailure(t, failure.CallQuiesce, g.Quiesce(ctx, sdk.Target{Domain: "default"}, time.Minute), failure.Precondition, failure.Unsupported)
	wantFailure(t, failure.CallQuiesce, g.Quiesce(ctx, sdk.Target{Domain: "none"}, time.Minute), failure.NotFound, failure.UnknownDomain)

	g.fault(dpsim.Fault{Kind: "unquiesce_refused"})
	if err := g.Unquiesce(ctx, sdk.Target{Domain: "calm"}); err != nil {
		t.Errorf("unquiesce of a domain in service: %v", err)
	}
	wantFailure(t, failure.CallUnquiesce, g.Unquiesce(ctx, sdk.Target{Domain: "down"}), failure.Precondition, failure.DeviceError)
}

func TestQuiesceStatesAreReadInEveryWording(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sdk.QuiesceState{
		"": sdk.StateNormal, "Quiesce not in progress": sdk.StateNormal, "Unquiesce done": sdk.StateNormal, "quiesced": sdk.StateQuiesced, " Quiesced ": sdk.StateQuiesced,
		"quiescing": sdk.StateQuiescing, "Waiting for services to stop": sdk.StateQuiescing, "unquiescing": sdk.StateUnquiescing, "Unquiesce started": sdk.StateUnquiescing,
		"error": sdk.StateError, "unknown quiesce state": sdk.StateUnknown, "dozing": sdk.StateUnknown, "normal service": sdk.StateUnknown,
		"quiesced?": sdk.StateUnknown, "no error": sdk.StateUnknown,
	} {
		if got := datapower.QuiesceStateOf(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

const secureBackup = "secure_backup"

func secureGateway(t *testing.T, d dpsim.Device) *gateway {
	d.Certificates = []dpsim.Certificate{{Name: "backup"}, {Name: "stale", State: "expired"}}
	d.Timings = &dpsim.Timings{SecureBackup: "0s"}
	d.AppDomains = 1
	return newGateway(t, d)
}

func TestASecureBackupIsFetchedVerifiedAndDiscarded(t *testing.T) {
	t.Parallel()
	for _, firmware := range []string{"XI50.6", "IDG.10.5"} {
		g := secureGateway(t, dpsim.Device{Firmware: firmware})
		g.fault(dpsim.Fault{Kind: "manifest_self_listed"})
		ctx, dir := testContext(t), t.TempDir()
		c := config(secureBackup, map[string]string{"certificate": "backup"})
		if r, err := g.Check(ctx, sdk.CheckRequest{Activity: secureBackup, Config: c}); err != nil || !cmp.Equal(r.Variants, []string{sdk.VariantSecureBackup}) || r.Token != "temporary:///dprun-sb" {
			t.Fatalf("%+v, %v", r, err)
		}
		var told []sdk.CaptureProgress
		got, err := g.Capture(ctx, sdk.CaptureRequest{Activity: secureBackup, Config: c, Variant: sdk.VariantSecureBackup, Dir: dir},
			func(p sdk.CaptureProgress) { told = append(told, p) })
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Artifacts) < 2 || got.Token == "" || told[0].Token != got.Token || !told[1].DeviceDone {
			t.Errorf("capture %+v, progress %+v", got, told)
		}
		if r, err := archive.VerifyFile(ctx, dir); err != nil || !r.Whole() || r.Hashed != len(got.Artifacts)-1 {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = g.Check(ctx, sdk.CheckRequest{Activity: secureBackup, Config: c})
		wantFailure(t, failure.CallCheck, err, failure.Precondition, failure.ForeignBackup)
		need.Done(t, g.Discard(ctx, got.Token))
		if _, err := g.Check(ctx, sdk.CheckRequest{Activity: secureBackup, Config: c}); err != nil {
			t.Errorf("after the discard: %v", err)
		}
	}
}

func TestABadSecureBackupIsToldApart(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]failure.Reason{
		"secure_backup_fails": failure.DeviceError, "secure_backup_disk_full": failure.DeviceError, "secure_backup_wrong_hash": failure.WrongHash,
		"secure_backup_short_file": failure.WrongSize, "secure_backup_empty_file": failure.EmptyFile, "manifest_missing_file": failure.MissingFile,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := secureGateway(t, dpsim.Device{})
			g.fault(dpsim.Fault{Kind: kind, File: "config.tgz"})
			_, _, err := g.capture(secureBackup, "", sdk.VariantSecureBackup, config(secureBackup, map[string]string{"certificate": "backup"}))
			kindWanted := failure.Corrupt
			if want == failure.DeviceError {
				kindWanted = failure.Precondition
			}
			wantFailure(t, failure.CallCapture, err, kindWanted, want)
		})
	}
}

func TestASecureBackupThatCannotBeIsRefusedBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		device dpsim.Device
		set    map[string]string
		reason failure.Reason
	}{
		"normal mode":     {dpsim.Device{BackupMode: "normal"}, nil, failure.NotDRMode},
		"container":       {dpsim.Device{Platform: "software"}, nil, failure.Unsupported},
		"no certificate":  {dpsim.Device{}, map[string]string{"certificate": "none"}, failure.NoCertificate},
		"another one":     {dpsim.Device{Domains: []dpsim.Domain{{Name: "default", CurrentCommand: "secure-backup"}}}, nil, failure.ForeignBackup},
		"expired":         {dpsim.Device{}, map[string]string{"certificate": "stale"}, failure.CertificateDown},
		"unsaved changes": {dpsim.Device{Domains: []dpsim.Domain{{Name: "dirty", SaveNeeded: true}}}, map[string]string{"certificate": "backup", "unsaved": "fail"}, failure.UnsavedChanges},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.set == nil {
				c.set = map[string]string{"certificate": "backup"}
			}
			g := secureGateway(t, c.device)
			_, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: config(secureBackup, c.set)})
			wantFailure(t, failure.CallCheck, err, failure.Precondition, c.reason)
		})
	}
}

func TestDiscardTouchesNothingForeign(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{})
	for _, token := range []string{"", "temporary:///", "store:///x", "temporary:///a/../..", "cert:///a"} {
		wantFailure(t, failure.CallDiscard, g.Discard(testContext(t), token), failure.Internal, failure.Protocol)
	}
	if n := g.requests(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestDiscardLeavesABackupThatIsStillBeingMade(t *testing.T) {
	t.Parallel()
	g := secureGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "default", CurrentCommand: "secure-backup"}}})
	wantFailure(t, failure.CallDiscard, g.Discard(testContext(t), "temporary:///dprun-sb/"), failure.Unavailable, failure.DeviceBusy)
	done := ""
	need.Done(t, g.fleet.Edit(dpsim.Edit{Domain: "default", CurrentCommand: &done}))
	if err := g.Discard(testContext(t), "temporary:///dprun-sb/"); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}

func TestConfigurationsAreValidated(t *testing.T) {
	t.Parallel()
	good := datapower.Config{Host: "gw.example.net", Port: 5550, Username: "backup", Password: "x", Path: "/service/mgmt/current"}
	for want, change := range map[string]func(*datapower.Config){
		"":                       func(*datapower.Config) {},
		"host":                   func(c *datapower.Config) { c.Host = "https://gw" },
		"username":               func(c *datapower.Config) { c.Username = "a:b" },
		"password":               func(c *datapower.Config) { c.Password = "" },
		"path":                   func(c *datapower.Config) { c.Path = "x" },
		"tls.fingerprint_sha256": func(c *datapower.Config) { c.TLS = &datapower.TLSConfig{Fingerprint: "12:34"} },
	} {
		c := good
		change(&c)
		got := diagnosticPaths(datapower.Validate(c))
		if want == "" && len(got) > 0 || want != "" && !cmp.Equal(got, []string{want}) {
			t.Errorf("%q: diagnostics at %v", want, got)
		}
	}
	for directory, bad := range map[string]bool{"temporary:///dprun-sb/": false, "local:///a/b": false, "temporary:": true, "cert:///a": true, "ftp://u@h/": true, "temporary:///a/../..": true, "local:///a b": true} {
		if got := datapower.ValidateSecureBackup("cert", directory); len(got) > 0 != bad {
			t.Errorf("directory %q: %v", directory, got)
		}
	}
	_, err := datapower.Configure(datapower.Config{Host: "gw", TLS: &datapower.TLSConfig{CAFile: filepath.Join(t.TempDir(), "none")}}, sdk.Env{})
	wantFailure(t, failure.CallConfigure, err, failure.Precondition, failure.BadConfig)
}

func TestASecureBackupOutlastsARestartOfTheManagementInterface(t *testing.T) {
	t.Parallel()
	const action = "do-action/SecureBackup"
	for name, c := range map[string]struct {
		faults []dpsim.Fault
		fails  bool
	}{
		"while it is listed":     {[]dpsim.Fault{{Kind: "close", Operation: "get-filestore", Count: 1}}, false},
		"while it is fetched":    {[]dpsim.Fault{{Kind: "close", Operation: "get-file", Count: 1}, {Kind: "close_body", Operation: "get-file", Skip: 2, Count: 1, After: "500"}}, false},
		"before it is answered":  {[]dpsim.Fault{{Kind: "no_reply_but_done", Operation: action}, {Kind: "close", Operation: "get-status/DomainStatus", Count: 1}}, false},
		"before it is asked for": {[]dpsim.Fault{{Kind: "close", Operation: action}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := secureGateway(t, dpsim.Device{Faults: c.faults})
			got, dir, err := g.capture(secureBackup, "", sdk.VariantSecureBackup, config(secureBackup, map[string]string{"certificate": "backup"}))
			if c.fails {
				wantFailure(t, failure.CallCapture, err, failure.Unavailable, "")
			} else if err != nil || len(got.Artifacts) != 9 {
				t.Errorf("%+v, %v", got, err)
			} else if r, err := archive.VerifyFile(testContext(t), dir); err != nil || !r.Whole() {
				t.Errorf("%+v, %v", r, err)
			}
			if n := g.fleet.State().Device(gatewayName).Operations[action]; n != 1 {
				t.Errorf("a secure backup was asked for %d times", n)
			}
		})
	}
}
