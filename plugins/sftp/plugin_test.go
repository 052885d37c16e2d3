package sftp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPluginDescribesItself(t *testing.T) {
	t.Parallel()
	s := Plugin().Schema()
	if len(s.Destinations) != 1 || s.Destinations[0].Name != "sftp" {
		t.Fatalf("destinations: %+v", s.Destinations)
	}
	block := s.Destinations[0].Config
	for _, name := range []string{"private_key", "passphrase", "password"} {
		if a := block.Attribute(name); a == nil || !a.Sensitive {
			t.Errorf("%s is not sensitive", name)
		}
	}
	for _, name := range []string{"host", "username", "known_hosts", "directory"} {
		if a := block.Attribute(name); a == nil || !a.Required {
			t.Errorf("%s is not required", name)
		}
	}
	if diff := cmp.Diff([][]string{{"private_key", "password", "agent"}}, block.ExactlyOne); diff != "" {
		t.Errorf("exactly one of (-want +got):\n%s", diff)
	}
	for _, a := range block.Attributes {
		if a.Doc == "" {
			t.Errorf("%s has no doc", a.Name)
		}
	}
}

func TestValidatePointsAtTheArgument(t *testing.T) {
	t.Parallel()
	no := false
	good := Config{Host: "vault", Port: 22, Username: "u", PrivateKey: newKey(t, ""), KnownHosts: "/k", Directory: "/srv", FileMode: "0640"}
	for name, c := range map[string]struct {
		change  func(*Config)
		unknown string
		want    []string
	}{
		"good":                 {change: func(*Config) {}},
		"IPv6":                 {change: func(c *Config) { c.Host = "2001:db8::1" }},
		"host with port":       {change: func(c *Config) { c.Host = "vault:22" }, want: []string{"host"}},
		"host as URL":          {change: func(c *Config) { c.Host = "sftp://vault" }, want: []string{"host"}},
		"empty user":           {change: func(c *Config) { c.Username = "" }, want: []string{"username"}},
		"unknown user":         {change: func(c *Config) { c.Username = "" }, unknown: "username"},
		"directory":            {change: func(c *Config) { c.Directory = "a\nb" }, want: []string{"directory"}},
		"agent = false":        {change: func(c *Config) { c.Agent = &no }, want: []string{"agent"}},
		"mode":                 {change: func(c *Config) { c.FileMode = "rw" }, want: []string{"file_mode"}},
		"mode without write":   {change: func(c *Config) { c.FileMode = "0444" }, want: []string{"file_mode"}},
		"key":                  {change: func(c *Config) { c.PrivateKey = "/a/path" }, want: []string{"private_key"}},
		"locked key":           {change: func(c *Config) { c.PrivateKey = newKey(t, "x") }, want: []string{"private_key"}},
		"passphrase unknown":   {change: func(c *Config) { c.PrivateKey = newKey(t, "x") }, unknown: "passphrase"},
		"passphrase, no key":   {change: func(c *Config) { c.PrivateKey, c.Password, c.Passphrase = "", "p", "x" }, want: []string{"passphrase"}},
		"no certificate":       {change: func(c *Config) { c.Certificate = "/a/path" }, want: []string{"certificate"}},
		"certificate, no key":  {change: func(c *Config) { c.PrivateKey, c.Password, c.Certificate = "", "p", "x" }, want: []string{"certificate"}},
		"certificate unknown":  {change: func(c *Config) { c.Certificate = "" }, unknown: "certificate"},
		"key not known so far": {change: func(c *Config) { c.PrivateKey, c.Passphrase = "", "x" }, unknown: "private_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := good
			c.change(&config)
			var got []string
			for _, d := range validate(config, func(path ...string) bool { return path[0] != c.unknown }) {
				got = append(got, d.Path...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
