package access

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Config is the checked content of the server's configuration file. It holds no
// secrets: only hashes of tokens, and names of files.
type Config struct {
	Listen      string    `hcl:"listen,optional"`       // host and port; default 127.0.0.1:8420
	ExternalURL string    `hcl:"external_url,optional"` // the address that people use: scheme, host, port; without a slash at its end
	Hosts       []string  `hcl:"hosts,optional"`        // further names of the server
	AuditLog    string    `hcl:"audit_log,optional"`    // a file; empty: the server's log
	TLS         *TLS      `hcl:"tls,block"`
	Proxy       *Proxy    `hcl:"proxy,block"`
	Tokens      []Token   `hcl:"token,block"`
	OIDC        *OIDC     `hcl:"oidc,block"`
	Sessions    *Sessions `hcl:"sessions,block"` // ReadConfig fills in missing values
	Limits      *Limits   `hcl:"limits,block"`   // likewise
	Body        hcl.Body  `hcl:",body"`
}

// TLS names the files of the certificate with its chain, and of its key.
type TLS struct {
	Certificate string   `hcl:"certificate"`
	Key         string   `hcl:"key"`
	Body        hcl.Body `hcl:",body"`
}

// Proxy says that TLS ends at a proxy, and names the proxy's addresses. Only these
// addresses are answered, and the proxy is trusted to name the caller's address.
type Proxy struct {
	Addresses []string `hcl:"addresses"` // IP addresses, or networks such as 10.1.2.0/24
	Body      hcl.Body `hcl:",body"`
	networks  []netip.Prefix
}

// Token grants access to a program.
type Token struct {
	Name    string            `hcl:"name,label"`
	SHA256  string            `hcl:"sha256"`
	Role    string            `hcl:"role"`
	Plans   []string          `hcl:"plans,optional"`
	Labels  map[string]string `hcl:"labels,optional"`
	Expires string            `hcl:"expires,optional"` // a date (until its end, UTC) or RFC 3339; empty: never
	Body    hcl.Body          `hcl:",body"`
	sum     []byte
	expires time.Time
}

// OIDC is the provider that people use to log in.
type OIDC struct {
	Issuer           string   `hcl:"issuer"`
	ClientID         string   `hcl:"client_id"`
	ClientSecretFile string   `hcl:"client_secret_file,optional"` // empty: a public client
	CAFile           string   `hcl:"ca_file,optional"`            // the authority of the provider's certificate; empty: the system's
	Scopes           []string `hcl:"scopes,optional"`             // in addition to openid; default profile, email
	NameClaim        string   `hcl:"name_claim,optional"`         // the claim with a person's name; default: email, preferred_username, name
	Grants           []Grant  `hcl:"role,block"`
	Body             hcl.Body `hcl:",body"`
}

// Grant gives a role to people with one of the values in a claim.
type Grant struct {
	Role   string            `hcl:"role,label"`
	Claim  string            `hcl:"claim"` // a name; a dot selects a field of an object
	Values []string          `hcl:"values"`
	Plans  []string          `hcl:"plans,optional"`
	Labels map[string]string `hcl:"labels,optional"`
	Body   hcl.Body          `hcl:",body"`
}

// Sessions limits how long somebody stays logged in.
type Sessions struct {
	IdleText      string   `hcl:"idle,optional"`
	LongestText   string   `hcl:"longest,optional"`
	Body          hcl.Body `hcl:",body"`
	idle, longest time.Duration
}

// Limits limits how often somebody is answered.
type Limits struct {
	LoginsPerMinute   int      `hcl:"logins_per_minute,optional"`   // attempts from one address
	RequestsPerSecond int      `hcl:"requests_per_second,optional"` // of one person or token
	Body              hcl.Body `hcl:",body"`
}

// ReadConfig reads and checks the configuration file. Relative paths in it start at its
// directory. The error names each faulty place and what to do there.
func ReadConfig(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the server's configuration: %w", err)
	}
	parsed, ds := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
	c := &Config{}
	if !ds.HasErrors() {
		ds = gohcl.DecodeBody(parsed.Body, nil, c)
	}
	if !ds.HasErrors() {
		k := &checker{dir: filepath.Dir(file)}
		k.config(c)
		ds = k.ds
	}
	if ds.HasErrors() {
		return nil, told(ds)
	}
	return c, nil
}

// Loopback returns the configuration of a server that answers only health requests, at
// a loopback address.
func Loopback(listen string) (*Config, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; write it such as 127.0.0.1:8420", listen, err)
	}
	if !IsLoopback(host) {
		return nil, fmt.Errorf("listen on %s: without --config only the loopback interface is served, such as 127.0.0.1:8420: nothing there is encrypted", listen)
	}
	c, k := &Config{Listen: listen}, &checker{}
	k.sessions(c)
	k.limits(c)
	return c, nil
}

// closed reports whether nobody can get access, so that only health requests are
// answered.
func (c *Config) closed() bool { return len(c.Tokens) == 0 && c.OIDC == nil }

// told returns one error with a line for each diagnostic.
func told(ds hcl.Diagnostics) error {
	var text bytes.Buffer
	for i, d := range ds {
		if i > 0 {
			text.WriteByte('\n')
		}
		if d.Subject != nil {
			fmt.Fprintf(&text, "%s:%d:%d: ", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column)
		}
		text.WriteString(strings.TrimSpace(d.Summary + ". " + d.Detail))
	}
	return errors.New(text.String())
}

// checker finds mistakes that decoding does not notice.
type checker struct {
	dir string
	ds  hcl.Diagnostics
}

// wrong adds a diagnostic at an argument of a block, or at the start of the block.
func (k *checker) wrong(body hcl.Body, argument, summary, detail string) {
	at := body.MissingItemRange()
	if b, is := body.(*hclsyntax.Body); is {
		if a := b.Attributes[argument]; a != nil {
			at = a.Expr.Range()
		}
	}
	k.ds = append(k.ds, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at})
}

func (k *checker) path(p *string) {
	if *p != "" && !filepath.IsAbs(*p) {
		*p = filepath.Join(k.dir, *p)
	}
}

func (k *checker) config(c *Config) {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8420")
	k.path(&c.AuditLog)
	if c.TLS != nil {
		k.path(&c.TLS.Certificate)
		k.path(&c.TLS.Key)
	}
	if c.Proxy != nil {
		k.proxy(c)
	}
	k.address(c)
	k.external(c)
	k.tokens(c.Tokens)
	if c.OIDC != nil {
		k.oidc(c)
	}
	k.sessions(c)
	k.limits(c)
}

func (k *checker) address(c *Config) {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		k.wrong(c.Body, "listen", fmt.Sprintf("%q is no address to listen on", c.Listen), "Write host and port, such as 127.0.0.1:8420.")
	case c.TLS == nil && c.Proxy == nil && !IsLoopback(host):
		k.wrong(c.Body, "listen", fmt.Sprintf("Passwords and tokens would cross the network in plain text at %s", c.Listen),
			"Add a tls block with certificate and key. If TLS ends at a proxy, add a proxy block with its addresses. Or listen on 127.0.0.1.")
	case !IsLoopback(host) && c.ExternalURL == "" && len(c.Hosts) == 0:
		k.wrong(c.Body, "listen", "The name is missing under which the server is reached",
			`Add external_url, such as "https://backup.bank.example": requests with other names are refused.`)
	}
}

func (k *checker) external(c *Config) {
	if c.ExternalURL == "" {
		return
	}
	u, err := url.Parse(strings.TrimSuffix(c.ExternalURL, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		k.wrong(c.Body, "external_url", fmt.Sprintf("%q is not how people reach the server", c.ExternalURL),
			`Write scheme, name and, if it is not the usual one, port, such as "https://backup.bank.example". A path is not possible.`)
		return
	}
	if fits := u.Scheme == "https"; c.secure() != fits || !fits && !IsLoopback(u.Hostname()) {
		k.wrong(c.Body, "external_url", fmt.Sprintf("%s does not fit how the server listens", c.ExternalURL),
			"With a tls or a proxy block it begins with https, without them with http and names the loopback interface.")
	}
	c.ExternalURL = u.String()
}

func (k *checker) proxy(c *Config) {
	if c.TLS != nil {
		k.wrong(c.Proxy.Body, "", "TLS ends here, or at a proxy", "Remove the proxy block or the tls block. Between a proxy and this server use its private network.")
	}
	if c.ExternalURL == "" {
		k.wrong(c.Proxy.Body, "", "The name is missing under which the proxy is reached", `Add external_url, such as "https://backup.bank.example".`)
	}
	if len(c.Proxy.Addresses) == 0 {
		k.wrong(c.Proxy.Body, "addresses", "Nobody would be answered", "Name the address of the proxy.")
	}
	for _, a := range c.Proxy.Addresses {
		p, err := netip.ParsePrefix(a)
		if ip, plain := netip.ParseAddr(a); plain == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil || p.Bits() == 0 {
			k.wrong(c.Proxy.Body, "addresses", fmt.Sprintf("%q is not the address of a proxy", a), "Write IP addresses, or networks such as 10.1.2.0/24. Who stands in them is believed.")
			continue
		}
		c.Proxy.networks = append(c.Proxy.networks, p.Masked())
	}
}

func (k *checker) role(body hcl.Body, argument, role string) {
	if !slices.Contains(Roles(), Role(role)) {
		k.wrong(body, argument, fmt.Sprintf("There is no role %q", role), `Write "viewer", "operator" or "admin".`)
	}
}

func (k *checker) tokens(tokens []Token) {
	for i := range tokens {
		t := &tokens[i]
		if t.Name == "" {
			k.wrong(t.Body, "", "A token has no name", `Write token "NAME" { … }: the audit log shows it.`)
		}
		k.role(t.Body, "role", t.Role)
		if sum, err := hex.DecodeString(t.SHA256); err != nil || len(sum) != 32 {
			k.wrong(t.Body, "sha256", "This is not the SHA-256 of a token", "Write the 64 hexadecimal digits that printf %s TOKEN | sha256sum shows. The token itself does not belong here.")
		} else {
			t.sum = sum
		}
		for _, o := range tokens[:i] {
			if o.Name == t.Name {
				k.wrong(t.Body, "", fmt.Sprintf("There are two tokens %q", t.Name), "Give one of them another name.")
			} else if bytes.Equal(o.sum, t.sum) {
				k.wrong(t.Body, "sha256", fmt.Sprintf("This is also the token %q", o.Name), "Make a token of its own for each program, so that one can be taken back alone.")
			}
		}
		if t.Expires == "" {
			continue
		}
		if day, err := time.Parse(time.DateOnly, t.Expires); err == nil {
			t.expires = day.AddDate(0, 0, 1)
		} else if t.expires, err = time.Parse(time.RFC3339, t.Expires); err != nil {
			k.wrong(t.Body, "expires", fmt.Sprintf("%q is no time", t.Expires), `Write a day, such as "2027-06-30", or a time, such as "2027-06-30T18:00:00+02:00".`)
		}
	}
}

func (k *checker) oidc(c *Config) {
	o := c.OIDC
	k.path(&o.ClientSecretFile)
	k.path(&o.CAFile)
	if c.ExternalURL == "" {
		k.wrong(o.Body, "", "The provider has to be told where people come back to", `Add external_url to the file, such as "https://backup.bank.example".`)
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())) {
		k.wrong(o.Body, "issuer", fmt.Sprintf("%q is no issuer", o.Issuer), "Write the address that the provider calls its issuer. It begins with https.")
	}
	if o.ClientID == "" {
		k.wrong(o.Body, "client_id", "The client's name is empty", "Write the one under which the provider knows this server.")
	}
	if o.Scopes == nil {
		o.Scopes = []string{"profile", "email"}
	}
	if len(o.Grants) == 0 {
		k.wrong(o.Body, "", "Nobody who logs in there would have a role", `Add at least one block role "viewer" { claim = "groups", values = ["…"] }, each argument in a line of its own.`)
	}
	for _, g := range o.Grants {
		k.role(g.Body, "", g.Role)
		if g.Claim == "" {
			k.wrong(g.Body, "claim", "The claim's name is empty", `Write the one that holds the groups, such as "groups".`)
		}
		if len(g.Values) == 0 || slices.Contains(g.Values, "") {
			k.wrong(g.Body, "values", "A value is missing", "Write at least one value, and none that is empty.")
		}
	}
}

func (k *checker) sessions(c *Config) {
	c.Sessions = cmp.Or(c.Sessions, &Sessions{})
	b := c.Sessions
	b.idle, b.longest = time.Hour, 12*time.Hour
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"idle", b.IdleText, &b.idle}, {"longest", b.LongestText, &b.longest}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil || v < time.Minute || v > 30*24*time.Hour {
			k.wrong(b.Body, d.name, fmt.Sprintf("%q is no time for a session", d.text), `Write one from "1m" to "720h".`)
			continue
		}
		*d.to = v
	}
}

func (k *checker) limits(c *Config) {
	c.Limits = cmp.Or(c.Limits, &Limits{})
	b := c.Limits
	for _, l := range []struct {
		name      string
		n         *int
		otherwise int
	}{{"logins_per_minute", &b.LoginsPerMinute, 30}, {"requests_per_second", &b.RequestsPerSecond, 50}} {
		if *l.n == 0 {
			*l.n = l.otherwise
		}
		if *l.n < 0 || *l.n > 100_000 {
			k.wrong(b.Body, l.name, fmt.Sprintf("%d is no limit", *l.n), "Write a number from 1 to 100000.")
		}
	}
}

// IsLoopback reports whether a host, without a port, is a loopback address or
// localhost.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// secure reports whether people reach the server over HTTPS.
func (c *Config) secure() bool { return c.TLS != nil || c.Proxy != nil }

// known reports whether host is a name of the server. Names of the loopback interface
// are valid only for requests that arrive there.
func (c *Config) known(host string, local bool) bool {
	name := hostname(host)
	if name == "" {
		return false
	}
	if u, err := url.Parse(c.ExternalURL); err == nil && strings.EqualFold(u.Hostname(), name) {
		return true
	}
	return local && IsLoopback(name) || slices.ContainsFunc(c.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// hostname returns the name in a Host header, without the port and a trailing dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}
