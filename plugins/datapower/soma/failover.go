package soma

import "context"

// Standby is a row of StandbyStatus2: the role of an interface in a standby group.
type Standby struct {
	Interface, Group string
	State            string // active, standby, listen, speak, learn, initial
}

// Standbys reads the standby groups of the device.
func (c *Client) Standbys(ctx context.Context) ([]Standby, error) {
	return rowsOf(ctx, c, "default", "StandbyStatus2", func(n *Node) Standby {
		return Standby{Interface: n.Value("Name"), Group: n.Value("Group"), State: n.Value("State")}
	})
}

// SelfBalanced is a row of SelfBalancedStatus2: a target of a service that a standby group balances itself.
type SelfBalanced struct {
	Domain, Service, Target string
	TargetState             string // active, standby
}

// SelfBalanced reads the targets of self-balanced services.
func (c *Client) SelfBalanced(ctx context.Context) ([]SelfBalanced, error) {
	return rowsOf(ctx, c, "default", "SelfBalancedStatus2", func(n *Node) SelfBalanced {
		return SelfBalanced{Domain: n.Value("serviceDomain"), Service: n.Value("serviceName"), Target: n.Value("realServer"), TargetState: n.Value("targetState")}
	})
}

// Quota is a row of QuotaEnforcementStatus: the device's own quota enforcement server.
type Quota struct {
	State string // up, down
	Mode  string // standalone, peer group
	Role  string // primary, replica
}

// Quotas reads the state of the quota enforcement server.
func (c *Client) Quotas(ctx context.Context) ([]Quota, error) {
	return rowsOf(ctx, c, "default", "QuotaEnforcementStatus", func(n *Node) Quota {
		return Quota{State: n.Value("State"), Mode: n.Value("Mode"), Role: n.Value("Role")}
	})
}

// Peer is a row of GatewayPeeringStatus, a member of a peer group, or of GatewayPeeringClusterStatus, a node of a
// cluster. A cluster row names no group.
type Peer struct {
	Group, Address string
	Primary        string // yes, no, unknown
}

// Peers reads the members of the gateway peerings of a domain.
func (c *Client) Peers(ctx context.Context, domain string) ([]Peer, error) {
	return rowsOf(ctx, c, domain, "GatewayPeeringStatus", peer)
}

// ClusterPeers reads the nodes of the clusters of a domain's gateway peerings.
func (c *Client) ClusterPeers(ctx context.Context, domain string) ([]Peer, error) {
	return rowsOf(ctx, c, domain, "GatewayPeeringClusterStatus", peer)
}

func peer(n *Node) Peer {
	return Peer{Group: n.Value("Name"), Address: n.Value("Address"), Primary: n.Value("Primary")}
}

// rowsOf reads the rows of a status class into structs.
func rowsOf[T any](ctx context.Context, c *Client, domain, class string, of func(*Node) T) ([]T, error) {
	rows, _, err := c.statusRows(ctx, domain, class)
	if err != nil {
		return nil, err
	}
	var out []T
	for _, n := range rows {
		out = append(out, of(n))
	}
	return out, nil
}
