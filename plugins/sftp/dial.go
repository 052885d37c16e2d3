package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"sync"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/sdk/failure"
)

// ciphers in order of preference. AES-GCM costs half of what ChaCha20 does
// where the processor has AES instructions, on both sides.
var ciphers = []string{
	ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305,
	ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
}

// dialer opens sessions.
type dialer struct {
	config      Config
	credentials credentials
	timing      timing
}

// dial connects, checks the server's key, logs in and starts SFTP.
func (d *dialer) dial(ctx context.Context) (*session, error) {
	c := d.config
	keys, err := loadHostKeys(c)
	if err != nil {
		return nil, err
	}
	auth, done, err := d.credentials.methods()
	if err != nil {
		return nil, err
	}
	defer done()

	dialCtx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialCtx, "tcp", c.addr())
	if err != nil {
		if ctx.Err() != nil {
			return nil, ended(ctx, "connect to %s", c.addr())
		}
		kind := failure.Unavailable
		if errors.Is(err, context.DeadlineExceeded) {
			kind = failure.Timeout
		}
		return nil, failure.New(kind, failure.Unreachable, "connect to %s: %w", c.addr(), err).
			WithRemedy("check host and port, that sshd runs there, and what stands in between")
	}
	// The handshake knows no context: closing the connection ends it.
	stop := context.AfterFunc(dialCtx, func() { _ = conn.Close() })
	s, err := d.handshake(conn, keys, auth)
	if !stop() && err == nil { // cut at the last moment
		s.close()
		err = dialCtx.Err()
	}
	if err == nil {
		return s, nil
	}
	_ = conn.Close()
	var f *failure.Error
	switch {
	case errors.As(err, &f):
		return nil, f
	case ctx.Err() != nil:
		return nil, ended(ctx, "log in to %s", c.addr())
	case dialCtx.Err() != nil:
		return nil, failure.New(failure.Timeout, failure.Unreachable, "log in to %s: no session within %s", c.addr(), c.ConnectTimeout).
			WithRemedy("check the server, or raise connect_timeout")
	}
	return nil, failure.New(failure.Unavailable, failure.Unreachable, "log in to %s: %w", c.addr(), err).
		WithRemedy("check that an SSH server with SFTP answers there")
}

func (d *dialer) handshake(conn net.Conn, keys *hostKeys, auth []ssh.AuthMethod) (*session, error) {
	c := d.config
	config := &ssh.ClientConfig{
		Config:            ssh.Config{Ciphers: ciphers},
		User:              c.Username,
		Auth:              auth,
		HostKeyCallback:   keys.check,
		HostKeyAlgorithms: keys.algorithms(),
		ClientVersion:     "SSH-2.0-dprun",
	}
	sshConn, channels, requests, err := ssh.NewClientConn(newBufferedConn(conn), c.addr(), config)
	if err != nil {
		return nil, d.handshakeFailure(err, keys)
	}
	client := ssh.NewClient(sshConn, channels, requests)
	session, err := d.startSFTP(client)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	session.skipped = keys.skipped
	return session, nil
}

// startSFTP starts the subsystem on a connection that is logged in.
func (d *dialer) startSFTP(client *ssh.Client) (*session, error) {
	c := d.config
	ch, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(requests)
	said := &tail{}
	go func() { _, _ = io.Copy(said, ch.Stderr()) }()
	ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, failure.New(failure.Precondition, failure.Unsupported, "start SFTP on %s: the server does not offer it to user %s", c.addr(), c.Username).
			WithRemedy("enable the subsystem sftp on the server (Subsystem in sshd_config)")
	}
	wire, limits, err := openWire(ch, time.Now)
	if err != nil {
		return nil, d.noSFTP(err, said.String())
	}
	s := &session{ssh: client, wire: wire, now: time.Now, timing: d.timing, stall: c.StallTimeout}
	s.packet, s.inFlight = c.window(limits)
	s.sftp, err = pkgsftp.NewClientPipe(wire, wire,
		pkgsftp.MaxPacketUnchecked(s.packet),
		pkgsftp.MaxConcurrentRequestsPerFile(s.inFlight))
	if err != nil {
		return nil, err
	}
	s.base = c.Directory
	if !path.IsAbs(s.base) {
		home, err := s.sftp.RealPath(".")
		if err != nil {
			return nil, err
		}
		s.base = path.Join(home, s.base)
	}
	s.base = path.Clean(s.base)
	return s.start(), nil
}

// noSFTP explains a login that worked and led to something else than SFTP.
func (d *dialer) noSFTP(err error, stderr string) error {
	c := d.config
	remedy := fmt.Sprintf("try it by hand: sftp -P %d %s@%s", c.Port, c.Username, c.Host)
	if talk, ok := errors.AsType[*talkError](err); ok {
		return failure.New(failure.Precondition, failure.Unsupported, "start SFTP on %s as %s: %w", c.addr(), c.Username, talk).
			WithRemedy("on the server, let no start-up file of user %s (.bashrc, .profile, ForceCommand) print anything in a session without a terminal, and check that the account may use SFTP; %s", c.Username, remedy)
	}
	if stderr != "" {
		return failure.New(failure.Unavailable, failure.Unreachable, "start SFTP on %s as %s: the session ended; the server says: %q", c.addr(), c.Username, stderr).
			WithRemedy("%s", remedy)
	}
	return failure.New(failure.Unavailable, failure.Unreachable, "start SFTP on %s as %s: the session ended before it began: %w", c.addr(), c.Username, err).
		WithRemedy("check that the account may use SFTP and that the server's sftp-server is installed; %s", remedy)
}

// tail keeps the beginning of what a server says beside SFTP.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[:min(len(p), 200-len(t.b))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}

func (d *dialer) handshakeFailure(err error, keys *hostKeys) error {
	c := d.config
	if keys.refused != nil {
		return keys.refused
	}
	var negotiation *ssh.AlgorithmNegotiationError
	if errors.As(err, &negotiation) && strings.Contains(err.Error(), "host key") {
		return failure.New(failure.Denied, failure.HostKey, "check the key of %s: the server has no key of a kind that %s holds for it (%s)",
			c.addr(), c.KnownHosts, strings.Join(keys.algorithms(), ", ")).WithRemedy("%s", scanRemedy(c, ""))
	}
	if errors.As(err, &negotiation) {
		return failure.New(failure.Precondition, "", "log in to %s: %w", c.addr(), err).
			WithRemedy("allow a current algorithm on the server")
	}
	// The library has no type for it.
	if strings.Contains(err.Error(), "unable to authenticate") {
		return failure.New(failure.Denied, failure.NoAccess, "log in to %s as %s with %s: refused", c.addr(), c.Username, d.method()).
			WithRemedy("%s", d.loginRemedy())
	}
	return err
}

func (d *dialer) method() string {
	switch {
	case d.credentials.signer != nil:
		return "the key " + shownKey(d.credentials.signer.PublicKey())
	case d.credentials.agent != "":
		return "the agent's keys"
	}
	return "a password"
}

func (d *dialer) loginRemedy() string {
	switch {
	case d.credentials.signer != nil:
		return "check the user name and that the key is in the user's authorized_keys on the server"
	case d.credentials.agent != "":
		return "check the user name, and with ssh-add -l that the agent holds a key that the server accepts"
	}
	return "check user name and password, and that the server allows logins with a password"
}

// ended is the failure of something that its context ended.
func ended(ctx context.Context, format string, args ...any) *failure.Error {
	f := failure.New(failure.Cancelled, "", format, args...)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		f.Kind = failure.Timeout
		f.Message += ": no end within the time limit"
	} else {
		f.Message += ": cancelled"
	}
	return f
}
