package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dprun/dprun/testfixtures/need"
)

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := need.Value(ssh.NewSignerFromKey(key))(t)
	return s
}

// certify makes a host's certificate.
func certify(t testing.TB, ca, host ssh.Signer, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: host.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"vault.example.net"}, ValidBefore: ssh.CertTimeInfinity}
	change(c)
	need.Done(t, c.SignCert(rand.Reader, ca))
	return c
}

// TestKnownHostsIsReadAsOpenSSHReadsIt: one server, vault.example.net:2222.
func TestKnownHostsIsReadAsOpenSSHReadsIt(t *testing.T) {
	t.Parallel()
	key, other, ca := newSigner(t), newSigner(t), newSigner(t)
	text := func(s ssh.Signer) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey()))) }
	mine, others := text(key), text(other)
	const exact = "[vault.example.net]:2222"
	cert := func(change func(*ssh.Certificate)) ssh.PublicKey { return certify(t, ca, key, change) }
	good := cert(func(*ssh.Certificate) {})
	for name, c := range map[string]struct {
		file    string
		shown   ssh.PublicKey
		want    standing
		skipped int
	}{
		"its line":                       {exact + " " + mine, key.PublicKey(), known, 0},
		"a comment of several words":     {exact + " " + mine + " made by hand in 2019", key.PublicKey(), known, 0},
		"without the port":               {"vault.example.net " + mine, key.PublicKey(), known, 0},
		"hashed":                         {knownhosts.HashHostname(exact) + " " + mine, key.PublicKey(), known, 0},
		"hashed without the port":        {knownhosts.HashHostname("vault.example.net") + " " + mine, key.PublicKey(), known, 0},
		"one of several names":           {"a," + exact + ",b " + mine, key.PublicKey(), known, 0},
		"a wildcard":                     {"*.example.??? " + mine, key.PublicKey(), known, 0},
		"a wildcard with an exception":   {"*.example.net,!vault.* " + mine, key.PublicKey(), unknown, 0},
		"capital letters":                {"[Vault.Example.NET]:2222 " + mine, key.PublicKey(), known, 0},
		"another port":                   {"[vault.example.net]:2223 " + mine, key.PublicKey(), unknown, 0},
		"another key":                    {exact + " " + others, key.PublicKey(), changed, 0},
		"another key, and the right one": {exact + " " + others + "\n" + exact + " " + mine, key.PublicKey(), known, 0},
		"another key with the port, the right one without": {exact + " " + others + "\nvault.example.net " + mine, key.PublicKey(), changed, 0},
		"another key without the port":                     {"vault.example.net " + others, key.PublicKey(), unknown, 0},
		"revoked":                                          {exact + " " + mine + "\n@revoked * " + mine, key.PublicKey(), revoked, 0},
		"revoked for another host":                         {exact + " " + mine + "\n@revoked other " + mine, key.PublicKey(), known, 0},
		"an SSH 1 key of another host":                     {"oldbox 1024 35 1437890342857908347590834759083475\n" + exact + " " + mine, key.PublicKey(), known, 1},
		"a cut key of a kind that is not known":            {"oldbox ssh-dss AAAAB3NzaC1kc3MAAACBAP\n" + exact + " " + mine, key.PublicKey(), known, 1},
		"a hashed name that is none":                       {"|1|abc|def " + others + "\n" + exact + " " + mine, key.PublicKey(), known, 1},
		"a line that ends early":                           {"@cert-authority *.example.net\n@what x\nx\n" + exact + " " + mine, key.PublicKey(), known, 3},
		"a type that is not the key's":                     {exact + " ssh-rsa " + strings.Fields(mine)[1], key.PublicKey(), unknown, 1},
		"a comment and an empty line":                      {"# vault\n\n\t" + exact + " " + mine + "\r\n", key.PublicKey(), known, 0},
		"an authority":                                     {"@cert-authority " + exact + " " + text(ca), good, known, 0},
		"an authority without the port":                    {"@cert-authority vault.example.net " + text(ca), good, known, 0},
		"an authority of all":                              {"@cert-authority *.example.net " + text(ca), good, known, 0},
		"an authority's key without a certificate":         {"@cert-authority " + exact + " " + text(ca), ca.PublicKey(), unknown, 0},
		"another authority":                                {"@cert-authority " + exact + " " + others, good, unknown, 0},
		"a certificate and its key's line":                 {exact + " " + mine, good, known, 0},
		"a certificate and another key's line":             {exact + " " + others, good, changed, 0},
		"a revoked authority":                              {"@cert-authority * " + text(ca) + "\n@revoked * " + text(ca), good, revoked, 0},
		"a certificate of another host": {"@cert-authority * " + text(ca),
			cert(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"other.example.net"} }), unknown, 0},
		"a certificate of a pattern": {"@cert-authority * " + text(ca),
			cert(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"*.example.net"} }), known, 0},
		"a certificate that has expired": {"@cert-authority * " + text(ca),
			cert(func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Hour).Unix()) }), unknown, 0},
		"a user's certificate": {"@cert-authority * " + text(ca), cert(func(c *ssh.Certificate) { c.CertType = ssh.UserCert }), unknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "known_hosts")
			need.Done(t, os.WriteFile(file, []byte(c.file), 0o600))
			k := need.Value(readKnownHosts(file))(t)
			if got := k.judge("vault.example.net", 2222, c.shown); got.standing != c.want {
				t.Errorf("got %+v, want standing %d", got, c.want)
			}
			if len(k.skipped) != c.skipped {
				t.Errorf("skipped %q, want %d lines", k.skipped, c.skipped)
			}
		})
	}
}

func TestAHostCertificateIsAskedForAndExplained(t *testing.T) {
	t.Parallel()
	ca := newSigner(t)
	f := startFake(t, &fakeServer{password: fakePassword, authority: ca})
	authority := "@cert-authority 127.0.0.1 " + string(ssh.MarshalAuthorizedKey(ca.PublicKey()))
	for name, c := range map[string]struct {
		file string
		say  []string // empty: it works
	}{
		"authority known": {file: authority},
		"nothing known":   {file: "# nothing\n", say: []string{"holds neither its authority", ssh.FingerprintSHA256(ca.PublicKey()), markAuthority, "ssh-keyscan -p "}},
		"line skipped":    {file: "x y\n", say: []string{"line 1 of ", "is skipped"}},
	} {
		config := f.config()
		config.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
		need.Done(t, os.WriteFile(config.KnownHosts, []byte(c.file), 0o600))
		err := check(t, config, "")
		if len(c.say) == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for _, say := range c.say {
			if err == nil || !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %v does not say %q", name, err, say)
			}
		}
	}
}

func TestALineThatIsSkippedIsAWarningOfTheCheck(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword})
	b := need.Value(os.ReadFile(f.knownHosts))(t)
	need.Done(t, os.WriteFile(f.knownHosts, append([]byte(strings.Repeat("oldbox 1024 35 14378\n", 5)), b...), 0o600))
	d := open(t, f.config())
	r, err := d.Check(within(t, testLimit))
	for _, want := range []string{"line 1 of " + f.knownHosts + " is skipped: it holds a key of SSH version 1", "line 3 of ", "2 more lines of "} {
		if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), want) {
			t.Errorf("got %+v, %v; want the warning %q", r, err, want)
		}
	}
	_ = d.Close()
}
