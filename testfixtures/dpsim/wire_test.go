package dpsim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestReplyHasTheAppliancesShape(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{})
	resp, text, err := g.post(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><request xmlns="http://www.datapower.com/schemas/management"><do-action><SaveConfig xmlns=""/></do-action></request></Body></Envelope>`)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != "200 Good" || resp.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("status %q, content type %q", resp.Status, resp.Header.Get("Content-Type"))
	}
	wanted := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><dp:response xmlns:dp="http://www.datapower.com/schemas/management"><dp:timestamp>2026-03-01T07:00:00-05:00</dp:timestamp><dp:result>OK</dp:result></dp:response></env:Body></env:Envelope>`
	if diff := cmp.Diff(wanted, text); diff != "" {
		t.Error(diff)
	}
}

func TestTimestampIsZInUTC(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{Timezone: "+00:00"})
	want(t, g.status("SystemUsage"), "<dp:timestamp>2026-03-01T12:00:00Z</dp:timestamp>")
}

func TestWrongPasswordIsRefusedWithoutTimestampAndCounted(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{})
	g.password = "wrong"
	text := g.status("DomainStatus")
	want(t, text, "<dp:result>Authentication failure</dp:result>")
	wantNot(t, text, "timestamp")
	if s := f.State().Device("gw"); s.FailedLogins != 1 || s.Total != 1 || len(s.Operations) != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestUnparsableRequestGetsAFault(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{})
	for _, body := range []string{"", "<a>", "<Envelope/>", `<Envelope><Body><request xmlns="http://www.datapower.com/schemas/management"/></Body></Envelope>`} {
		resp, text, err := g.post(body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 500 {
			t.Errorf("%q: status %d", body, resp.StatusCode)
		}
		want(t, text, "<env:Fault>", "<faultstring>Internal Error (from client)</faultstring>")
	}
}

func TestFirmwareProfiles(t *testing.T) {
	t.Parallel()
	cases := []struct {
		firmware, ok, event            string
		version3, extended, secureMode bool
	}{
		{"XI50.6", "<dp:result>\n            OK\n    </dp:result>", "<log-event", false, false, false},
		{"IDG.7.5", "<dp:result>OK</dp:result>", "<log-event", false, false, true},
		{"IDG.2018.4.1", "<dp:result>OK</dp:result>", "<dp:log-event", true, true, true},
		{"IDG.10.0.1", "<dp:result>OK</dp:result>", "<dp:log-event", true, true, true},
		{"IDG.10.5", "<dp:result>OK</dp:result>", "<dp:log-event", true, true, true},
	}
	for _, c := range cases {
		t.Run(c.firmware, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, dpsim.Device{Firmware: c.firmware})
			want(t, g.act("SaveConfig"), c.ok)
			want(t, g.act("DeleteFile", "File", "temporary:///none"), c.event, "No such file or directory named temporary:///none exists")
			for text, there := range map[string]bool{
				g.status("FirmwareVersion3"):                                 c.version3,
				g.ask("default", `<m:get-config class="SecureBackupMode"/>`): c.secureMode,
			} {
				if there == strings.Contains(text, "error-log") {
					t.Errorf("class there: %t, yet %.300s", there, text)
				}
			}
			want(t, g.status("FirmwareVersion"), "<Version>"+c.firmware)
			if got := strings.Contains(g.status("DomainStatus"), "<InterfaceState>ok</InterfaceState><FailsafeMode>none</FailsafeMode>"); got != c.extended {
				t.Errorf("InterfaceState there: %t", got)
			}
		})
	}
}

func TestStatusAndConfigRowsDeclareAnUnusedNamespace(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{
		AppDomains: 1, BackupMode: "normal", CPUPercent: 17,
		Certificates: []dpsim.Certificate{{Name: "sb"}, {Name: "old", State: "expired"}},
		Domains:      []dpsim.Domain{{Name: "api", APIC: true, SaveNeeded: true, FailsafeMode: "management"}},
		Peerings:     []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}, Primary: true}},
		Standbys:     []dpsim.Standby{{Interface: "eth1", Group: 5, State: "active"}},
	})
	const ns = ` xmlns:env="http://www.w3.org/2003/05/soap-envelope"`
	cases := map[string][]string{
		`<m:get-status class="DomainStatus"/>`:                    {"<dp:status><DomainStatus" + ns + "><Domain>default</Domain><SaveNeeded>off</SaveNeeded>", "<Domain>api</Domain><SaveNeeded>on</SaveNeeded>", "<CurrentCommand/><QuiesceState/>", "<FailsafeMode>management</FailsafeMode>"},
		`<m:get-status class="DomainSummary"/>`:                   {"<DomainSummary" + ns + "><Domain>app01</Domain><Quiesce/></DomainSummary>"},
		`<m:get-status class="FilesystemStatus"/>`:                {"<FreeTemporary>3000</FreeTemporary><TotalTemporary>4000</TotalTemporary>"},
		`<m:get-status class="CPUUsage"/>`:                        {"<tenSeconds>17</tenSeconds>"},
		`<m:get-status class="DateTimeStatus"/>`:                  {"<time>Sun Mar  1 07:00:00 2026</time>", "<uptime2>2 days 14:27:38</uptime2>"},
		`<m:get-status class="ObjectStatus"/>`:                    {"<Class>CryptoCertificate</Class><OpState>down</OpState><AdminState>enabled</AdminState><Name>old</Name>"},
		`<m:get-status class="GatewayPeeringStatus"/>`:            {"<Name>gwp</Name>", "<Primary>yes</Primary>", "<Address>192.0.2.11</Address>"},
		`<m:get-status class="StandbyStatus2"/>`:                  {"<Name>eth1</Name><Group>5</Group>", "<State>active</State>"},
		`<m:get-status class="DomainCheckpointStatus"/>`:          {"<dp:status/>"},
		`<m:get-config class="SystemSettings"/>`:                  {`<SystemSettings name="SystemSettings" intrinsic="true"` + ns + ">", `<BackupMode read-only="true">normal</BackupMode>`},
		`<m:get-config class="Domain"/>`:                          {`<Domain name="default" intrinsic="true" read-only="true"` + ns, `<NeighborDomain class="Domain">default</NeighborDomain>`},
		`<m:get-config class="CryptoCertificate" name="sb"/>`:     {`<CryptoCertificate name="sb"`, "<Filename>cert:///sb.pem</Filename>"},
		`<m:get-config class="CryptoCertificate" name="absent"/>`: {"<dp:config/>"},
		`<m:get-config class="GatewayPeering"/>`:                  {`<GatewayPeering name="gwp"`},
		`<m:get-config class="APIConnectGatewayService"/>`:        {"<dp:config/>"},
	}
	for op, parts := range cases {
		text := g.ask("default", op)
		want(t, text, parts...)
		if strings.Count(text, "\n") != 1 {
			t.Errorf("%s: the reply's body is not one line", op)
		}
	}
	want(t, g.ask("api", `<m:get-config class="APIConnectGatewayService"/>`), `<APIConnectGatewayService name="default"`)
	want(t, g.ask("default", `<m:get-status class="DeviceSettings"/>`), "error-log")
	want(t, g.ask("nowhere", `<m:get-status class="DomainStatus"/>`), "error-log")
}

func TestExportServesWhatStateTells(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, ExportSize: "200KB", Domains: []dpsim.Domain{{Name: "dirty", SaveNeeded: true, ExportSize: "40KiB"}}})
	archives := map[string][]byte{}
	for _, domain := range []string{"app01", "dirty"} {
		for _, persisted := range []bool{true, false} {
			raw := g.export(domain, persisted)
			if _, err := unzip(t, raw); err != nil {
				t.Errorf("%s: %v", domain, err)
			}
			archives[fmt.Sprint(domain, persisted)] = raw
		}
	}
	if n := len(archives["app01true"]); n != 200_000 {
		t.Errorf("archive of %d bytes, want 200000", n)
	}
	if n := len(archives["dirtytrue"]); n != 40*1024 {
		t.Errorf("archive of %d bytes, want 40 KiB", n)
	}
	if string(archives["app01true"]) != string(archives["app01false"]) {
		t.Error("without unsaved changes the two exports differ")
	}
	if string(archives["dirtytrue"]) == string(archives["dirtyfalse"]) {
		t.Error("with unsaved changes the two exports are equal")
	}
	got := map[string]string{}
	for _, e := range f.State().Device("gw").Exports {
		got[fmt.Sprint(e.Domain, e.Persisted)] = e.SHA256
	}
	wanted := map[string]string{}
	for k, raw := range archives {
		sum := sha256.Sum256(raw)
		wanted[k] = hex.EncodeToString(sum[:])
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
}

func TestExportReplyHasAnUnnamedFile(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{})
	text := g.ask("default", fmt.Sprintf(exportAll, true))
	if !regexp.MustCompile(`</dp:timestamp><dp:file>[A-Za-z0-9+/]+=*</dp:file></dp:response>`).MatchString(text) {
		t.Errorf("%.400s", text)
	}
}

func TestGivenArchiveIsServedAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.zip")
	need.Done(t, os.WriteFile(path, []byte("any bytes at all"), 0o600))
	_, g := one(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Archive: path}}})
	if got := string(g.export("orders", true)); got != "any bytes at all" {
		t.Errorf("served %q", got)
	}
}

func TestBackupHoldsTheDomainsAskedFor(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2})
	cases := map[string][]string{
		`<m:domain name="app02"/>`:                         {"app02.zip"},
		`<m:domain name="app01"/><m:domain name="app02"/>`: {"app01.zip", "app02.zip"},
		`<m:domain name="all-domains"/>`:                   {"app01.zip", "app02.zip", "default.zip"},
	}
	for domains, wanted := range cases {
		z := need.Value(unzip(t, g.file(g.ask("default", `<m:do-backup format="ZIP">`+domains+`</m:do-backup>`))))(t)
		for _, name := range append(wanted, "export.xml", "dp-aux/drMgmt.xml") {
			inner, err := z.Open(name)
			if err != nil {
				t.Errorf("%s: %v", domains, err)
				continue
			}
			raw, _ := io.ReadAll(inner)
			if strings.HasSuffix(name, ".zip") {
				if _, err := unzip(t, raw); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		nested := 0
		for _, file := range z.File {
			if strings.HasSuffix(file.Name, ".zip") {
				nested++
			}
		}
		if nested != len(wanted) {
			t.Errorf("%s: %d archives inside, want %d", domains, nested, len(wanted))
		}
	}
	want(t, g.ask("default", `<m:do-backup format="ZIP"><m:domain name="nowhere"/></m:do-backup>`), "<dp:result>ERROR</dp:result>")
	if files := f.State().Device("gw").Files; len(files) != 1 || files[0].Path != "export:/export.zip" {
		t.Errorf("files on the gateway: %+v", files)
	}
}

func TestFilestore(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{})
	set := func(name, content string) string {
		return g.ask("default", `<m:set-file name="`+name+`">`+content+`</m:set-file>`)
	}
	want(t, set("local:///a/b/x.txt", "aGVsbG8="), "error-log")
	want(t, g.act("CreateDir", "Dir", "local:///a/b"), ">OK<")
	want(t, g.act("CreateDir", "Dir", "local:///a/b"), ">OK<")
	want(t, g.act("CreateDir", "Dir", "temporary:///a"), "error-log")
	want(t, set("local:///a/b/x.txt", "aGVsbG8="), "<dp:result>OK</dp:result>")
	want(t, set("local:///a/empty", ""), ">OK<")
	refused := set("local:///a/b", "aGVsbG8=")
	want(t, refused, "<dp:timestamp>", "<dp:result>Authentication failure</dp:result>")
	for _, name := range []string{"local:/a/b/x.txt", "local://a/b/x.txt", "local:///a//b/x.txt"} {
		want(t, g.ask("default", `<m:get-file name="`+name+`"/>`), `<dp:file name="`+name+`">aGVsbG8=</dp:file>`)
	}
	want(t, g.ask("default", `<m:get-file name="local:///a/empty"/>`), `<dp:file name="local:///a/empty"/>`)
	want(t, g.ask("default", `<m:get-file name="local:///none"/>`), "<dp:result>Cannot read the specified file</dp:result>")
	listing := g.ask("default", `<m:get-filestore location="local:"/>`)
	want(t, listing, `<location name="local:" read="true" write="true"`, `<directory name="local:/a"><directory name="local:/a/b"><file name="x.txt"><size>5</size><modified>2026-03-01 07:00:00</modified></file></directory><file name="empty"><size>0</size>`)
	want(t, g.ask("default", `<m:get-filestore location="local:/a" layout-only="true"/>`), "<directories>1</directories><files>2</files>")
	want(t, g.ask("default", `<m:get-filestore location="cert:"/>`), `<location name="cert:" write="true" audit="true" log="true" del="true" list="true" xmlns`)
	want(t, g.act("DeleteFile", "File", "local:///a/empty"), ">OK<")
	want(t, g.act("RemoveDir", "Dir", "local:///a"), ">OK<")
	wantNot(t, g.ask("default", `<m:get-filestore location="local:"/>`), "local:/a", "x.txt", "empty")
}

func TestConnectionProbes(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{})
	want(t, g.act("Ping", "RemoteHost", "127.0.0.1"), ">OK<")
	want(t, g.act("Ping", "RemoteHost", "192.0.2.99"), "Host unreachable: '192.0.2.99'")
	want(t, g.act("TCPConnectionTest", "RemoteHost", "127.0.0.1", "RemotePort", fmt.Sprint(f.Device("gw").Port)), ">OK<")
}

func TestCountersAreRightOnceTheReplyIsThere(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{ExportSize: "30KB"})
	for n := 1; n <= 50; n++ {
		g.client.CloseIdleConnections() // a new connection, served by another goroutine
		g.export("default", true)
		s := f.State().Device("gw")
		if len(s.Exports) != 1 || s.Exports[0].Count != n || s.MaxInFlight != 1 {
			t.Fatalf("after %d exports: %+v, at most %d at a time", n, s.Exports, s.MaxInFlight)
		}
	}
}
