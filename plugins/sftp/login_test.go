package sftp

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// serveAgent runs an SSH agent that holds the keys, and gives its socket.
func serveAgent(t *testing.T, pems ...string) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, p := range pems {
		key, err := ssh.ParseRawPrivateKey([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // t.TempDir may be too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(ring, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return socket
}

func newKey(t *testing.T, passphrase string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encodeKey(t, key, passphrase)
}

func encodeKey(t *testing.T, key any, passphrase string) string {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// check makes a destination and checks it once.
func check(t *testing.T, c Config, agentSocket string) error {
	t.Helper()
	d, err := newDestination(c, sdk.Env{}, agentSocket, defaultTiming)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = d.Check(within(t, testLimit))
	return err
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	good := configFor(t, s)
	raw, err := ssh.ParseRawPrivateKey([]byte(good.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	locked := encodeKey(t, raw, "open sesame")
	holding, foreign := serveAgent(t, newKey(t, ""), good.PrivateKey), serveAgent(t, newKey(t, ""))
	yes := true
	for name, c := range map[string]struct {
		change func(*Config)
		socket string
		kind   failure.Kind // empty: it works
		reason failure.Reason
		say    string
	}{
		"key":                 {change: func(*Config) {}},
		"key with passphrase": {change: func(c *Config) { c.PrivateKey, c.Passphrase = locked, "open sesame" }},
		"agent":               {change: func(c *Config) { c.PrivateKey, c.Agent = "", &yes }, socket: holding},
		"passphrase not given": {change: func(c *Config) { c.PrivateKey = locked },
			kind: failure.Precondition, reason: failure.BadConfig, say: "set `passphrase`"},
		"wrong passphrase": {change: func(c *Config) { c.PrivateKey, c.Passphrase = locked, "not this one" },
			kind: failure.Precondition, reason: failure.BadConfig, say: "passphrase is wrong"},
		"not a key": {change: func(c *Config) { c.PrivateKey = "/etc/dprun/id_ed25519" },
			kind: failure.Precondition, reason: failure.BadConfig, say: "secret_file"},
		"another key": {change: func(c *Config) { c.PrivateKey = newKey(t, "") },
			kind: failure.Denied, reason: failure.BadCredentials, say: "authorized_keys"},
		"another user": {change: func(c *Config) { c.Username = "somebody" },
			kind: failure.Denied, reason: failure.BadCredentials, say: "user name"},
		"agent without the key": {change: func(c *Config) { c.PrivateKey, c.Agent = "", &yes }, socket: foreign,
			kind: failure.Denied, reason: failure.BadCredentials, say: "ssh-add -l"},
		"agent not started": {change: func(c *Config) { c.PrivateKey, c.Agent = "", &yes },
			kind: failure.Precondition, reason: failure.BadConfig, say: "SSH_AUTH_SOCK"},
		"agent gone": {change: func(c *Config) { c.PrivateKey, c.Agent = "", &yes }, socket: filepath.Join(t.TempDir(), "s"),
			kind: failure.Precondition, reason: failure.BadConfig, say: "start an agent"},
		"password refused": {change: func(c *Config) { c.PrivateKey, c.Password = "", "hunter2hunter2" },
			kind: failure.Denied, reason: failure.BadCredentials, say: "logins with a password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := good
			c.change(&config)
			err := check(t, config, c.socket)
			if c.kind == "" {
				if err != nil {
					t.Fatalf("%v\n%s", err, s.Log())
				}
				return
			}
			f := wantFailure(t, err, c.kind, c.reason)
			if !strings.Contains(f.Error(), c.say) {
				t.Errorf("%q does not say %q", f.Error(), c.say)
			}
			for _, secret := range []string{config.Password, config.Passphrase, config.PrivateKey} {
				if secret != "" && strings.Contains(f.Error(), secret) {
					t.Errorf("%q holds a secret", f.Error())
				}
			}
		})
	}
}

func TestLoginWithAPassword(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fakeServer{
		"method password":      {password: fakePassword},
		"keyboard-interactive": {answer: fakePassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startFake(t, f)
			if err := check(t, s.config(), ""); err != nil {
				t.Error(err)
			}
			wrong := s.config()
			wrong.Password = "not this one"
			f := wantFailure(t, check(t, wrong, ""), failure.Denied, failure.BadCredentials)
			if strings.Contains(f.Error(), wrong.Password) {
				t.Errorf("%q holds the password", f.Error())
			}
		})
	}
}

func TestHostKey(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	line := func(typ string) string {
		l, err := s.KnownHost(typ)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	fingerprint := func(typ string) string {
		f, err := s.Fingerprint(typ)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	strange, err := ssh.ParsePrivateKey([]byte(newKey(t, "")))
	if err != nil {
		t.Fatal(err)
	}
	host := "[127.0.0.1]:" + strconv.Itoa(s.Port) + " "
	other := host + string(ssh.MarshalAuthorizedKey(strange.PublicKey()))
	scan := "ssh-keyscan -p " + strconv.Itoa(s.Port) + " '127.0.0.1' >> "
	for name, c := range map[string]struct {
		file string
		kind failure.Kind // empty: it works
		say  []string
	}{
		"both keys":      {file: line(sshd.RSA) + line(sshd.ED25519)},
		"only ed25519":   {file: line(sshd.ED25519)},
		"only rsa":       {file: line(sshd.RSA)},
		"one of several": {file: other + line(sshd.ED25519)},
		"unknown":        {file: "# nothing yet\n", kind: failure.Denied, say: []string{"SHA256:", scan}},
		"of another host": {file: strings.Replace(line(sshd.ED25519), "127.0.0.1", "192.0.2.1", 1), kind: failure.Denied,
			say: []string{"holds no key for it", scan}},
		"changed": {file: other, kind: failure.Denied,
			say: []string{fingerprint(sshd.ED25519), ssh.FingerprintSHA256(strange.PublicKey()), "ssh-keygen -R", scan}},
		"revoked": {file: line(sshd.ED25519) + "@revoked * " + strings.TrimPrefix(line(sshd.ED25519), host), kind: failure.Denied,
			say: []string{"revoked", fingerprint(sshd.ED25519)}},
		"of a kind that the server lacks": {file: host + ecdsaKey + "\n", kind: failure.Denied, say: []string{"ecdsa-sha2-nistp256", scan}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t, s)
			config.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(config.KnownHosts, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			err := check(t, config, "")
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := wantFailure(t, err, c.kind, failure.HostKey)
			for _, say := range c.say {
				if !strings.Contains(f.Error(), say) {
					t.Errorf("%q does not say %q", f.Error(), say)
				}
			}
			if b, err := os.ReadFile(config.KnownHosts); err != nil || string(b) != c.file {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		t.Parallel()
		config := configFor(t, s)
		config.KnownHosts += ".missing"
		wantFailure(t, check(t, config, ""), failure.Denied, failure.HostKey)
	})
}

// ecdsaKey is some public key of a kind that the test server has none of.
const ecdsaKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPOPNRnHn99zYoiFFrVf3VG6uxi1+mFvi8xqIs9bL+oH2CiaW04VJfXwg+xCSM0Af72xPMygCT05GPLyur/FzM0="

func TestServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it accepts, in the kernel, and never says a word
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{
		Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Username: "u", PrivateKey: newKey(t, ""), KnownHosts: known,
		Directory: "/", ConnectTimeout: 200 * time.Millisecond, FileMode: "0600", Connections: 1, Concurrency: 1,
	}
	f := wantFailure(t, check(t, config, ""), failure.Timeout, failure.Unreachable)
	if !strings.Contains(f.Remedy, "connect_timeout") {
		t.Errorf("remedy %q", f.Remedy)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, check(t, config, ""), failure.Unavailable, failure.Unreachable)
}
