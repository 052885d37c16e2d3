package soma

import (
	"context"
	"strconv"
	"time"
)

// MinQuiesceTimeout is the shortest time the device takes for a quiesce.
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

// quiesceSeconds is a timeout as the device takes it: whole seconds between its minimum and 65535.
func quiesceSeconds(d time.Duration) string {
	s := int64((max(d, MinQuiesceTimeout) + time.Second - 1) / time.Second)
	return strconv.FormatInt(min(s, 65535), 10)
}

// DomainQuiesce asks a domain to stop taking work. The device accepts at once; after timeout it forces. A timeout below the
// device's minimum is raised to it.
func (c *Client) DomainQuiesce(ctx context.Context, domain string, timeout time.Duration) error {
	return c.action(ctx, "default", "DomainQuiesce", parameter("name", domain)+parameter("timeout", quiesceSeconds(timeout)))
}

// DomainUnquiesce asks a domain to come back.
func (c *Client) DomainUnquiesce(ctx context.Context, domain string) error {
	return c.action(ctx, "default", "DomainUnquiesce", parameter("name", domain))
}

// QuiesceDP asks all domains but default to stop taking work.
func (c *Client) QuiesceDP(ctx context.Context, timeout time.Duration) error {
	return c.action(ctx, "default", "QuiesceDP", parameter("timeout", quiesceSeconds(timeout)))
}

// UnquiesceDP asks the whole device to come back.
func (c *Client) UnquiesceDP(ctx context.Context) error {
	return c.action(ctx, "default", "UnquiesceDP", "")
}

// SecureBackupRequest asks for a secure backup. Destination is a directory of the device's temporary: or local: store; it makes
// the directory itself.
type SecureBackupRequest struct {
	Certificate  string // a CryptoCertificate object of the default domain
	Destination  string
	IncludeISCSI bool
	IncludeRAID  bool
}

const opSecureBackup = "SecureBackup"

// SecureBackup writes a secure backup to the device's own store. The reply comes when it is done; the manifest may come later.
func (c *Client) SecureBackup(ctx context.Context, r SecureBackupRequest) error {
	return c.action(ctx, "default", opSecureBackup, parameter("cert", r.Certificate)+parameter("destination", r.Destination)+
		parameter("include-iscsi", onOff(r.IncludeISCSI))+parameter("include-raid", onOff(r.IncludeRAID)))
}

// DeleteFile removes one file of the device.
func (c *Client) DeleteFile(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "DeleteFile", parameter("File", name))
}

// RemoveDir removes a directory of the device; the device does that below local: only.
func (c *Client) RemoveDir(ctx context.Context, domain, name string) error {
	return c.action(ctx, domain, "RemoveDir", parameter("Dir", name))
}
