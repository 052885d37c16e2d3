package archive_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/testfixtures/need"
)

// Whoever sets a network up by hand reads it here, and no secret with it.
func TestSettingsAreReadableAndHoldNoSecret(t *testing.T) {
	t.Parallel()
	of := func(name, address string) []byte {
		return domain{name: name, objects: []*element{
			object("HostAlias", "mq", el("mAdminState", "enabled"), el("IPAddress", address)),
			object("EthernetInterface", "eth10", el("IPAddress", address+"/24"), el("StandbyControl", "", el("Group", "1"), el("AuthPassword", "hunter2"))),
			object("SystemSettings", "SystemSettings", el("Location", "row\x07 3"), el("SNMPCommunity", "hunter2"), el("Contact", "")),
			object("PasswordAlias", "db", el("Password", "hunter2")),
			object("WSGateway", "orders", el("mAdminState", "enabled")),
		}}.zip(t)
	}
	want := []string{"EthernetInterface eth10", "IPAddress: 10.0.0.1/24", "StandbyControl: AuthPassword=(not shown), Group=1", "HostAlias mq", "IPAddress: 10.0.0.1", "mAdminState: enabled",
		"PasswordAlias db", "Password: (not shown)", "SystemSettings SystemSettings", "Location: row? 3", "SNMPCommunity: (not shown)"}
	dir := t.TempDir()
	for what, data := range map[string][]byte{
		"of a domain": of("default", "10.0.0.1"),
		"of all":      stored(t, map[string][]byte{"default": of("default", "10.0.0.1"), "orders": of("orders", "10.9.9.9")}),
	} {
		found, report, err := archive.Verifier{TempDir: dir}.Settings(t.Context(), onDisk(t, dir, strings.ReplaceAll(what, " ", "-")+".zip", data), "default",
			[]string{"HostAlias", "EthernetInterface", "SystemSettings", "PasswordAlias"})
		need.Done(t, err)
		var got []string
		for _, s := range found {
			got = append(append(got, s.Class+" "+s.Name), s.Lines...)
		}
		if diff := cmp.Diff(want, got); diff != "" || !report.Whole() {
			t.Errorf("%s: %v\n%s", what, report.Problems(), diff)
		}
	}
}
