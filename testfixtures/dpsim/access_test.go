package dpsim_test

import (
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

func TestAnAccountMayDoWhatItsProfileSays(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1, Access: []string{
		"*/*/login/xml-mgmt?Access=x", "*/*/status/*?Access=r", "*/*/status/chkpoints?Access=NONE", "*/default/crypto/cert?Access=r", "*/*/config/domainquiesce?Access=x",
	}})
	want(t, g.status("DomainStatus"), "<Domain>app01</Domain>")
	for _, refused := range []string{
		`<m:get-status class="DomainCheckpointStatus"/>`, `<m:get-config class="SystemSettings"/>`, `<m:get-filestore location="temporary:"/>`,
		`<m:do-action><DomainUnquiesce><name>app01</name></DomainUnquiesce></m:do-action>`, `<m:do-action><SaveConfig/></m:do-action>`, `<m:set-config><Domain name="new"/></m:set-config>`, `<m:del-config><Domain name="app01"/></m:del-config>`,
	} {
		want(t, g.ask("default", refused), "<dp:timestamp>", "Authentication failure")
	}
	want(t, g.ask("default", `<m:do-action><DomainQuiesce><name>app01</name><timeout>60</timeout></DomainQuiesce></m:do-action>`), "OK")
	want(t, g.ask("default", `<m:get-config class="CryptoCertificate"/>`), "<dp:config/>")
	want(t, g.ask("app01", `<m:get-config class="CryptoCertificate"/>`), "Authentication failure")
}

func TestAnAccountWithoutTheRightToLogInIsRefused(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{Access: []string{"*/*/status/*?Access=r"}})
	answer := g.status("DomainStatus")
	want(t, answer, "Authentication failure")
	wantNot(t, answer, "timestamp")
	if n := f.State().Device("gw").FailedLogins; n != 1 {
		t.Errorf("%d failed logins", n)
	}
}

func TestAnAccountShowsItsProfile(t *testing.T) {
	t.Parallel()
	const profile = "*/*/*?Access=r+x"
	_, g := one(t, dpsim.Device{Access: []string{profile}})
	want(t, g.ask("default", `<m:get-config class="User" name="admin"/>`), ">group-defined</AccessLevel>", ">dprun</GroupName>")
	want(t, g.ask("default", `<m:get-config class="UserGroup" name="dprun"/>`), "<AccessPolicies>"+profile+"</AccessPolicies>")
	_, all := one(t, dpsim.Device{})
	want(t, all.ask("default", `<m:get-config class="User" name="admin"/>`), ">privileged</AccessLevel>")
}

func TestTheDetailsOfACertificate(t *testing.T) {
	t.Parallel()
	details := `<m:do-view-certificate-details><m:certificate-object>backup</m:certificate-object></m:do-view-certificate-details>`
	certificates := []dpsim.Certificate{{Name: "backup", Key: "ecdsa", Fingerprint: "00ff", Left: "240h"}}
	_, g := one(t, dpsim.Device{Certificates: certificates})
	want(t, g.ask("default", details), `fingerprint-sha1="00ff"`, "<NotAfter>2026-03-0", "id-ecPublicKey")
	want(t, g.ask("default", `<m:do-view-certificate-details><m:certificate-object>other</m:certificate-object></m:do-view-certificate-details>`), "error-log")
	_, old := one(t, dpsim.Device{Firmware: "XI50.6", Certificates: certificates})
	want(t, old.ask("default", details), "is not known")
}

func TestAGatewayStartsWithCheckpointsAndAClockOfItsOwn(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{ClockAhead: "10m", Domains: []dpsim.Domain{{Name: "app01", Checkpoints: 3}}})
	want(t, g.ask("app01", `<m:get-status class="DomainCheckpointStatus"/>`), "before-1", "before-3")
	want(t, g.ask("app01", `<m:do-action><SaveCheckpoint><ChkName>more</ChkName></SaveCheckpoint></m:do-action>`), "Maximum number")
	want(t, g.status("DomainStatus"), "<dp:timestamp>2026-03-01T07:10:")
}
