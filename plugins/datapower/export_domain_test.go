package datapower_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

const exportDomain = "export_domain"

func TestAnExportIsCapturedWholeAndVerified(t *testing.T) {
	t.Parallel()
	for _, firmware := range []string{"XI50.6", "IDG.10.5"} {
		for _, method := range []string{"export", "backup"} {
			for _, variant := range []string{sdk.VariantPersisted, sdk.VariantRunning} {
				t.Run(strings.Join([]string{firmware, method, variant}, " "), func(t *testing.T) {
					t.Parallel()
					g := newGateway(t, dpsim.Device{Firmware: firmware, AppDomains: 1, ExportSize: "200KB"})
					got, dir, err := g.capture(exportDomain, "app01", variant, config(exportDomain, map[string]string{"method": method}))
					if err != nil {
						t.Fatal(err)
					}
					name := "app01-" + variant + ".zip"
					data := need.Value(os.ReadFile(filepath.Join(dir, name)))(t)
					sum := sha256.Sum256(data)
					if diff := cmp.Diff(&sdk.Capture{Artifacts: []sdk.Artifact{{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}}}, got); diff != "" {
						t.Errorf("capture (-want +got):\n%s", diff)
					}
					if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
						t.Errorf("mode %v, %v", info.Mode(), err)
					}
					served := g.fleet.State().Devices[0].Exports
					if len(served) != 1 || served[0].SHA256 != got.Artifacts[0].SHA256 || served[0].Persisted != (variant == sdk.VariantPersisted) {
						t.Errorf("the device served %+v", served)
					}
					if n := g.requests(); n > 4 { // the archive, and up to three that ask for the serial number
						t.Errorf("%d requests", n)
					}
				})
			}
		}
	}
}

// TestALargeExportIsJudgedAsASmallOne: from 4 MiB an archive is inflated while it is received.
func TestALargeExportIsJudgedAsASmallOne(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, ExportSize: "9MB"})
	for _, c := range []struct {
		fault  string
		kind   failure.Kind
		reason failure.Reason
	}{
		{"", "", ""},
		{"wrong_hash", failure.Corrupt, failure.WrongHash},
		{"corrupt_archive", failure.Corrupt, failure.BadArchive},
		{"archive_trailing", failure.Corrupt, failure.TrailingBytes},
		{"close_body", failure.Unavailable, ""},
		{"", "", ""},
	} {
		if c.fault != "" {
			f := dpsim.Fault{Kind: c.fault, Count: 1}
			if c.fault == "close_body" {
				f.After = "8MB"
			}
			g.fault(f)
		}
		got, dir, err := g.capture(exportDomain, "app01", sdk.VariantPersisted, config(exportDomain, nil))
		if c.fault != "" {
			wantFailure(t, failure.CallCapture, err, c.kind, c.reason)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		data := need.Value(os.ReadFile(filepath.Join(dir, got.Artifacts[0].Name)))(t)
		if sum := sha256.Sum256(data); got.Artifacts[0].SHA256 != hex.EncodeToString(sum[:]) || len(data) < 8<<20 {
			t.Errorf("%d bytes, %+v", len(data), got.Artifacts)
		}
	}
}

func TestAllDomainsAreBackedUpIntoOneArchive(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 3})
	got, dir, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil))
	if err != nil {
		t.Fatal(err)
	}
	r, err := archive.VerifyFile(context.Background(), filepath.Join(dir, got.Artifacts[0].Name))
	if err != nil || !r.Whole() || !cmp.Equal(r.Domains, []string{"app01", "app02", "app03", "default"}) {
		t.Errorf("domains %v, findings %v, %v", r.Domains, r.Problems(), err)
	}
}

func TestEveryFaultOfAnExportIsToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  dpsim.Fault
		kind   failure.Kind
		reason failure.Reason
	}{
		{dpsim.Fault{Kind: "empty_file"}, failure.Corrupt, failure.EmptyFile},
		{dpsim.Fault{Kind: "disk_full"}, failure.Corrupt, failure.EmptyFile},
		{dpsim.Fault{Kind: "disk_full", Text: "no space"}, failure.Precondition, failure.DeviceError},
		{dpsim.Fault{Kind: "error_file"}, failure.Precondition, failure.DeviceError},
		{dpsim.Fault{Kind: "error_result"}, failure.Precondition, failure.DeviceError},
		{dpsim.Fault{Kind: "error_log"}, failure.Precondition, failure.DeviceError},
		{dpsim.Fault{Kind: "http_error"}, failure.Precondition, failure.DeviceError},
		{dpsim.Fault{Kind: "not_base64"}, failure.Corrupt, failure.NotBase64},
		{dpsim.Fault{Kind: "truncated_base64"}, failure.Corrupt, failure.NotBase64},
		{dpsim.Fault{Kind: "wrong_zip"}, failure.Corrupt, failure.BadArchive},
		{dpsim.Fault{Kind: "corrupt_archive"}, failure.Corrupt, failure.BadArchive},
		{dpsim.Fault{Kind: "wrong_hash"}, failure.Corrupt, failure.WrongHash},
		{dpsim.Fault{Kind: "garbage"}, failure.Corrupt, failure.BadReply},
		{dpsim.Fault{Kind: "auth_failure"}, failure.Denied, failure.BadCredentials},
		{dpsim.Fault{Kind: "refused"}, failure.Denied, failure.NotPermitted},
		{dpsim.Fault{Kind: "hang"}, failure.Timeout, ""},
		{dpsim.Fault{Kind: "hang_headers"}, failure.Timeout, failure.Stalled},
		{dpsim.Fault{Kind: "hang_body", After: "5KB"}, failure.Timeout, failure.Stalled},
		{dpsim.Fault{Kind: "stall", After: "5KB", Duration: "20s"}, failure.Timeout, failure.Stalled},
		{dpsim.Fault{Kind: "close"}, failure.Unavailable, ""},
		{dpsim.Fault{Kind: "close_body", After: "5KB"}, failure.Unavailable, ""},
		{dpsim.Fault{Kind: "no_reply_but_done"}, failure.Unavailable, ""},
		{dpsim.Fault{Kind: "tls_hang"}, failure.Unavailable, ""},
		{dpsim.Fault{Kind: "close_on_connect"}, failure.Unavailable, ""},
		{dpsim.Fault{Kind: "domain_vanishes"}, failure.NotFound, failure.UnknownDomain},
		{dpsim.Fault{Kind: "archive_no_entries"}, failure.Corrupt, failure.EmptyArchive},
		{dpsim.Fault{Kind: "archive_empty_root"}, failure.Corrupt, failure.NoDetails},
		{dpsim.Fault{Kind: "archive_no_details"}, failure.Corrupt, failure.NoDetails},
		{dpsim.Fault{Kind: "archive_no_files"}, failure.Corrupt, failure.NoFileList},
		{dpsim.Fault{Kind: "archive_trailing"}, failure.Corrupt, failure.TrailingBytes},
		{dpsim.Fault{Kind: "archive_other_domain"}, failure.Corrupt, failure.OtherDomain},
		{dpsim.Fault{Kind: "archive_other_serial"}, failure.Corrupt, failure.OtherDevice},
	} {
		t.Run(c.fault.Kind+c.fault.Text, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 1}, func(c *datapower.Config) {
				c.StallTimeout, c.ConnectTimeout = 500*time.Millisecond, 2*time.Second
			})
			if !strings.HasSuffix(c.fault.Kind, "on_connect") && c.fault.Kind != "tls_hang" {
				c.fault.Operation = "do-export"
			}
			g.fault(c.fault)
			limit := 25 * time.Second
			if c.fault.Kind == "hang" { // nothing but the deadline ends it
				limit = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			_, err := g.Capture(ctx, sdk.CaptureRequest{
				Activity: exportDomain, Config: config(exportDomain, nil), Target: sdk.Target{Domain: "app01"}, Variant: sdk.VariantPersisted, Dir: t.TempDir(),
			}, func(sdk.CaptureProgress) {})
			wantFailure(t, failure.CallCapture, err, c.kind, c.reason)
		})
	}
}

func TestABackupOfDomainsHoldsExactlyThoseThatWereAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, domain string
		fault        dpsim.Fault
		reason       failure.Reason
		says         string
	}{
		{"one domain, of another one", "app01", dpsim.Fault{Kind: "archive_other_domain"}, failure.OtherDomain, `from domain "other"`},
		{"all domains, one is of another", "", dpsim.Fault{Kind: "archive_other_domain"}, failure.MissingDomain, `domain "app03" is not in it; domain "other" is in it`},
		{"all domains, one is not in it", "", dpsim.Fault{Kind: "archive_lacks_domain"}, failure.MissingDomain, `domain "app03" is not in it`},
		{"all domains, a certain one is not in it", "", dpsim.Fault{Kind: "archive_lacks_domain", Domain: "app01"}, failure.MissingDomain, `domain "app01" is not in it`},
		{"all domains, one that the gateway does not have", "", dpsim.Fault{Kind: "row_missing", Operation: "get-status/DomainStatus", Domain: "app02"}, failure.ExtraDomain, `domain "app02" is in it`},
		{"all domains, of another gateway", "", dpsim.Fault{Kind: "archive_other_serial", Text: "00505 20338"}, failure.OtherDevice, `serial number "00505 20338"`},
		{"all domains, none", "", dpsim.Fault{Kind: "archive_no_entries"}, failure.EmptyArchive, "no entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{AppDomains: 3})
			g.fault(c.fault)
			activity, set := "export_all_domains", map[string]string(nil)
			if c.domain != "" {
				activity, set = exportDomain, map[string]string{"method": "backup"}
			}
			_, _, err := g.capture(activity, c.domain, sdk.VariantPersisted, config(activity, set))
			wantFailure(t, failure.CallCapture, err, failure.Corrupt, c.reason)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %s", err, c.says)
			}
		})
	}
}

func TestABackupThatDoesNotListItsDomainsHasAWarning(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 2})
	g.fault(dpsim.Fault{Kind: "archive_no_files"})
	got, _, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil))
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "does not list the domains") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestADomainThatGoesWhileAllAreBackedUpIsNotMissed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 3})
	// The second reading, after the backup, lacks it.
	g.fault(dpsim.Fault{Kind: "row_missing", Operation: "get-status/DomainStatus", Domain: "app02", Skip: 1})
	if _, _, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil)); err != nil {
		t.Error(err)
	}
}

func TestAnArchiveIsKeptWhereTheSerialNumberCannotBeRead(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1})
	for _, class := range []string{"FirmwareVersion3", "FirmwareVersion2", "FirmwareVersion"} {
		g.fault(dpsim.Fault{Kind: "refused", Operation: "get-status/" + class})
	}
	got, _, err := g.capture(exportDomain, "app01", sdk.VariantPersisted, config(exportDomain, nil))
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "serial number cannot be read") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnExportWithoutEndIsEndedAtItsLimit(t *testing.T) {
	t.Parallel()
	for activity, domain := range map[string]string{exportDomain: "app01", "export_all_domains": ""} {
		g := newGateway(t, dpsim.Device{AppDomains: 1})
		g.fault(dpsim.Fault{Kind: "endless_file"})
		dir := t.TempDir()
		_, err := g.Capture(testContext(t), sdk.CaptureRequest{
			Activity: activity, Config: config(activity, nil), Target: sdk.Target{Domain: domain}, Variant: sdk.VariantPersisted, Dir: dir, MaxBytes: 3_000_000,
		}, func(sdk.CaptureProgress) {})
		wantFailure(t, failure.CallCapture, err, failure.NoSpace, failure.StagingIO)
		if err != nil && !strings.Contains(err.Error(), "more than the 3000000 bytes allowed") {
			t.Errorf("%v", err)
		}
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if info, err := f.Info(); err != nil || info.Size() > 5_000_000 {
				t.Errorf("%s has %d bytes, %v", f.Name(), info.Size(), err)
			}
		}
	}
}

func TestASlowDeviceIsWaitedFor(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1}, func(c *datapower.Config) { c.StallTimeout = time.Second })
	g.fault(dpsim.Fault{Kind: "latency", Duration: "1500ms"})
	if _, _, err := g.capture(exportDomain, "app01", sdk.VariantPersisted, config(exportDomain, nil)); err != nil {
		t.Error(err)
	}
}

func TestMissingFilesAreWarningsAndWithheldKeysAreNot(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", MissingFiles: 2, PrivateKeys: 1}}})
	got, _, err := g.capture(exportDomain, "orders", sdk.VariantPersisted, config(exportDomain, nil))
	if err != nil || len(got.Warnings) != 2 || !cmp.Equal(got.Withheld, []string{"cert/orders-key-0.pem"}) {
		t.Errorf("%+v, %v; want two warnings and one withheld file", got, err)
	}
}

func TestATrustFailureNamesWhatOnePins(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"expired", "wrong_host", "untrusted"} {
		g := newGateway(t, dpsim.Device{TLS: state, AppDomains: 1})
		_, err := g.Inspect(testContext(t), everyDomain)
		wantFailure(t, failure.CallInspect, err, failure.Denied, failure.BadCertificate)
		pin := regexp.MustCompile(`fingerprint_sha256 = "([0-9a-f]{64})"`).FindStringSubmatch(err.Error())
		if pin == nil {
			t.Fatalf("%s: %v names no fingerprint", state, err)
		}
		ready := g.fleet.Device(gatewayName)
		s, err := datapower.Configure(datapower.Config{
			Host: ready.Host, Port: ready.Port, Username: ready.Username, Password: ready.Password, TLS: &datapower.TLSConfig{Fingerprint: pin[1]},
		}, sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Inspect(testContext(t), everyDomain); err != nil {
			t.Errorf("%s, pinned: %v", state, err)
		}
	}
}

func TestAnOrdinaryTaskNeedsFewRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", SaveNeeded: true}}})
	ctx := testContext(t)
	target := sdk.Target{Domain: "orders"}
	need.Value(g.Inspect(ctx, everyDomain))(t)
	need.Value(g.QuiesceState(ctx, target))(t)
	for range 2 { // before the pre-script and right before the quiesce
		r, err := g.Check(ctx, sdk.CheckRequest{Activity: exportDomain, Config: config(exportDomain, nil), Target: target})
		if err != nil || !cmp.Equal(r.Variants, []string{sdk.VariantPersisted, sdk.VariantRunning}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	for _, v := range []string{sdk.VariantPersisted, sdk.VariantRunning} {
		if _, _, err := g.capture(exportDomain, "orders", v, config(exportDomain, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.requests(); n > 18 {
		t.Errorf("%d requests: %v", n, fmt.Sprint(g.fleet.Requests()))
	}
}
