package datapower_test

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

// role is what a check before a quiesce says of the failover role of a target.
func (g *gateway) role(domain string) (sdk.FailoverRole, string) {
	g.t.Helper()
	r := g.before(domain)
	return r.Role, r.RoleDetail
}

// before is the check before a quiesce of a domain or, with an empty name, of the device.
func (g *gateway) before(domain string) *sdk.CheckReport {
	g.t.Helper()
	activity := "export_domain"
	if domain == "" {
		activity = "export_all_domains"
	}
	r, err := g.Check(testContext(g.t), sdk.CheckRequest{Activity: activity, Config: config(activity, nil), Target: sdk.Target{Domain: domain}, Quiesce: true})
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

func TestTheFailoverRoleIsRead(t *testing.T) {
	t.Parallel()
	peering := []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}, Primary: true}}
	for name, c := range map[string]struct {
		device dpsim.Device
		domain string
		role   sdk.FailoverRole
		detail string
	}{
		"nothing":                      {dpsim.Device{}, "app01", "", ""},
		"nothing, old firmware":        {dpsim.Device{Firmware: "XI50.6"}, "app01", "", ""},
		"primary":                      {dpsim.Device{Peerings: peering}, "", sdk.RoleActive, "primary of gateway peering gwp in domain default"},
		"primary in another domain":    {dpsim.Device{Peerings: peering}, "app01", "", ""},
		"secondary":                    {dpsim.Device{Peerings: []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}}}}, "", sdk.RoleStandby, "secondary in gateway peering gwp"},
		"alone":                        {dpsim.Device{Peerings: []dpsim.Peering{{Name: "alone", Primary: true}}}, "", "", ""},
		"active":                       {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "active"}}}, "app01", sdk.RoleActive, "standby group 5 of interface eth1"},
		"standby":                      {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}}}, "", sdk.RoleStandby, "standby in"},
		"one of two groups":            {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}, {Interface: "eth2", Group: 6, State: "active"}}}, "", sdk.RoleActive, "group 6"},
		"electing":                     {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "speak"}}}, "", sdk.RoleUnknown, "electing"},
		"a word that is not known":     {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "dozing"}}}, "", sdk.RoleUnknown, `"dozing"`},
		"standby and primary together": {dpsim.Device{Peerings: peering, Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}}}, "", sdk.RoleActive, "gwp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.device.AppDomains = 1
			g := newGateway(t, c.device)
			if role, detail := g.role(c.domain); role != c.role || !strings.Contains(detail, c.detail) || c.role == "" && detail != "" {
				t.Errorf("role %q (%s), want %q (%s)", role, detail, c.role, c.detail)
			}
		})
	}
}

// Every read of a role, answered wrongly in every way, makes the role unknown, and says which read it was.
func TestARoleThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"get-status/StandbyStatus2", "get-config/GatewayPeering", "get-status/GatewayPeeringStatus"} {
		for _, kind := range []string{"refused", "garbage", "wrong_part", "http_error", "error_log"} {
			t.Run(operation+" "+kind, func(t *testing.T) {
				t.Parallel()
				g := newGateway(t, dpsim.Device{
					AppDomains: 1, Peerings: []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}}},
					Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}},
					Faults:   []dpsim.Fault{{Kind: kind, Operation: operation}},
				})
				role, detail := g.role("")
				if role != sdk.RoleUnknown || !strings.Contains(detail, operation[strings.Index(operation, "/")+1:]) {
					t.Errorf("role %q (%s)", role, detail)
				}
			})
		}
	}
}

func TestNothingAboutAQuiesceIsReadWithoutOne(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 3, Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "active"}}})
	r, err := g.Check(testContext(t), sdk.CheckRequest{Activity: "export_all_domains", Config: config("export_all_domains", nil)})
	if err != nil || r.Role != "" || g.requests() != 2 {
		t.Errorf("role %q, %d requests, %v", r.Role, g.requests(), err)
	}
}

func TestADeviceQuiesceNamesItsAPIConnectDomains(t *testing.T) {
	t.Parallel()
	d := dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}, {Name: "apic", APIC: true}, {Name: "APIMgmt_0A"}}}
	if got := newGateway(t, d).before(""); strings.Join(got.APIConnect, ",") != "apic,APIMgmt_0A" || got.APIConnectUnknown != "" {
		t.Errorf("%v, unknown %q", got.APIConnect, got.APIConnectUnknown)
	}
	d.Faults = []dpsim.Fault{{Kind: "refused", Operation: "get-config/APIConnectGatewayService", Domain: "orders"}}
	if got := newGateway(t, d).before(""); strings.Join(got.APIConnect, ",") != "apic,APIMgmt_0A" || !strings.Contains(got.APIConnectUnknown, "API Connect manages domain orders") {
		t.Errorf("%v, unknown %q", got.APIConnect, got.APIConnectUnknown)
	}
}
