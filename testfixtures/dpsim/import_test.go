package dpsim_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/dpsim/config"
	"github.com/dprun/dprun/testfixtures/need"
)

// carry imports a package into a domain. The switches are those of a restore
// unless others are given.
func (g *gateway) carry(domain string, raw []byte, switches string, children ...string) string {
	g.t.Helper()
	if switches == "" {
		switches = `dry-run="false" overwrite-objects="true" overwrite-files="true" rewrite-local-ip="false"`
	}
	return g.ask(domain, `<m:do-import source-type="ZIP" `+switches+`><m:input-file>`+base64.StdEncoding.EncodeToString(raw)+`</m:input-file>`+strings.Join(children, "")+`</m:do-import>`)
}

const (
	dryRun    = `dry-run="true" overwrite-objects="true" overwrite-files="true" rewrite-local-ip="false"`
	keeping   = `dry-run="false" overwrite-objects="false" overwrite-files="false" rewrite-local-ip="false"`
	rewriting = `dry-run="false" overwrite-objects="true" overwrite-files="true" rewrite-local-ip="true"`
)

// pack makes an export of a few objects and files.
func pack(t *testing.T, domain, objects string, files map[string]string, more ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	list := strings.Join(more, "")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		source := strings.Replace(name, ":///", "/", 1)
		w := need.Value(z.Create(source))(t)
		need.Value(w.Write([]byte(files[name])))(t)
		list += fmt.Sprintf(`<file name="%s" src="%s" location="local" hash="x"/>`, name, source)
	}
	w := need.Value(z.Create("export.xml"))(t)
	fmt.Fprintf(w, `<datapower-configuration version="3"><export-details><domain>%[1]s</domain></export-details><interface-data><interface name="mgt0" ip-addr="192.0.2.77"/></interface-data><configuration domain="%[1]s">%[2]s</configuration><files>%[3]s</files></datapower-configuration>`, domain, objects, list)
	need.Done(t, z.Close())
	return b.Bytes()
}

// contents are the objects and files of an export, without what tells where and
// when it was made.
func contents(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	p := need.Value(config.Read(bytes.NewReader(raw), int64(len(raw))))(t)
	out := map[string]string{}
	for _, o := range p.Objects {
		var b strings.Builder
		for _, property := range o.Properties {
			b.WriteString(property.Element)
		}
		out[o.Class+" "+o.Name] = o.Attributes + b.String()
	}
	for _, f := range p.Files {
		if store, _ := f.Store(); !f.Internal && store != "config" {
			out[f.Name] = f.Hash
		}
	}
	return out
}

// row is the state of an object: up or down, enabled or disabled, and its config state.
func (g *gateway) row(domain, class, name string) string {
	g.t.Helper()
	m := regexp.MustCompile(`<Class>` + class + `</Class><OpState>(\w+)</OpState><AdminState>(\w+)</AdminState><Name>` + regexp.QuoteMeta(name) + `</Name><EventCode>(\w+)</EventCode>(?:<ErrorCode/>|<ErrorCode>([^<]*)</ErrorCode>)<ConfigState>(\w+)</ConfigState>`).
		FindStringSubmatch(g.ask(domain, `<m:get-status class="ObjectStatus"/>`))
	if m == nil {
		return "absent"
	}
	return strings.TrimSpace(m[1] + " " + m[2] + " " + m[5] + " " + m[4])
}

func (g *gateway) newDomain(name string) {
	g.t.Helper()
	want(g.t, g.ask("default", `<m:set-config><Domain name="`+name+`"/></m:set-config>`), okResult)
}

func TestAnImportedExportIsExportedAsItWas(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "app01", MissingFiles: 1, Objects: []dpsim.Object{{Class: "LogTarget", Name: "log", State: "disabled"}, {Class: "XMLManager", Name: "default"}}}, {Name: "app02"}}})
	for _, from := range []string{"app01", "app02"} {
		raw := g.export(from, true)
		g.newDomain("new-" + from)
		want(t, g.carry("new-"+from, raw, ""), `<import-results domain="new-`+from+`">`, `status="SUCCESS"`, `result="OK"`, "<exec-script-results>", "<file-copy-log>")
		before, after := contents(t, raw), contents(t, g.export("new-"+from, false))
		for name, o := range map[string]string{"XMLManager default": before["XMLManager default"]} {
			if _, there := after[name]; !there || o == "" {
				t.Errorf("%s is gone", name)
			}
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s, imported and exported again (-first +second):\n%s", from, diff)
		}
	}
}

func TestAnImportIsSavedByItsOwnStepAndForgottenByARestart(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	raw := pack(t, "app01", `<HTTPUserAgent name="u"><Timeout>7</Timeout></HTTPUserAgent><XMLManager name="default"><CacheSize>1</CacheSize></XMLManager>`, map[string]string{"local:///a/b.txt": "hello"})
	saved := func() bool { return !f.State().Device("gw").Domains[1].SaveNeeded }
	dry := g.carry("app01", raw, dryRun)
	want(t, dry, `<object class="HTTPUserAgent" name="u" status="new"/>`, `<object class="XMLManager" name="default" status="changed"/>`, `<file name="local:///a/b.txt"`, "<detected-errors>false</detected-errors>")
	wantNot(t, dry, "exec-script-results", "file-copy-log")
	if !saved() || g.row("app01", "HTTPUserAgent", "u") != "absent" || len(f.State().Device("gw").Files) > 0 {
		t.Error("a dry run changed something")
	}
	want(t, g.carry("app01", raw, ""), "exec-script-results")
	if got := []string{g.row("app01", "HTTPUserAgent", "u"), g.row("app01", "XMLManager", "default"), g.row("app01", "MultiProtocolGateway", "app01")}; !slices.Equal(got, []string{"up enabled new", "up enabled modified", "up enabled saved"}) || saved() {
		t.Errorf("states %q, saved %t", got, saved())
	}
	want(t, string(g.fileOf("app01", "local:///a/b.txt")), "hello")
	want(t, g.ask("app01", `<m:get-filestore location="local:"/>`), `<directory name="local:/a">`)
	if _, there := contents(t, g.export("app01", true))["HTTPUserAgent u"]; there {
		t.Error("the persisted export holds what was not saved")
	}
	want(t, g.in("app01", `<RestartThisDomain/>`), okResult)
	if got := g.row("app01", "HTTPUserAgent", "u"); got != "absent" || !saved() {
		t.Errorf("after a restart: %s", got)
	}
	want(t, string(g.fileOf("app01", "local:///a/b.txt")), "hello") // files are written at once

	g.carry("app01", raw, "")
	want(t, g.in("app01", `<SaveConfig/>`), okResult)
	want(t, g.in("app01", `<RestartThisDomain/>`), okResult)
	if got := g.row("app01", "HTTPUserAgent", "u"); got != "up enabled saved" || !saved() {
		t.Errorf("after a save and a restart: %s", got)
	}
	if got := contents(t, g.export("app01", true)); !strings.Contains(got["XMLManager default"], "<CacheSize>1</CacheSize>") || strings.Contains(got["XMLManager default"], "UserAgent") || got["MultiProtocolGateway app01"] == "" {
		t.Errorf("an object is replaced as a whole, and others stay: %v", got)
	}
}

func (g *gateway) fileOf(domain, name string) []byte {
	g.t.Helper()
	return g.file(g.ask(domain, `<m:get-file name="`+name+`"/>`))
}

func TestWhatIsThereStaysWhereNothingIsToBeOverwritten(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	raw := func(text string) []byte {
		return pack(t, "app01", `<HTTPUserAgent name="default"><Timeout>`+text+`</Timeout></HTTPUserAgent><HTTPUserAgent name="n`+text+`"/>`, map[string]string{"local:///a.txt": text})
	}
	g.carry("app01", raw("1"), "")
	want(t, g.carry("app01", raw("2"), keeping), `<file-result name="local:///a.txt" result="ignored"/>`, `<cfg-result class="HTTPUserAgent" name="n2" status="SUCCESS"/></exec-script-results>`)
	want(t, string(g.fileOf("app01", "local:///a.txt")), "1")
	want(t, g.ask("app01", `<m:get-config class="HTTPUserAgent" name="default"/>`), "<Timeout>1</Timeout>")
	want(t, g.carry("app01", raw("3"), keeping, `<m:object class="HTTPUserAgent" name="default" overwrite="true"/>`), `name="default"`)
	want(t, g.ask("app01", `<m:get-config class="HTTPUserAgent"/>`), "<Timeout>3</Timeout>")
	wantNot(t, g.ask("app01", `<m:get-config class="HTTPUserAgent"/>`), `name="n3"`)
}

func TestStatesFollowFromReferencesFilesAndPorts(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 2})
	listener := func(name, port string) string {
		return `<HTTPSourceProtocolHandler name="` + name + `"><mAdminState>enabled</mAdminState><LocalAddress>0.0.0.0</LocalAddress><LocalPort>` + port + `</LocalPort></HTTPSourceProtocolHandler>`
	}
	objects := `<CryptoCertificate name="c"><Filename>cert:///c.pem</Filename></CryptoCertificate>` +
		`<CryptoValCred name="v"><Certificate class="CryptoCertificate">c</Certificate></CryptoValCred>` +
		`<SSLClientProfile name="s"><Valcred class="CryptoValCred">v</Valcred></SSLClientProfile>` +
		`<SSLServerProfile name="absent"><Valcred class="CryptoValCred">none</Valcred></SSLServerProfile>` +
		`<HTTPUserAgent name="off"><mAdminState>disabled</mAdminState></HTTPUserAgent>` +
		`<TCPProxyService name="tcp"><mAdminState>disabled</mAdminState><LocalPort>9001</LocalPort></TCPProxyService>` + listener("first", "9000")
	raw := pack(t, "app01", objects, nil, `<file name="cert:///c.pem" src="cert/c.pem" location="cert" key="true"/>`)
	want(t, g.carry("app01", raw, ""), `<file name="cert:///c.pem" src="cert/c.pem" status="missing-key"`, "<detected-errors>true</detected-errors>", `<cfg-result class="CryptoCertificate" name="c" status="SUCCESS"/>`)
	states := func(domain string) map[string]string {
		out := map[string]string{}
		for _, o := range [][2]string{{"CryptoCertificate", "c"}, {"CryptoValCred", "v"}, {"SSLClientProfile", "s"}, {"SSLServerProfile", "absent"}, {"HTTPUserAgent", "off"}, {"TCPProxyService", "tcp"}, {"HTTPSourceProtocolHandler", "first"}} {
			out[o[1]] = g.row(domain, o[0], o[1])
		}
		return out
	}
	const chain = "down enabled new required referenced object not up"
	if diff := cmp.Diff(map[string]string{
		"c": "down enabled new Certificate file 'cert:///c.pem' unreadable", "v": chain, "s": chain, "absent": chain,
		"off": "down disabled new Object is disabled", "tcp": "up enabled new", "first": "up enabled new",
	}, states("app01")); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	want(t, g.ask("app01", `<m:set-file name="cert:///c.pem">YQ==</m:set-file>`), okResult)
	if got := states("app01"); got["c"] != "up enabled new" || got["s"] != "up enabled new" {
		t.Errorf("with the certificate there: %v", got)
	}

	want(t, g.carry("app02", raw, ""), "SUCCESS")
	if got := g.row("app02", "HTTPSourceProtocolHandler", "first"); got != "down enabled new failed to install on port" {
		t.Errorf("a second listener of a port: %s", got)
	}
	want(t, g.carry("app02", pack(t, "app01", listener("first", "9002"), nil), ""), "SUCCESS")
	if got := g.row("app02", "HTTPSourceProtocolHandler", "first"); got != "up enabled modified" {
		t.Errorf("at another port: %s", got)
	}
}

func TestAnImportSkipsWithoutAWord(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, Unlicensed: []string{"TibcoEMSServer"}, Access: []string{
		"*/*/*?Access=r+w+a+d+x", "*/*/network/user-agent?Access=r", "*/*/file/local?Access=r"}})
	raw := pack(t, "app01", `<NoSuchThing name="x"/><TibcoEMSServer name="t"/><HTTPUserAgent name="denied"/><Matching name="m"/><Domain name="d"/>`, map[string]string{"local:///a.txt": "a"})
	answer := g.carry("app01", raw, "")
	want(t, answer, `<exec-script-results><cfg-result class="Matching" name="m" status="SUCCESS"/><cfg-result class="Domain" name="d" status="ERROR"/></exec-script-results><file-copy-log/>`, "<detected-errors>false</detected-errors>")
	for class, name := range map[string]string{"NoSuchThing": "x", "TibcoEMSServer": "t", "HTTPUserAgent": "denied", "Domain": "d"} {
		if got := g.row("app01", class, name); got != "absent" {
			t.Errorf("%s is there: %s", class, got)
		}
	}
	want(t, strings.Join(f.State().Device("gw").Domains[1].ImportLog, "\n"), "Unknown command or macro (NoSuchThing)", "Because of permissions, skip to import the configuration.", "skip to import the file 'local:///a.txt'")
}

func TestAPolicyAcceptsFiltersAndChanges(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	objects := `<HTTPSourceProtocolHandler name="a"><mAdminState>enabled</mAdminState><LocalPort>9100</LocalPort></HTTPSourceProtocolHandler><HTTPSourceProtocolHandler name="b"><mAdminState>enabled</mAdminState></HTTPSourceProtocolHandler><TCPProxyService name="t"/><LogTarget name="l"><Type>syslog</Type></LogTarget>`
	raw := pack(t, "source", objects, map[string]string{"local:///kept.txt": "a"})
	modify := func(match, value string) string {
		return `<ModifiedConfig><Match>` + match + `</Match><Type>change</Type><Property/><Value>` + value + `</Value></ModifiedConfig>`
	}
	policy := `<m:deployment-policy name="p"><AcceptedConfig>*/*/protocol/http</AcceptedConfig><AcceptedConfig>*/*/services/*</AcceptedConfig><AcceptedConfig>*/*/services/tcpproxy</AcceptedConfig><FilteredConfig>*/source/services/tcpproxy?Name=.*</FilteredConfig>` +
		modify(`*/*/protocol/http?Name=a&amp;Property=mAdminState&amp;Value=enabled`, "disabled") + modify(`*/*/*?Name=.*&amp;Property=mAdminState`, "enabled") +
		modify(`*/*/protocol/http?Name=a&amp;Property=LocalPort`, "${port}") + `</m:deployment-policy>`
	answer := g.carry("app01", raw, "", policy, `<m:deployment-policy-variables><DeploymentPolicyParameter><ParameterName>port</ParameterName><ParameterValue>9200</ParameterValue></DeploymentPolicyParameter></m:deployment-policy-variables>`)
	wantNot(t, answer, `name="t"`, `name="l"`)
	want(t, answer, `name="a" status="SUCCESS"`, `name="b" status="SUCCESS"`, `<file-result name="local:///kept.txt" result="OK"/>`)
	if got := g.row("app01", "HTTPSourceProtocolHandler", "a"); got != "down disabled new Object is disabled" {
		t.Errorf("the first statement wins: %s", got)
	}
	want(t, g.ask("app01", `<m:get-config class="HTTPSourceProtocolHandler" name="a"/>`), "<LocalPort>9200</LocalPort>")
	want(t, strings.Join(f.State().Device("gw").Domains[1].ImportLog, "\n"), "filter statement #: 1.", "non-matching deployment policy accept statement", "conflicting deployment policy modify statement # 2.", "Changed LocalPort from 9100 to 9200")
	want(t, g.carry("app01", raw, "", policy), "Cannot find variable port in deployment policy variables configuration.")
	want(t, g.carry("app01", raw, dryRun+` deployment-policy="none"`), "Cannot find referenced deployment policy none.")
	want(t, g.carry("app01", raw, dryRun, `<m:deployment-policy><FilteredConfig>nonsense</FilteredConfig></m:deployment-policy>`), "is not valid")
}

func TestLocalAddressesBecomeThoseOfTheSameInterface(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1, Address: "192.0.2.33"})
	raw := pack(t, "app01", `<HTTPSourceProtocolHandler name="h"><LocalAddress>192.0.2.77</LocalAddress></HTTPSourceProtocolHandler>`, nil)
	read := func() string { return g.ask("app01", `<m:get-config class="HTTPSourceProtocolHandler" name="h"/>`) }
	g.carry("app01", raw, "")
	want(t, read(), "192.0.2.77")
	g.carry("app01", raw, rewriting)
	want(t, read(), "<LocalAddress>192.0.2.33</LocalAddress>")
}

func TestImportsFailAsTheirFaultsSay(t *testing.T) {
	t.Parallel()
	raw := func(t *testing.T) []byte {
		return pack(t, "app01", `<Matching name="m"/><HTTPUserAgent name="u"/>`, map[string]string{"local:///a.txt": "a", "local:///b.txt": "b"})
	}
	for name, c := range map[string]struct {
		fault    dpsim.Fault
		has, not []string
	}{
		"refused":        {dpsim.Fault{Kind: "import_refused"}, []string{"Import failed.", "log-event"}, []string{"dp:import>"}},
		"full":           {dpsim.Fault{Kind: "import_disk_full"}, []string{"Import: File system full."}, []string{"dp:import>"}},
		"object":         {dpsim.Fault{Kind: "import_object_fails", File: "Matching/m"}, []string{`name="m" status="ERROR"`, `name="u" status="SUCCESS"`}, nil},
		"object skipped": {dpsim.Fault{Kind: "import_object_skipped", File: "Matching"}, []string{`name="u" status="SUCCESS"`, "<detected-errors>false"}, []string{`name="m" status="SUCCESS"`, "ERROR"}},
		"file":           {dpsim.Fault{Kind: "import_file_fails", File: "local:///a.txt"}, []string{`<file-result name="local:///a.txt" result="ERROR"><reason>No access to file</reason></file-result>`, `name="local:///b.txt" result="OK"`}, nil},
		"file skipped":   {dpsim.Fault{Kind: "import_file_skipped"}, []string{"<file-copy-log/>"}, []string{"ERROR"}},
		"detected":       {dpsim.Fault{Kind: "import_detected_errors"}, []string{"<detected-errors>true"}, nil},
		"word":           {dpsim.Fault{Kind: "import_word", Text: "pending"}, []string{`status="pending"`, `result="pending"`}, []string{"SUCCESS"}},
		"no logs":        {dpsim.Fault{Kind: "import_no_logs"}, []string{"imported-objects"}, []string{"exec-script-results", "file-copy-log"}},
		"no domain":      {dpsim.Fault{Kind: "import_no_domain"}, []string{"<import-results><export-details>"}, nil},
		"order":          {dpsim.Fault{Kind: "import_order"}, []string{`<import-results domain="app01"><file-copy-log>`}, nil},
		"empty":          {dpsim.Fault{Kind: "import_empty"}, []string{`<import-results domain="app01"/>`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{c.fault}})
			answer := g.carry("app01", raw(t), "")
			want(t, answer, c.has...)
			wantNot(t, answer, c.not...)
		})
	}
	_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "port_in_use"}, {Kind: "no_reply_but_done", Operation: "do-import", Count: 1}}})
	if _, err := g.try("app01", `<m:do-import source-type="ZIP" `+rewriting+`><m:input-file>`+base64.StdEncoding.EncodeToString(pack(t, "app01", `<HTTPSourceProtocolHandler name="h"><LocalPort>9300</LocalPort></HTTPSourceProtocolHandler>`, nil))+`</m:input-file></m:do-import>`); err == nil {
		t.Error("the connection was not lost")
	}
	if got := g.row("app01", "HTTPSourceProtocolHandler", "h"); got != "down enabled new failed to install on port" {
		t.Errorf("applied, and the port in use: %s", got)
	}
	want(t, g.carry("app01", []byte("no archive"), ""), "Unable to uncompress")
	want(t, g.ask("app01", `<m:do-import source-type="ZIP"><m:input-file>*</m:input-file></m:do-import>`), "Import failed.")
	want(t, g.carry("none", raw(t), ""), "does not exist")
}

func TestARollbackRewindsFilesAndIsNotSaved(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, Timings: &dpsim.Timings{Checkpoint: "5s"}})
	first := contents(t, g.export("app01", true))
	want(t, g.in("app01", `<SaveCheckpoint><ChkName>c0</ChkName></SaveCheckpoint>`), okResult)
	raw := func(text string) []byte {
		return pack(t, "app01", `<HTTPUserAgent name="u"><Timeout>`+text+`</Timeout></HTTPUserAgent>`, map[string]string{"local:///a.txt": text, "local:///dir/" + text: text})
	}
	g.carry("app01", raw("1"), "")
	want(t, g.in("app01", `<SaveCheckpoint><ChkName>c1</ChkName></SaveCheckpoint>`), okResult)
	f.Clock().Advance(5 * time.Second)
	g.carry("app01", raw("2"), "")
	want(t, g.in("app01", `<SaveConfig/>`), okResult)

	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>c1</ChkName></RollbackCheckpoint>`), okResult)
	want(t, g.status("DomainStatus"), "<Domain>app01</Domain><SaveNeeded>on</SaveNeeded>", "<CurrentCommand>rollback chkpoint</CurrentCommand>")
	if got := g.row("app01", "MultiProtocolGateway", "app01"); !strings.HasPrefix(got, "down") {
		t.Errorf("while the domain restarts: %s", got)
	}
	f.Clock().Advance(5 * time.Second)
	if got := g.row("app01", "MultiProtocolGateway", "app01"); got != "up enabled saved" {
		t.Errorf("after the restart: %s", got)
	}
	want(t, string(g.fileOf("app01", "local:///a.txt")), "1")
	want(t, g.ask("app01", `<m:get-file name="local:///dir/2"/>`), "Cannot read")
	want(t, g.ask("app01", `<m:get-config class="HTTPUserAgent" name="u"/>`), "<Timeout>1</Timeout>")
	want(t, g.in("app01", `<RestartThisDomain/>`), okResult) // without SaveConfig: the startup configuration is back
	want(t, g.ask("app01", `<m:get-config class="HTTPUserAgent" name="u"/>`), "<Timeout>2</Timeout>")

	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>c0</ChkName></RollbackCheckpoint>`), okResult)
	if diff := cmp.Diff(first, contents(t, g.export("app01", false))); diff != "" {
		t.Errorf("rolled back to the beginning (-then +now):\n%s", diff)
	}
	want(t, g.in("app01", `<SaveCheckpoint><ChkName>a.b</ChkName></SaveCheckpoint>`), "is not valid name")
	f.AddFault(dpsim.Fault{Kind: "rollback_fails", Count: 1})
	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>c1</ChkName></RollbackCheckpoint>`), okResult)
	if got := g.row("app01", "HTTPUserAgent", "u"); got != "absent" {
		t.Errorf("a rollback that fails brought %s", got)
	}
	f.AddFault(dpsim.Fault{Kind: "checkpoint_never_saved", Count: 1})
	want(t, g.in("app01", `<SaveCheckpoint><ChkName>c2</ChkName></SaveCheckpoint>`), okResult)
	f.Clock().Advance(time.Minute)
	wantNot(t, g.ask("app01", `<m:get-status class="DomainCheckpointStatus"/>`), "c2")
}

func TestADomainThatIsNotSavedIsGoneAfterAReboot(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	g.newDomain("kept")
	want(t, g.in("default", `<SaveConfig/>`), okResult)
	g.newDomain("lost")
	want(t, g.in("default", `<RestartThisDomain/>`), okResult)
	text := g.status("DomainStatus")
	want(t, text, "<Domain>kept</Domain>", "<Domain>app01</Domain>")
	wantNot(t, text, "<Domain>lost</Domain>")
}

func TestADomainsDeletionTakesTimeOrIsRefused(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "domain_delete_refused", Count: 1}, {Kind: "domain_delete_slow", Duration: "1m"}}})
	remove := func() string { return g.ask("default", `<m:del-config><Domain name="app01"/></m:del-config>`) }
	want(t, remove(), "cannot be deleted until all users are logged out")
	want(t, remove(), okResult)
	want(t, g.status("DomainStatus"), "<Domain>app01</Domain>", "<CurrentCommand>no domain</CurrentCommand>")
	f.Clock().Advance(time.Minute)
	wantNot(t, g.status("DomainStatus"), "app01")
}

func TestABackupGivenToAnImportMakesTheDomainsItHolds(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	raw := g.file(g.ask("default", `<m:do-backup format="ZIP" persisted="true"><m:domain name="app01"/></m:do-backup>`))
	_, z := entryNames(t, raw)
	first := contents(t, []byte(entryText(t, z, "app01.zip")))
	want(t, g.ask("default", `<m:del-config><Domain name="app01"/></m:del-config>`), okResult)
	want(t, g.carry("default", raw, ""), `status="SUCCESS"`)
	if diff := cmp.Diff(first, contents(t, g.export("app01", false))); diff != "" {
		t.Errorf("a domain that came back (-first +second):\n%s", diff)
	}
}

// A gateway that serves an archive as it is runs what the archive holds.
func TestAnArchiveThatIsServedIsTheDomainsConfiguration(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/a.zip"
	raw := pack(t, "app01", `<Matching name="from the archive"/>`, map[string]string{"local:///a.txt": "hello"})
	need.Done(t, os.WriteFile(path, raw, 0o600))
	_, g := one(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "app01", Archive: path}}})
	if got := g.row("app01", "Matching", "from the archive"); got != "up enabled saved" {
		t.Errorf("the object of the archive is %s", got)
	}
	if !bytes.Equal(g.export("app01", true), raw) {
		t.Error("the archive is not served as it is")
	}
	want(t, g.carry("app01", pack(t, "app01", `<Matching name="later"/>`, nil), ""), "SUCCESS")
	got := contents(t, g.export("app01", false))
	if got["Matching later"] == "" && got["Matching from the archive"] == "" || got["local:///a.txt"] == "" {
		t.Errorf("after an import it exports %v", got)
	}
}
