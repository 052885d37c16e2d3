package datapower_test

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
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
	inDomain := func(domain string, change func(*dpsim.Peering)) dpsim.Device {
		p := dpsim.Peering{Name: "gwp", Domain: domain, Peers: []string{"192.0.2.11"}, Primary: true}
		change(&p)
		return dpsim.Device{Peerings: []dpsim.Peering{p}}
	}
	balanced := func(state string) dpsim.Device {
		return dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: state, SelfBalanced: []string{"app01/orders"}}}}
	}
	none := func(*dpsim.Peering) {}
	alias := inDomain("app01", func(p *dpsim.Peering) { p.LocalAddress = "gw-alias" })
	alias.HostAliases = map[string]string{"gw-alias": "192.0.2.10"}
	wordless := func(d dpsim.Device, class, word string) dpsim.Device {
		d.Faults = []dpsim.Fault{{Kind: "role_word", Operation: "get-status/" + class, Text: word}}
		return d
	}
	rowless := func(d dpsim.Device, class string) dpsim.Device {
		d.Faults = []dpsim.Fault{{Kind: "no_rows", Operation: "get-status/" + class}}
		return d
	}
	for name, c := range map[string]struct {
		device dpsim.Device
		domain string
		role   sdk.FailoverRole
		detail string
	}{
		"nothing":                       {dpsim.Device{}, "app01", "", ""},
		"nothing, old firmware":         {dpsim.Device{Firmware: "XI50.6"}, "app01", "", ""},
		"primary":                       {dpsim.Device{Peerings: peering}, "", sdk.RoleActive, "primary of gateway peering gwp in domain default"},
		"primary in another domain":     {dpsim.Device{Peerings: peering}, "app01", "", ""},
		"secondary":                     {dpsim.Device{Peerings: []dpsim.Peering{{Name: "gwp", Peers: []string{"192.0.2.11"}}}}, "", sdk.RoleStandby, "secondary in gateway peering gwp"},
		"alone":                         {dpsim.Device{Peerings: []dpsim.Peering{{Name: "alone", Primary: true}}}, "", "", ""},
		"active":                        {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "active"}}}, "app01", sdk.RoleActive, "standby group 5 of interface eth1"},
		"standby":                       {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}}}, "", sdk.RoleStandby, "standby in"},
		"one of two groups":             {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}, {Interface: "eth2", Group: 6, State: "active"}}}, "", sdk.RoleActive, "group 6"},
		"electing":                      {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "speak"}}}, "", sdk.RoleUnknown, "electing"},
		"a word that is not known":      {dpsim.Device{Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "dozing"}}}, "", sdk.RoleUnknown, `"dozing"`},
		"primary of the domain":         {inDomain("app01", none), "app01", sdk.RoleActive, "gateway peering gwp in domain app01"},
		"primary in some domain":        {inDomain("app01", none), "", sdk.RoleActive, "gateway peering gwp in domain app01"},
		"primary in a third domain":     {inDomain("app02", none), "app01", "", ""},
		"disabled peering":              {inDomain("app01", func(p *dpsim.Peering) { p.Disabled = true }), "app01", "", ""},
		"primary of a cluster":          {inDomain("app01", func(p *dpsim.Peering) { p.Cluster = true }), "app01", sdk.RoleActive, "primary of"},
		"secondary of a cluster":        {inDomain("app01", func(p *dpsim.Peering) { p.Cluster, p.Primary = true, false }), "app01", sdk.RoleStandby, "secondary in"},
		"by a host alias":               {alias, "app01", sdk.RoleActive, "primary of"},
		"by an alias that is not there": {inDomain("app01", func(p *dpsim.Peering) { p.LocalAddress = "gone" }), "app01", sdk.RoleUnknown, "its own address gone"},
		"primary unknown":               {wordless(inDomain("app01", none), "GatewayPeeringStatus", "unknown"), "app01", sdk.RoleUnknown, "cannot tell"},
		"primary in another word":       {wordless(inDomain("app01", none), "GatewayPeeringStatus", "perhaps"), "app01", sdk.RoleUnknown, `"perhaps"`},
		"peering without rows":          {rowless(inDomain("app01", none), "GatewayPeeringStatus"), "app01", sdk.RoleUnknown, "lists no member"},
		"quota primary":                 {dpsim.Device{Quota: &dpsim.Quota{Role: "primary"}}, "app01", sdk.RoleActive, "quota enforcement"},
		"quota replica":                 {dpsim.Device{Quota: &dpsim.Quota{}}, "app01", sdk.RoleStandby, "quota enforcement"},
		"quota in another word":         {wordless(dpsim.Device{Quota: &dpsim.Quota{}}, "QuotaEnforcementStatus", ""), "", sdk.RoleUnknown, "tells no role"},
		"quota without rows":            {rowless(dpsim.Device{Quota: &dpsim.Quota{}}, "QuotaEnforcementStatus"), "", sdk.RoleUnknown, "QuotaEnforcementStatus shows nothing"},
		"no quota and no rows":          {rowless(dpsim.Device{}, "QuotaEnforcementStatus"), "", "", ""},
		"self-balanced, active":         {balanced("active"), "", sdk.RoleActive, "active member of standby group 5"},
		"self-balanced, standby":        {balanced("standby"), "", sdk.RoleStandby, "standby in standby group 5"},
		"self-balanced without group":   {rowless(balanced("standby"), "StandbyStatus2"), "", sdk.RoleUnknown, "self-balanced service orders in domain app01"},
		"standby and primary together":  {dpsim.Device{Peerings: peering, Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: "standby"}}}, "", sdk.RoleActive, "gwp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.device.AppDomains = 2
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
	for _, operation := range []string{
		"get-status/StandbyStatus2", "get-status/SelfBalancedStatus2", "get-status/QuotaEnforcementStatus", "get-config/GatewayPeering", "get-status/GatewayPeeringStatus",
	} {
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
	if err != nil || r.Role != "" || g.requests() != 3 {
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

func TestTheOtherMemberTakesOver(t *testing.T) {
	t.Parallel()
	pair := func(primary bool) dpsim.Device {
		state, role := "standby", "replica"
		if primary {
			state, role = "active", "primary"
		}
		return dpsim.Device{
			AppDomains: 1, Standbys: []dpsim.Standby{{Interface: "eth1", Group: 5, State: state}}, Quota: &dpsim.Quota{Role: role},
			Peerings: []dpsim.Peering{{Name: "gwp", Domain: "app01", Primary: primary}},
		}
	}
	gs := newGateways(t, map[string]dpsim.Device{"a": pair(true), "b": pair(false)})
	want := func(a, b sdk.FailoverRole) {
		t.Helper()
		for name, role := range map[string]sdk.FailoverRole{"a": a, "b": b} {
			if got, detail := gs[name].role(""); got != role {
				t.Fatalf("%s is %q (%s), want %q", name, got, detail, role)
			}
		}
	}
	want(sdk.RoleActive, sdk.RoleStandby)
	need.Done(t, gs["a"].Quiesce(testContext(t), sdk.Target{}, 1))
	want(sdk.RoleStandby, sdk.RoleActive)
	need.Done(t, gs["a"].Unquiesce(testContext(t), sdk.Target{}))
	want(sdk.RoleStandby, sdk.RoleActive)
	need.Done(t, gs["a"].Quiesce(testContext(t), sdk.Target{Domain: "app01"}, 1))
	need.Done(t, gs["a"].fleet.Edit(dpsim.Edit{Device: "a", TakeOver: "standby 5"}))
	want(sdk.RoleActive, sdk.RoleActive) // each of one group
}
