package appliance

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// PeeringSpec is a GatewayPeering object.
type PeeringSpec struct {
	Name string `hcl:"name,label"`
	// Domain is where the object is; default "default".
	Domain string `hcl:"domain,optional"`
	// Group is the peering's name over the whole fleet: gateways that name the
	// same one are members of one group. Default: its domain and name.
	Group string `hcl:"group,optional"`
	// Peers are members that are not in the fleet.
	Peers   []string `hcl:"peers,optional"`
	Primary bool     `hcl:"primary,optional"`
	// LocalAddress is how the configuration names the gateway's own address;
	// default: its Address. It may be one of the host aliases.
	LocalAddress string `hcl:"local_address,optional"`
	Cluster      bool   `hcl:"cluster,optional"` // of three primaries
	Disabled     bool   `hcl:"disabled,optional"`
}

// StandbySpec is membership in a standby group of an interface. Gateways of the
// fleet that name the same group are its members.
type StandbySpec struct {
	Interface string `hcl:"interface,label"`
	Group     int    `hcl:"group,optional"`
	State     string `hcl:"state,optional"` // active, standby, …
	// SelfBalanced are the services, as domain/name, that the group balances.
	SelfBalanced []string `hcl:"self_balanced,optional"`
}

// QuotaSpec is a quota enforcement server in a peer group. Gateways of the
// fleet that name the same group are its members.
type QuotaSpec struct {
	Group string `hcl:"group,optional"`
	Role  string `hcl:"role,optional"` // primary, or replica (default)
}

func (p PeeringSpec) domain() string { return cmp.Or(p.Domain, "default") }

func (p PeeringSpec) group() string {
	return "peering " + cmp.Or(p.Group, p.domain()+"/"+p.Name)
}

func (s StandbySpec) group() string { return fmt.Sprintf("standby %d", s.Group) }

func (q QuotaSpec) group() string { return "quota " + cmp.Or(q.Group, "server") }

// Groups are the failover groups of a fleet. When the active member of one goes
// out of service or away, another takes over.
type Groups struct {
	mu      sync.Mutex
	members map[string][]*membership // in the order of joining
}

// membership is a gateway's part in a group.
type membership struct {
	app    *Appliance
	active bool
	away   map[string]bool // why it cannot be active
}

// NewGroups returns none.
func NewGroups() *Groups { return &Groups{members: map[string][]*membership{}} }

func (g *Groups) join(group string, a *Appliance, active bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of(group, a) == nil {
		g.members[group] = append(g.members[group], &membership{app: a, active: active, away: map[string]bool{}})
	}
}

func (g *Groups) of(group string, a *Appliance) *membership {
	for _, m := range g.members[group] {
		if m.app == a {
			return m
		}
	}
	return nil
}

// active reports whether a gateway is the group's active member.
func (g *Groups) active(group string, a *Appliance) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.of(group, a)
	return m != nil && m.active
}

// others are the addresses of the other members, the active one first, and
// whether there is such.
func (g *Groups) others(group string, a *Appliance) (addresses []string, active bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members[group] {
		switch {
		case m.app == a:
		case m.active:
			addresses, active = slices.Insert(addresses, 0, m.app.address), true
		default:
			addresses = append(addresses, m.app.address)
		}
	}
	return addresses, active
}

// leave takes a gateway out of groups, for one reason; another member becomes
// active where it was.
func (g *Groups) leave(a *Appliance, why string, groups ...string) {
	g.change(a, groups, func(m *membership) { m.away[why] = true })
}

// back ends one reason why a gateway was out of groups.
func (g *Groups) back(a *Appliance, why string, groups ...string) {
	g.change(a, groups, func(m *membership) { delete(m.away, why) })
}

func (g *Groups) change(a *Appliance, groups []string, do func(m *membership)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, group := range groups {
		if m := g.of(group, a); m != nil {
			do(m)
			g.elect(group)
		}
	}
}

// elect lets another member take over from one that is away. Without another
// one it stays active.
func (g *Groups) elect(group string) {
	members := g.members[group]
	was := slices.IndexFunc(members, func(m *membership) bool { return m.active && len(m.away) > 0 })
	next := slices.IndexFunc(members, func(m *membership) bool { return len(m.away) == 0 })
	if was >= 0 && next >= 0 {
		members[was].active, members[next].active = false, true
	}
}

// takeOver makes a gateway the active member by hand.
func (g *Groups) takeOver(group string, a *Appliance) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.of(group, a)
	if next == nil {
		return fmt.Errorf("device %q is not in group %q", a.name, group)
	}
	for _, m := range g.members[group] {
		m.active = m == next
	}
	return nil
}

// joinGroups enters the gateway into its groups.
func (a *Appliance) joinGroups() {
	for _, s := range a.spec.Standbys {
		if s.State == "active" || s.State == "standby" {
			a.Groups.join(s.group(), a, s.State == "active")
		}
	}
	for _, p := range a.spec.Peerings {
		a.Groups.join(p.group(), a, p.Primary)
	}
	if q := a.spec.Quota; q != nil {
		a.Groups.join(q.group(), a, q.Role == "primary")
	}
}

// groups are those that a domain is in; all of the gateway's for "".
func (a *Appliance) groups(domain string) (out []string) {
	for _, p := range a.spec.Peerings {
		if domain == "" || domain == p.domain() {
			out = append(out, p.group())
		}
	}
	if domain != "" {
		return out
	}
	for _, s := range a.spec.Standbys {
		out = append(out, s.group())
	}
	if q := a.spec.Quota; q != nil {
		out = append(out, q.group())
	}
	return out
}

// StandbyRow is a row of StandbyStatus2.
type StandbyRow struct {
	Interface, State, Leader string
	Group                    int
	SelfBalance              bool
}

// Standbys lists the gateway's standby groups.
func (a *Appliance) Standbys() (rows []StandbyRow) {
	for _, s := range a.spec.Standbys {
		r := StandbyRow{Interface: s.Interface, State: s.State, Group: s.Group, SelfBalance: len(s.SelfBalanced) > 0}
		if others, active := a.Groups.others(s.group(), a); active {
			r.Leader = others[0]
		}
		if s.State == "active" || s.State == "standby" {
			r.State = "standby"
			if a.Groups.active(s.group(), a) {
				r.State, r.Leader = "active", a.address
			}
		}
		r.State = a.roleWord("StandbyStatus2", "default", r.State)
		rows = append(rows, r)
	}
	return rows
}

// BalancedRow is a row of SelfBalancedStatus2.
type BalancedRow struct{ Service, Target, State string }

// SelfBalanced lists the targets of the self-balanced services. A standby
// member knows of itself alone.
func (a *Appliance) SelfBalanced() (rows []BalancedRow) {
	for _, s := range a.spec.Standbys {
		state := "standby"
		var others []string
		if a.Groups.active(s.group(), a) {
			state = "active"
			others, _ = a.Groups.others(s.group(), a)
		}
		for _, service := range s.SelfBalanced {
			rows = append(rows, BalancedRow{service, a.address, a.roleWord("SelfBalancedStatus2", "default", state)})
			for _, o := range others {
				rows = append(rows, BalancedRow{service, o, "standby"})
			}
		}
	}
	return rows
}

// QuotaRow is the row of QuotaEnforcementStatus.
type QuotaRow struct{ State, Mode, Role, Primary string }

// Quota is the state of the quota enforcement server.
func (a *Appliance) Quota() QuotaRow {
	q := a.spec.Quota
	if q == nil {
		return QuotaRow{State: "down", Mode: "standalone"}
	}
	r := QuotaRow{State: "up", Mode: "peer group", Role: "replica"}
	if a.Groups.active(q.group(), a) {
		r.Role, r.Primary = "primary", a.address
	} else if others, active := a.Groups.others(q.group(), a); active {
		r.Primary = others[0]
	}
	r.Role = a.roleWord("QuotaEnforcementStatus", "default", r.Role)
	return r
}

// PeerRow is a row of GatewayPeeringStatus or GatewayPeeringClusterStatus.
type PeerRow struct{ Name, Address, Primary string }

// Peers lists the members of a domain's gateway peerings, or of its clusters.
func (a *Appliance) Peers(domain string, clusters bool) (rows []PeerRow) {
	class := "GatewayPeeringStatus"
	if clusters {
		class = "GatewayPeeringClusterStatus"
	}
	for _, p := range a.spec.Peerings {
		if p.domain() != domain || p.Cluster != clusters || p.Disabled {
			continue
		}
		own := "no"
		if a.Groups.active(p.group(), a) {
			own = "yes"
		}
		others, active := a.Groups.others(p.group(), a)
		rows = append(rows, PeerRow{p.Name, a.address, a.roleWord(class, domain, own)})
		for i, o := range append(others, p.Peers...) {
			row := PeerRow{p.Name, o, "no"}
			if i == 0 && own == "no" && (active || len(others) == 0) {
				row.Primary = "yes"
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// PeeringRow is a GatewayPeering object.
type PeeringRow struct {
	PeeringSpec
	Own    string   // how the configuration names the gateway's own address
	Others []string // the members that it names
}

// Peerings lists the GatewayPeering objects of a domain.
func (a *Appliance) Peerings(domain string) (rows []PeeringRow) {
	for _, p := range a.spec.Peerings {
		if p.domain() == domain {
			others, _ := a.Groups.others(p.group(), a)
			rows = append(rows, PeeringRow{p, cmp.Or(p.LocalAddress, a.address), append(others, p.Peers...)})
		}
	}
	return rows
}

// Address is the gateway's own address in its groups.
func (a *Appliance) Address() string { return a.address }

// roleWord is the word for a role in the answers to a class, or the one of a fault.
func (a *Appliance) roleWord(class, domain, word string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.takeFault("role_word", "get-status/"+class, domain); f != nil {
		return f.text("unknown")
	}
	return word
}
