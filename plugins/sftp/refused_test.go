package sftp

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sftpshort"
	"github.com/dprun/dprun/testfixtures/sshd"
)

func TestALoginThatIsRefusedIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	c := configFor(t, s)
	c.PrivateKey = newKey(t, "")
	d := open(t, c)
	for range 3 {
		_, err := d.Check(within(t, testLimit))
		wantFailure(t, err, failure.Denied, failure.BadCredentials)
		_, err = d.Store(within(t, testLimit), request(t, "file", 10), nil)
		wantFailure(t, err, failure.Denied, failure.BadCredentials)
	}
	// The server writes after it has hung up.
	eventually(t, "write the login down", func() bool {
		return strings.Contains(s.Log(), "Connection closed by") || strings.Contains(s.Log(), "Connection reset by")
	})
	if n := strings.Count(s.Log(), "Connection from "); n > 2 { // one is the harness's own
		t.Errorf("%d connections, want one", n-1)
	}
}

func TestAnAgentWithTooManyKeysIsExplained(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}, Config: []string{"MaxAuthTries 2"}})
	c := configFor(t, s)
	socket := serveAgent(t, newKey(t, ""), newKey(t, ""), newKey(t, ""), newKey(t, ""), c.PrivateKey)
	yes := true
	c.PrivateKey, c.Agent = "", &yes
	f := wantFailure(t, check(t, c, socket), failure.Denied, failure.BadCredentials)
	if !strings.Contains(f.Remedy, "MaxAuthTries") || !strings.Contains(f.Remedy, "private_key") {
		t.Errorf("the remedy is %q", f.Remedy)
	}
}

func TestALoginWithACertificate(t *testing.T) {
	t.Parallel()
	ca := newSigner(t)
	file := filepath.Join(t.TempDir(), "ca.pub")
	need.Done(t, os.WriteFile(file, ssh.MarshalAuthorizedKey(ca.PublicKey()), 0o644))
	for dir := filepath.Dir(file); strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		need.Done(t, os.Chmod(dir, 0o755))
	}
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}, Config: []string{"TrustedUserCAKeys " + file}})
	key := newKey(t, "")
	signer := need.Value(ssh.ParsePrivateKey([]byte(key)))(t)
	for name, c := range map[string]struct {
		change func(*ssh.Certificate)
		say    string // empty: it works
	}{
		"for the user":     {func(*ssh.Certificate) {}, ""},
		"for another user": {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"somebody"} }, "principals"},
		"expired":          {func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Hour).Unix()) }, "it was valid until"},
		"not yet valid":    {func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Hour).Unix()) }, "it is valid from"},
	} {
		cert := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{s.User}, ValidBefore: ssh.CertTimeInfinity}
		c.change(cert)
		need.Done(t, cert.SignCert(rand.Reader, ca))
		config := configFor(t, s)
		config.PrivateKey, config.Certificate = key, string(ssh.MarshalAuthorizedKey(cert))
		err := check(t, config, "")
		if c.say == "" {
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, s.Log())
			}
			continue
		}
		if f := wantFailure(t, err, failure.Denied, failure.BadCredentials); !strings.Contains(f.Error(), c.say) {
			t.Errorf("%s: %q does not say %q", name, f.Error(), c.say)
		}
	}
	other := configFor(t, s)
	other.Certificate = string(ssh.MarshalAuthorizedKey(&ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, SignatureKey: ca.PublicKey(), Signature: &ssh.Signature{}}))
	f := wantFailure(t, check(t, other, ""), failure.Precondition, failure.BadConfig)
	if !strings.Contains(f.Message, "a key other than private_key") {
		t.Errorf("%q does not say that the certificate is another key's", f.Message)
	}
}

func TestALoginThatDoesNotLeadToSFTPIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command string
		kind    failure.Kind
		reason  failure.Reason
		say     []string
	}{
		"prints text": {"echo 'Welcome to vault'; exec " + sftpshort.ServerPath, failure.Precondition, failure.Unsupported,
			[]string{`prints text: "Welcome to vault`, ".bashrc"}},
		"has no shell": {"echo 'This account is currently not available.'; exit 1", failure.Precondition, failure.Unsupported,
			[]string{"This account is currently not available.", "may use SFTP"}},
		"ends": {"exit 0", failure.Unavailable, failure.Unreachable, []string{"ended before it began", "sftp -P "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}, Command: func(string) string { return c.command }})
			f := wantFailure(t, check(t, configFor(t, s), ""), c.kind, c.reason)
			for _, say := range c.say {
				if !strings.Contains(f.Error(), say) {
					t.Errorf("%q does not say %q", f.Error(), say)
				}
			}
		})
	}
}

func TestAServerThatTurnsConnectionsAwayIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ says, want string }{
		"without a word": {"", "without giving a reason"},
		"with a word":    {"Exceeded MaxStartups\r\n", `it says "Exceeded MaxStartups"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 100)) // else what is said may be lost with a reset
					_, _ = conn.Write([]byte(c.says))
					_ = conn.Close()
				}
			}()
			t.Cleanup(func() { _ = l.Close(); <-done })
			known := filepath.Join(t.TempDir(), "known_hosts")
			need.Done(t, os.WriteFile(known, nil, 0o600))
			f := wantFailure(t, check(t, Config{
				Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Username: "u", PrivateKey: newKey(t, ""), KnownHosts: known,
				Directory: "/", ConnectTimeout: testLimit, FileMode: "0600", Connections: 8, StallTimeout: testLimit,
			}, ""), failure.Unavailable, failure.Unreachable)
			if !strings.Contains(f.Message, c.want) || !strings.Contains(f.Remedy, "MaxStartups") || !strings.Contains(f.Remedy, "`connections` (8)") {
				t.Errorf("%q, %q do not say what it is and what to do", f.Message, f.Remedy)
			}
		})
	}
}

func TestASubsystemThatIsNotOfferedIsExplained(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword, noSubsystem: true})
	d, err := newDestination(f.config(), sdk.Env{}, "", defaultTiming)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.Check(within(t, testLimit))
	if failed := wantFailure(t, err, failure.Precondition, failure.Unsupported); !strings.Contains(failed.Remedy, "sshd_config") {
		t.Errorf("the remedy is %q", failed.Remedy)
	}
}

func TestALoginThatAsksForMoreThanAPasswordIsRefused(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{answer: fakePassword, secondFactor: true})
	if failed := wantFailure(t, check(t, f.config(), ""), failure.Denied, failure.BadCredentials); !strings.Contains(failed.Message, "more than a password") {
		t.Errorf("it says %q", failed.Message)
	}
}
