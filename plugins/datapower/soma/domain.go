package soma

import "context"

// SaveConfig makes the running configuration of a domain the saved one.
func (c *Client) SaveConfig(ctx context.Context, domain string) error {
	return c.action(ctx, domain, "SaveConfig", "")
}

// SaveCheckpoint asks a domain to keep its running configuration under a name. The device accepts; it is kept when it is listed.
func (c *Client) SaveCheckpoint(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "SaveCheckpoint", parameter("ChkName", name))
}

// RemoveCheckpoint forgets a checkpoint.
func (c *Client) RemoveCheckpoint(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "RemoveCheckpoint", parameter("ChkName", name))
}

// CreateDomain asks for a new domain that keeps its own configuration. The device accepts; the domain is built afterwards.
func (c *Client) CreateDomain(ctx context.Context, name, summary string) error {
	return c.configure(ctx, "set-config", `<Domain name="`+escape(name)+`">`+parameter("mAdminState", "enabled")+parameter("UserSummary", summary)+
		`<NeighborDomain class="Domain">default</NeighborDomain>`+parameter("ConfigMode", "local")+`</Domain>`)
}

// DeleteDomain asks for the end of a domain, with all that is in it. The device accepts; the domain goes afterwards.
func (c *Client) DeleteDomain(ctx context.Context, name string) error {
	return c.configure(ctx, "del-config", `<Domain name="`+escape(name)+`"/>`)
}

// configure changes the configuration of domain default.
func (c *Client) configure(ctx context.Context, op, object string) error {
	r, err := c.call(ctx, op+" Domain", "default", "<dp:"+op+">"+object+"</dp:"+op+">", nil)
	if err != nil {
		return err
	}
	return r.acted()
}
