package dpsim_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// What public clients do beyond one request: they read back what they have
// set, and go on with it.

const okResult = ">OK<"

func (g *gateway) in(domain, action string) string {
	g.t.Helper()
	return g.ask(domain, `<m:do-action>`+action+`</m:do-action>`)
}

func TestDomainThatIsSetIsThereAndOneThatIsDeletedIsGone(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	want(t, g.ask("default", `<m:set-config><Domain name="new"><NeighborDomain>default</NeighborDomain></Domain></m:set-config>`), okResult)
	want(t, g.status("DomainStatus"), "<Domain>default</Domain><SaveNeeded>on</SaveNeeded>", "<Domain>new</Domain><SaveNeeded>off</SaveNeeded>")
	want(t, g.ask("default", `<m:get-config class="Domain" name="new"/>`), `<Domain name="new"`)
	want(t, g.ask("new", `<m:get-status class="ObjectStatus"/>`), "<Class>XMLManager</Class>")
	if _, err := unzip(t, g.export("new", true)); err != nil {
		t.Error(err)
	}
	want(t, g.ask("new", `<m:set-file name="local:///a.txt">YQ==</m:set-file>`), okResult)

	want(t, g.ask("default", `<m:del-config><Domain name="new"/></m:del-config>`), okResult)
	wantNot(t, g.status("DomainStatus"), "<Domain>new</Domain>")
	if files := f.State().Device("gw").Files; len(files) != 0 {
		t.Errorf("files of a domain that is gone: %+v", files)
	}
	want(t, g.ask("default", `<m:del-config><Domain name="new"/></m:del-config>`), "Cannot find configuration object")
	want(t, g.ask("default", `<m:del-config><Domain name="default"/></m:del-config>`), "error-log")
	want(t, g.ask("app01", `<m:set-config><Domain name="new"/></m:set-config>`), "error-log")
	want(t, g.ask("default", `<m:set-config><Domain name="no blank"/></m:set-config>`), "error-log")
	want(t, g.status("DomainStatus"), "<Domain>default</Domain>", "<Domain>app01</Domain>")
}

func TestPropertiesThatAreSetAreReadBack(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	read := func() string { return g.ask("default", `<m:get-config class="HostAlias"/>`) }
	want(t, read(), "<dp:config/>")
	want(t, g.ask("default", `<m:set-config><HostAlias name="a &amp; b"><IPAddress>192.0.2.5</IPAddress><UserSummary>R&amp;D</UserSummary></HostAlias></m:set-config>`), okResult)
	want(t, read(), `<HostAlias name="a &amp; b"`, "<mAdminState>enabled</mAdminState>", "<IPAddress>192.0.2.5</IPAddress>", "<UserSummary>R&amp;D</UserSummary>")
	want(t, g.ask("default", `<m:modify-config><HostAlias name="a &amp; b"><mAdminState>disabled</mAdminState><IPAddress>192.0.2.6</IPAddress></HostAlias></m:modify-config>`), okResult)
	text := read()
	want(t, text, "<mAdminState>disabled</mAdminState>", "<IPAddress>192.0.2.6</IPAddress>", "<UserSummary>R&amp;D</UserSummary>")
	wantNot(t, text, "192.0.2.5", "enabled")
	want(t, g.status("ObjectStatus"), "<AdminState>disabled</AdminState><Name>a &amp; b</Name><EventCode>0x0034000d</EventCode>")
	want(t, g.ask("default", `<m:set-config><HostAlias name="a &amp; b"><IPAddress>192.0.2.7</IPAddress></HostAlias></m:set-config>`), okResult)
	text = read()
	want(t, text, "<mAdminState>enabled</mAdminState>", "192.0.2.7")
	wantNot(t, text, "UserSummary")

	want(t, g.ask("app01", `<m:set-config><XMLFirewallService name="fw" xmlns:x="urn:x"><HTTPVersion><Front>HTTP/1.1</Front></HTTPVersion><XMLManager class="XMLManager">default</XMLManager><Peer>a</Peer><Peer>b</Peer></XMLFirewallService></m:set-config>`), okResult)
	want(t, g.ask("app01", `<m:get-config class="XMLFirewallService" name="fw"/>`), "<HTTPVersion><Front>HTTP/1.1</Front></HTTPVersion>", `<XMLManager class="XMLManager">default</XMLManager>`, "<Peer>a</Peer><Peer>b</Peer>")
}

func TestRollbackBringsBackTheObjectsOfACheckpoint(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	set := func(ip string) {
		t.Helper()
		want(t, g.ask("app01", `<m:set-config><HTTPUserAgent name="u"><Address>`+ip+`</Address></HTTPUserAgent></m:set-config>`), okResult)
	}
	set("192.0.2.5")
	want(t, g.in("app01", `<SaveCheckpoint><ChkName>c1</ChkName></SaveCheckpoint>`), okResult)
	set("192.0.2.6")
	want(t, g.ask("app01", `<m:set-config><HTTPUserAgent name="later"/></m:set-config>`), okResult)
	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>c1</ChkName></RollbackCheckpoint>`), okResult)
	text := g.ask("app01", `<m:get-config class="HTTPUserAgent"/>`)
	want(t, text, "192.0.2.5")
	wantNot(t, text, "192.0.2.6", "later")
	set("192.0.2.7")
	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>c1</ChkName></RollbackCheckpoint>`), okResult)
	want(t, g.ask("app01", `<m:get-config class="HTTPUserAgent"/>`), "192.0.2.5")
	want(t, g.in("app01", `<RollbackCheckpoint><ChkName>none</ChkName></RollbackCheckpoint>`), "Cannot find Configuration Checkpoint 'none'.")
}

func TestResetLeavesFilesAndNoObjects(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	want(t, g.ask("app01", `<m:set-file name="local:///a.txt">YQ==</m:set-file>`), okResult)
	want(t, g.in("app01", `<ResetThisDomain/>`), okResult)
	objects := g.ask("app01", `<m:get-status class="ObjectStatus"/>`)
	want(t, objects, "<Class>XMLManager</Class>")
	wantNot(t, objects, "MultiProtocolGateway")
	want(t, g.ask("app01", `<m:get-file name="local:///a.txt"/>`), ">YQ==<")
	want(t, g.status("DomainStatus"), "<Domain>app01</Domain><SaveNeeded>on</SaveNeeded>")
}

func TestServiceIsQuiescedAlone(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	state := func() string { return g.ask("app01", `<m:get-status class="ObjectStatus"/>`) }
	quiesce := func(name, timeout string) string {
		return g.in("app01", fmt.Sprintf(`<ServiceQuiesce><type>MultiProtocolGateway</type><name>%s</name><timeout>%s</timeout></ServiceQuiesce>`, name, timeout))
	}
	want(t, quiesce("app01", "59"), "out of range")
	want(t, quiesce("none", "60"), "Cannot find configuration object")
	want(t, quiesce("app01", "60"), okResult)
	want(t, state(), "<Name>app01</Name><EventCode>0x0036003d</EventCode><ErrorCode>in quiescence</ErrorCode>")
	if s := g.state("app01"); s != "" {
		t.Errorf("the domain is %q", s)
	}
	want(t, g.in("app01", `<ServiceUnquiesce><type>MultiProtocolGateway</type><name>app01</name></ServiceUnquiesce>`), okResult)
	wantNot(t, state(), "0x0036003d")
}

func TestClassesThatEveryGatewayHas(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	want(t, g.status("TCPTable"), fmt.Sprintf("<localPort>%d</localPort>", g.device.Port), "<state>listen</state>", "<serviceDomain>default</serviceDomain>", "<serviceClass>MgmtInterface</serviceClass>")
	want(t, g.ask("default", `<m:get-config class="DNSNameService"/>`), `<DNSNameService name="MainNameService"`, "<LoadBalanceAlgorithm>first-alive</LoadBalanceAlgorithm>")
	for _, level := range []string{"debug", "error"} {
		want(t, g.in("app01", `<SetLogLevel><LogLevel>`+level+`</LogLevel></SetLogLevel>`), okResult)
	}
	want(t, g.in("app01", `<SetLogLevel><LogLevel>loud</LogLevel></SetLogLevel>`), "error-log")
}

func TestFileThatAClientSendsInLinesIsReadBack(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	text := strings.Repeat("0123456789abcdef", 40)
	lines := base64.StdEncoding.EncodeToString([]byte(text))
	lines = lines[:76] + "\n" + lines[76:152] + "\r\n  " + lines[152:] + "\n"
	want(t, g.ask("app01", `<m:set-file name="local:a.txt">`+lines+`</m:set-file>`), okResult)
	if got := string(g.file(g.ask("app01", `<m:get-file name="local:///a.txt"/>`))); got != text {
		t.Errorf("read back %q", got)
	}
}
