package datapower

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// part is the role according to one group or one class.
type part struct {
	role   sdk.FailoverRole
	detail string
}

// weight orders roles. A group in which the target is active decides, and after that a group that
// cannot be read.
var weight = map[sdk.FailoverRole]int{"": 0, sdk.RoleStandby: 1, sdk.RoleUnknown: 2, sdk.RoleActive: 3}

// parts holds the roles according to all groups.
type parts []part

// together returns the role that follows from all groups, and names the groups that
// decide it.
func (ps parts) together() (role sdk.FailoverRole, detail string) {
	var details []string
	for _, p := range ps {
		switch {
		case weight[p.role] > weight[role]:
			role, details = p.role, []string{p.detail}
		case p.role == role && role != "":
			details = append(details, p.detail)
		}
	}
	return role, summary(details)
}

// standbyParts reads the states of standby groups. The only active member has the group's address. A member in
// state initial takes no part in the group; in learn and speak the members are still electing.
func standbyParts(rows []soma.Standby) (out parts) {
	for _, r := range rows {
		group := fmt.Sprintf("standby group %s of interface %s", orNone(r.Group), orNone(r.Interface))
		switch strings.ToLower(r.State) {
		case "active":
			out = append(out, part{sdk.RoleActive, "active member of " + group})
		case "standby", "listen", "initial":
			out = append(out, part{sdk.RoleStandby, "standby in " + group})
		case "learn", "speak":
			out = append(out, part{sdk.RoleUnknown, fmt.Sprintf("%s is electing (%s)", group, strings.ToLower(r.State))})
		default:
			out = append(out, part{sdk.RoleUnknown, fmt.Sprintf("the state of %s is %q, a word that dprun does not know", group, archive.Printable(r.State))})
		}
	}
	return out
}

// selfBalancedParts compares the self-balanced services with the standby groups that balance them. A row says
// which target is active, not whether that is this gateway. The standby group says that, so there must be one.
func selfBalancedParts(rows []soma.SelfBalanced, groups []soma.Standby) (out parts) {
	for _, r := range rows {
		service := fmt.Sprintf("self-balanced service %s in domain %s", orNone(r.Service), orNone(r.Domain))
		state := strings.ToLower(r.TargetState)
		switch {
		case state != "active" && state != "standby":
			out = append(out, part{sdk.RoleUnknown, fmt.Sprintf("the target state of %s is %q, a word that dprun does not know", service, archive.Printable(r.TargetState))})
		case len(groups) == 0:
			out = append(out, part{sdk.RoleUnknown, "StandbyStatus2 shows no standby group, but there is " + service})
		}
	}
	return out
}

// quotaParts reads the role of the quota enforcement server. A server that is down and reports nothing else takes
// no part.
func quotaParts(rows []soma.Quota) (out parts) {
	for _, r := range rows {
		mode, role := strings.ToLower(r.Mode), strings.ToLower(r.Role)
		switch {
		case mode == "standalone", r.State == "down" && mode == "" && role == "":
		case role == "primary":
			out = append(out, part{sdk.RoleActive, "primary of the quota enforcement group"})
		case role == "replica":
			out = append(out, part{sdk.RoleStandby, "replica in the quota enforcement group"})
		default:
			out = append(out, part{sdk.RoleUnknown, fmt.Sprintf("QuotaEnforcementStatus tells no role (state %q, mode %q, role %q)", archive.Printable(r.State), archive.Printable(r.Mode), archive.Printable(r.Role))})
		}
	}
	return out
}

// peering is the configuration of a gateway peering.
type peering struct {
	name, address string // of this member, with host aliases resolved
	peers         bool   // whether it names other members
	cluster       bool
}

// peeringOf reads a GatewayPeering object; ok is false if it takes part in no group.
func peeringOf(n *soma.Node) (p peering, ok bool) {
	p = peering{
		name: n.Attrs["name"], address: n.Value("LocalAddress"), peers: n.Child("Peers") != nil,
		cluster: n.Value("PrimaryCount") != "" && n.Value("PrimaryCount") != "1",
	}
	alone := !p.cluster && n.Child("EnablePeerGroup") != nil && !n.On("EnablePeerGroup")
	return p, n.Value("mAdminState") != "disabled" && !alone
}

// part derives the peering's role from the members that the gateway lists.
func (p peering) part(domain string, rows []soma.Peer) part {
	what := fmt.Sprintf("gateway peering %s in domain %s", orNone(p.name), domain)
	unknown := func(why string) part { return part{sdk.RoleUnknown, "the role in " + what + " is not known: " + why} }
	var own []soma.Peer
	others := false
	for _, r := range rows {
		switch {
		case !p.cluster && r.Group != p.name:
		case sameAddress(r.Address, p.address):
			own = append(own, r)
		default:
			others = true
		}
	}
	class := "GatewayPeeringStatus"
	if p.cluster {
		class = "GatewayPeeringClusterStatus"
	}
	if len(own) == 0 {
		return unknown(fmt.Sprintf("%s lists no member with its own address %s", class, orNone(p.address)))
	}
	decided := part{sdk.RoleStandby, "secondary in " + what}
	for _, r := range own {
		switch strings.ToLower(r.Primary) {
		case "no":
		case "yes":
			if p.cluster || p.peers || others {
				return part{sdk.RoleActive, "primary of " + what}
			}
			decided = part{} // a group of one: there is no other member
		case "unknown":
			return unknown("the gateway cannot tell whether it is the primary")
		default:
			return unknown(fmt.Sprintf("%s says %q, a word that dprun does not know", class, archive.Printable(r.Primary)))
		}
	}
	return decided
}

// sameAddress compares addresses regardless of notation. It ignores a port.
func sameAddress(a, b string) bool {
	parse := func(s string) string {
		if at, err := netip.ParseAddrPort(s); err == nil {
			return at.Addr().Unmap().String()
		}
		if at, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
			return at.Unmap().String()
		}
		return ""
	}
	return parse(a) != "" && parse(a) == parse(b)
}

func orNone(s string) string {
	if s == "" {
		return "(unnamed)"
	}
	return archive.Printable(s)
}

// roleOf reads the failover role of a target from the groups of the device and the gateway peerings of the domain
// or, for a device, of all its domains. It stops once one group decides. Its error is the loss of an answer; any
// other obstacle makes the role unknown.
func (s *source) roleOf(ctx context.Context, c *classes, domains []string) (sdk.FailoverRole, string, error) {
	var ps parts
	for _, read := range []func(context.Context, *classes) (parts, error){s.deviceParts, s.quotaPart} {
		more, err := read(ctx, c)
		if err != nil {
			return "", "", err
		}
		ps = append(ps, more...)
		if role, detail := ps.together(); role == sdk.RoleActive {
			return role, detail, nil
		}
	}
	peerings, err := overDomains(ctx, domains, func(ctx context.Context, domain string) (parts, error) { return s.peeringParts(ctx, c, domain) },
		func(ps parts) bool { role, _ := ps.together(); return role == sdk.RoleActive })
	if err != nil {
		return "", "", err
	}
	for _, more := range peerings {
		ps = append(ps, more...)
	}
	role, detail := ps.together()
	return role, detail, nil
}

// unreadable turns an error into a part with an unknown role if the gateway answered. It returns the
// loss of an answer.
func (s *source) unreadable(err error, what string) (parts, error) {
	f := s.failed(err, "check: read %s", what)
	if !answered(err) {
		return nil, f
	}
	return parts{{sdk.RoleUnknown, f.Error()}}, nil
}

func (s *source) deviceParts(ctx context.Context, c *classes) (parts, error) {
	groups, err := rowsOf(ctx, c, s.client.Standbys)
	if err != nil {
		return s.unreadable(err, "its standby groups")
	}
	ps := standbyParts(groups)
	if role, _ := ps.together(); role == sdk.RoleActive {
		return ps, nil
	}
	services, err := rowsOf(ctx, c, s.client.SelfBalanced)
	if err != nil {
		more, err := s.unreadable(err, "its self-balanced services")
		return append(ps, more...), err
	}
	return append(ps, selfBalancedParts(services, groups)...), nil
}

func (s *source) quotaPart(ctx context.Context, c *classes) (parts, error) {
	rows, err := rowsOf(ctx, c, s.client.Quotas)
	if err != nil {
		return s.unreadable(err, "the role of its quota enforcement server")
	}
	if len(rows) > 0 {
		return quotaParts(rows), nil
	}
	// Without a row, no server may be configured for a peer group.
	servers, err := rowsOf(ctx, c, c.objects(defaultDomain, "QuotaEnforcementServer"))
	if err != nil {
		return s.unreadable(err, "the configuration of its quota enforcement server")
	}
	for _, n := range servers {
		if n.Value("mAdminState") != "disabled" && n.On("EnablePeerGroup") {
			return parts{{sdk.RoleUnknown, "the quota enforcement server is in a peer group, but QuotaEnforcementStatus shows nothing"}}, nil
		}
	}
	return nil, nil
}

// peeringParts reads the gateway peerings of a domain.
func (s *source) peeringParts(ctx context.Context, c *classes, domain string) (parts, error) {
	what := "the gateway peerings of domain " + domain
	objects, err := rowsOf(ctx, c, c.objects(domain, "GatewayPeering"))
	if err != nil {
		return s.unreadable(err, what)
	}
	var ps parts
	rows := map[bool][]soma.Peer{} // by cluster or not; read once
	for _, n := range objects {
		p, ok := peeringOf(n)
		if !ok {
			continue
		}
		if rows[p.cluster] == nil {
			read := s.client.Peers
			if p.cluster {
				read = s.client.ClusterPeers
			}
			// The object exists, so the class is known.
			if rows[p.cluster], err = again(func() ([]soma.Peer, error) { return read(ctx, domain) }); err != nil {
				more, err := s.unreadable(err, what)
				return append(ps, more...), err
			}
		}
		if p.address, err = s.resolved(ctx, p.address); err != nil {
			more, err := s.unreadable(err, "the host aliases that "+what+" use")
			return append(ps, more...), err
		}
		ps = append(ps, p.part(domain, rows[p.cluster]))
	}
	return ps, nil
}

// resolved returns the address behind a host alias of the gateway; an address stays as it
// is.
func (s *source) resolved(ctx context.Context, address string) (string, error) {
	if address == "" || sameAddress(address, address) {
		return address, nil
	}
	aliases, err := again(func() ([]*soma.Node, error) { return s.client.GetConfig(ctx, defaultDomain, "HostAlias", address) })
	if err != nil {
		return "", err
	}
	for _, n := range aliases {
		if n.Attrs["name"] == address {
			return n.Value("IPAddress"), nil
		}
	}
	return address, nil
}

// against reads what speaks against a quiesce of the target: what else the gateway is doing, the target's
// failover role and, for a device, the domains that API Connect manages.
func (s *source) against(ctx context.Context, domains *soma.Domains, t sdk.Target, limits throttle, out *sdk.CheckReport) error {
	c := newClasses(s.client)
	err := s.busy(ctx, c, limits, out)
	if err != nil {
		return err
	}
	names := namesOf(domains, t)
	if out.Role, out.RoleDetail, err = s.roleOf(ctx, c, names); err != nil || !t.Device() {
		return err
	}
	return s.apiConnectOf(ctx, c, names, out)
}

// apiConnectOf finds the domains that API Connect manages and that go down with the
// device.
func (s *source) apiConnectOf(ctx context.Context, c *classes, names []string, out *sdk.CheckReport) error {
	type answer struct {
		managed bool
		unknown string
	}
	answers, err := overDomains(ctx, names, func(ctx context.Context, domain string) (a answer, err error) {
		if a.managed, err = c.apiConnect(ctx, domain); err != nil {
			f := s.failed(err, "check: read whether API Connect manages domain %s", domain)
			if !answered(err) {
				return a, f
			}
			a.unknown = f.Error()
		}
		return a, nil
	}, func(answer) bool { return false })
	if err != nil {
		return err
	}
	var unknown []string
	for i, a := range answers {
		if a.managed {
			out.APIConnect = append(out.APIConnect, names[i])
		}
		if a.unknown != "" {
			unknown = append(unknown, a.unknown)
		}
	}
	out.APIConnectUnknown = summary(unknown)
	return nil
}
