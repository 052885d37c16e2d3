package dpsim_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func entryNames(t *testing.T, raw []byte) (names []string, z *zip.Reader) {
	t.Helper()
	z = need.Value(zip.NewReader(bytes.NewReader(raw), int64(len(raw))))(t)
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names, z
}

func entryText(t *testing.T, z *zip.Reader, name string) string {
	t.Helper()
	f := need.Value(z.Open(name))(t)
	b := need.Value(io.ReadAll(f))(t)
	return string(b)
}

// The archives inside a backup are stored with mode 0644; which entries come first depends on the firmware. IBM's own client
// sends an empty domain first.
func TestBackupsNestArchivesAsTheirFirmwareDoes(t *testing.T) {
	t.Parallel()
	const backup = `<m:do-backup format="ZIP" persisted="true"><m:user-comment>c</m:user-comment><m:domain name=""/><m:domain name="default"/><m:domain name="app01"/></m:do-backup>`
	for firmware, c := range map[string]struct {
		first   string
		method  uint16
		dirMode uint32
	}{
		"XI50.6": {"dp-aux/", zip.Deflate, 0o40755}, "IDG.10.0.1": {"dp-aux/", zip.Store, 0o40755}, "IDG.10.5": {"default.zip", zip.Store, 0o42755},
	} {
		_, g := one(t, dpsim.Device{Firmware: firmware, AppDomains: 1})
		names, z := entryNames(t, g.file(g.ask("default", backup)))
		if names[0] != c.first {
			t.Errorf("%s: the first entry is %s, want %s", firmware, names[0], c.first)
		}
		for _, f := range z.File {
			mode := f.ExternalAttrs >> 16
			switch {
			case f.Name == "app01.zip" && (f.Method != c.method || c.method == zip.Store && mode != 0o100644):
				t.Errorf("%s: %s has method %d and mode %o", firmware, f.Name, f.Method, mode)
			case f.Name == "dp-aux/" && mode != c.dirMode:
				t.Errorf("%s: %s has mode %o, want %o", firmware, f.Name, mode, c.dirMode)
			}
		}
		if _, inner := entryNames(t, []byte(entryText(t, z, "app01.zip"))); !strings.Contains(entryText(t, inner, "export.xml"), `domain="app01"`) {
			t.Errorf("%s: the inner archive is of something else", firmware)
		}
	}
}

func TestExportsCarryTheirTimeAndComment(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, SystemName: "Gateway QA / DE: it's", Serial: "00505 20338", Platform: "virtual"})
	export := func(comment string) []byte {
		return g.file(g.ask("app01", `<m:do-export format="ZIP" persisted="true"><m:user-comment>`+comment+`</m:user-comment><m:object class="all-classes" name="all-objects"/></m:do-export>`))
	}
	first := export("one &amp; only")
	f.Clock().Advance(90 * time.Second)
	second := export("two")
	_, z := entryNames(t, first)
	text := entryText(t, z, "export.xml")
	want(t, text, "<comment>one &amp; only</comment>", "<current-date>2026-03-01</current-date><current-time>07:00:00 EST</current-time>",
		"<device-name>Gateway QA / DE: it's</device-name>", "<serial-number>00505 20338</serial-number>")
	wantNot(t, text, "intrusion-detection")
	_, z = entryNames(t, second)
	want(t, entryText(t, z, "export.xml"), "<comment>two</comment>", "07:01:30 EST")
	if bytes.Equal(first, second) || len(first) != len(second) {
		t.Errorf("two exports of one configuration have %d and %d bytes and are equal: %t", len(first), len(second), bytes.Equal(first, second))
	}
	_, z = entryNames(t, g.file(g.ask("app01", `<m:do-export format="ZIP"><m:object class="all-classes" name="all-objects"/></m:do-export>`)))
	xml := string(g.file(g.ask("app01", `<m:do-export format="XML"><m:object class="all-classes" name="all-objects"/></m:do-export>`)))
	if xml != entryText(t, z, "export.xml") {
		t.Errorf("format XML gives %.200s", xml)
	}
}

func TestDefaultsExportOfNewFirmwareCarriesStores(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{Firmware: "IDG.10.5", ExportSize: "900KB"})
	names, _ := entryNames(t, g.export("default", true))
	want(t, strings.Join(names, "\n"), "store/map/default-00000.xsl", "tasktemplates/xsl/default-00000.xsl")
}

// The requests of public clients, one after the other.
func TestWhatClientsSendIsAnswered(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, Timings: &dpsim.Timings{Checkpoint: "1s"}})
	want(t, g.status("FirmwareStatus"), "<Version>IDG.10.0.1.5</Version>", "<BootCount>")
	want(t, g.ask("default", `<m:get-status/>`), "<DomainStatus", "<FirmwareStatus", "<ObjectStatus", "<MemoryStatus")
	domains := g.ask("default", `<m:get-config class="Domain"/>`)
	want(t, domains, `<FileMap read-only="true"><CopyFrom>on</CopyFrom>`, `<MonitoringMap><Audit>on</Audit><Log>on</Log></MonitoringMap>`, `<ConfigMode read-only="true">`)

	request := func(op string) string {
		return `<m:request xmlns:m="http://www.datapower.com/schemas/management" domain="app01">` + op + `</m:request>`
	}
	_, text, err := g.post(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + request(`<m:get-status class="CPUUsage"/>`) +
		request(`<m:set-config><XMLFirewallService name="fw"/></m:set-config>`) + request(`<m:get-status class="ObjectStatus"/>`) + `</e:Body></e:Envelope>`)
	if n := strings.Count(text, "<env:Envelope"); err != nil || n != 3 {
		t.Errorf("three requests in one body got %d envelopes, %v", n, err)
	}
	want(t, text, "<CPUUsage", "<dp:result>OK</dp:result>", "<Name>fw</Name>")
	if !f.State().Device("gw").Domains[1].SaveNeeded {
		t.Error("set-config leaves nothing to save")
	}

	in := func(op string) string { return g.ask("app01", `<m:do-action>`+op+`</m:do-action>`) }
	want(t, in(`<SaveCheckpoint><ChkName>before</ChkName></SaveCheckpoint>`), ">OK<")
	want(t, in(`<SaveCheckpoint><ChkName>before</ChkName></SaveCheckpoint>`), "already exists")
	want(t, g.ask("app01", `<m:get-status class="DomainCheckpointStatus"/>`), "<dp:status/>")
	want(t, g.status("DomainStatus"), "<CurrentCommand>save chkpoint</CurrentCommand>")
	f.Clock().Advance(time.Second)
	want(t, g.ask("app01", `<m:get-status class="DomainCheckpointStatus"/>`), "<ChkName>before</ChkName><Date>2026-03-01</Date>")
	want(t, in(`<RemoveCheckpoint><ChkName>before</ChkName></RemoveCheckpoint>`), ">OK<")
	want(t, in(`<FlushDocumentCache><XMLManager>default</XMLManager></FlushDocumentCache>`), ">OK<")
	want(t, in(`<ExecConfig><URL>config:///app01.cfg</URL></ExecConfig>`), ">OK<")
	want(t, in(`<ExecConfig><URL>config:///none.cfg</URL></ExecConfig>`), "must be text file")
	quiesce(g, "app01")
	want(t, in(`<RestartThisDomain/>`), ">OK<")
	if s := g.state("app01"); s != "" || f.State().Device("gw").Domains[1].SaveNeeded {
		t.Errorf("after a restart: state %q", s)
	}
}

func TestStoresAreNeverEmpty(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	all := g.ask("app01", `<m:get-filestore/>`)
	want(t, all, `<file name="app01.cfg">`, `<file name="default-log">`, `<file name="default-log-xml">`, `<directory name="store:/schemas">`)
	if n := strings.Count(g.ask("app01", `<m:get-filestore location="store:"/>`), "<file "); n < 300 {
		t.Errorf("store: holds %d files", n)
	}
	want(t, string(g.get("config:///default.cfg")), "config:/default.cfg of domain default")
	if files := f.State().Device("gw").Files; len(files) != 0 {
		t.Errorf("the state lists %+v", files)
	}
}
