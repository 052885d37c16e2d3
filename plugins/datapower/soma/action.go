package soma

import (
	"context"
	"strconv"
	"time"
)

// MinQuiesceTimeout is the shortest quiesce timeout that the device accepts.
const MinQuiesceTimeout = time.Minute

func (c *Client) action(ctx context.Context, domain, name, parameters string) error {
	body := "<dp:do-action><" + name + "/></dp:do-action>"
	if parameters != "" {
		body = "<dp:do-action><" + name + ">" + parameters + "</" + name + "></dp:do-action>"
	}
	r, err := c.call(ctx, name, domain, body, nil)
	if err != nil {
		return err
	}
	return r.acted()
}

func parameter(name, value string) string {
	return "<" + name + ">" + escape(value) + "</" + name + ">"
}

// quiesceSeconds formats a timeout for the device: whole seconds between its minimum and 65535.
func quiesceSeconds(d time.Duration) string {
	s := int64((max(d, MinQuiesceTimeout) + time.Second - 1) / time.Second)
	return strconv.FormatInt(min(s, 65535), 10)
}

// DomainQuiesce asks a domain to stop taking work. The device accepts at once and forces the quiesce after
// timeout. A timeout below the device's minimum is raised to it.
func (c *Client) DomainQuiesce(ctx context.Context, domain string, timeout time.Duration) error {
	return c.action(ctx, "default", "DomainQuiesce", parameter("name", domain)+parameter("timeout", quiesceSeconds(timeout)))
}

// DomainUnquiesce asks a domain to come back.
func (c *Client) DomainUnquiesce(ctx context.Context, domain string) error {
	return c.action(ctx, "default", "DomainUnquiesce", parameter("name", domain))
}

// QuiesceDP asks all domains except default to stop taking work.
func (c *Client) QuiesceDP(ctx context.Context, timeout time.Duration) error {
	return c.action(ctx, "default", "QuiesceDP", parameter("timeout", quiesceSeconds(timeout)))
}

// UnquiesceDP asks the whole device to come back.
func (c *Client) UnquiesceDP(ctx context.Context) error {
	return c.action(ctx, "default", "UnquiesceDP", "")
}

// SecureBackupRequest asks for a secure backup. Destination is a directory of the device's temporary: or local:
// store; the device makes the directory.
type SecureBackupRequest struct {
	Certificate  string // name of a CryptoCertificate object of the default domain
	Destination  string
	IncludeISCSI bool
	IncludeRAID  bool
}

const opSecureBackup = "SecureBackup"

// SecureBackup writes a secure backup to the device's own store. The reply comes when the backup is made; the
// manifest may come later.
func (c *Client) SecureBackup(ctx context.Context, r SecureBackupRequest) error {
	return c.action(ctx, "default", opSecureBackup, parameter("cert", r.Certificate)+parameter("destination", r.Destination)+
		parameter("include-iscsi", onOff(r.IncludeISCSI))+parameter("include-raid", onOff(r.IncludeRAID)))
}

// DeleteFile removes one file from the device.
func (c *Client) DeleteFile(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "DeleteFile", parameter("File", name))
}

// RemoveDir removes a directory from the device, which the device allows only below local:.
func (c *Client) RemoveDir(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "RemoveDir", parameter("Dir", name))
}

// SaveConfig saves the running configuration of a domain.
func (c *Client) SaveConfig(ctx context.Context, domain string) error {
	return c.action(ctx, domain, "SaveConfig", "")
}

// SaveCheckpoint asks a domain to save its running configuration under a name. The device accepts first; the
// checkpoint exists once it is listed.
func (c *Client) SaveCheckpoint(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "SaveCheckpoint", parameter("ChkName", name))
}

// RemoveCheckpoint removes a checkpoint.
func (c *Client) RemoveCheckpoint(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "RemoveCheckpoint", parameter("ChkName", name))
}

// CreateDomain asks for a new domain that keeps its own configuration. The device accepts first and makes the domain afterwards.
func (c *Client) CreateDomain(ctx context.Context, name, summary string) error {
	return c.configure(ctx, "set-config", `<Domain name="`+escape(name)+`">`+parameter("mAdminState", "enabled")+parameter("UserSummary", summary)+
		`<NeighborDomain class="Domain">default</NeighborDomain>`+parameter("ConfigMode", "local")+`</Domain>`)
}

// DeleteDomain asks the device to remove a domain with everything in it. The device accepts first and removes the domain afterwards.
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
