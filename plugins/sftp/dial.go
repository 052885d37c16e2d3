package sftp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/dprun/dprun/sdk/failure"
)

// ciphers are in order of preference. If the processor has AES instructions,
// AES-GCM costs half as much as ChaCha20 on both sides.
var ciphers = []string{
	ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305,
	ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
}

// dialer opens sessions.
type dialer struct {
	config      Config
	credentials credentials
	timing      timing
	refused     atomic.Pointer[failure.Error] // failure of a login that was refused
}

// dial connects, checks the server's key, logs in and starts SFTP.
func (d *dialer) dial(ctx context.Context) (*session, error) {
	c := d.config
	// A refused login is not repeated, because each attempt may lock the account.
	if f := d.refused.Load(); f != nil {
		again := *f
		again.Message += " before, and not tried again in this run"
		return nil, &again
	}
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
			WithRemedy("check host and port, that sshd runs there, and whether a firewall is in between")
	}
	// The handshake takes no context, so closing the connection ends it.
	stop := context.AfterFunc(dialCtx, func() { _ = conn.Close() })
	s, err := d.handshake(conn, keys, auth)
	if !stop() && err == nil { // it was cut at the last moment
		s.close()
		err = dialCtx.Err()
	}
	if err == nil {
		return s, nil
	}
	_ = conn.Close()
	var f *failure.Error
	switch {
	case errors.As(err, &f) && (f.Kind == failure.Denied || dialCtx.Err() == nil):
		if f.Reason == failure.BadCredentials {
			d.refused.CompareAndSwap(nil, f)
		}
		return nil, f
	case ctx.Err() != nil:
		return nil, ended(ctx, "log in to %s", c.addr())
	case dialCtx.Err() != nil:
		return nil, failure.New(failure.Timeout, failure.Unreachable, "log in to %s: no session within %s", c.addr(), c.ConnectTimeout).
			WithRemedy("check the server, or raise connect_timeout")
	}
	return nil, failure.New(failure.Unavailable, failure.Unreachable, "log in to %s: %w", c.addr(), err).
		WithRemedy("check that an SSH server with SFTP answers there, and look at its log")
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
	buffered := newBufferedConn(conn)
	sshConn, channels, requests, err := ssh.NewClientConn(buffered, c.addr(), config)
	if err != nil {
		return nil, d.handshakeFailure(err, keys, buffered)
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

// startSFTP starts the SFTP subsystem on a connection after the login.
func (d *dialer) startSFTP(client *ssh.Client) (*session, error) {
	c := d.config
	ch, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }()
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
		return nil, d.noSFTP(err)
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

// noSFTP explains a login that succeeded but led to something other than SFTP.
func (d *dialer) noSFTP(err error) error {
	c := d.config
	remedy := fmt.Sprintf("try it by hand: sftp -P %d %s@%s", c.Port, c.Username, c.Host)
	if talk, ok := errors.AsType[*talkError](err); ok {
		return failure.New(failure.Precondition, failure.Unsupported, "start SFTP on %s as %s: %w", c.addr(), c.Username, talk).
			WithRemedy("on the server, let no start-up file of user %s (.bashrc, .profile, ForceCommand) print anything in a session without a terminal, and check that the account may use SFTP; %s", c.Username, remedy)
	}
	return failure.New(failure.Unavailable, failure.Unreachable, "start SFTP on %s as %s: the session ended before it began: %w", c.addr(), c.Username, err).
		WithRemedy("check that the account may use SFTP and that the server's sftp-server is installed; %s", remedy)
}

func (d *dialer) handshakeFailure(err error, keys *hostKeys, conn *bufferedConn) error {
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
	if errors.Is(err, errMoreThanAPassword) {
		return failure.New(failure.Denied, failure.BadCredentials, "log in to %s as %s: %w", c.addr(), c.Username, errMoreThanAPassword).
			WithRemedy("find out with sftp -P %d %s@%s what it asks for; set private_key, or renew the password if it has expired", c.Port, c.Username, c.Host)
	}
	// The library has no types for these.
	if strings.Contains(err.Error(), "unable to authenticate") {
		return failure.New(failure.Denied, failure.BadCredentials, "log in to %s as %s with %s: refused", c.addr(), c.Username, d.method()).
			WithRemedy("%s", d.loginRemedy())
	}
	if strings.Contains(err.Error(), "Too many authentication failures") {
		f := failure.New(failure.Denied, failure.BadCredentials, "log in to %s as %s with %s: the server refused several in a row and hung up", c.addr(), c.Username, d.method())
		if d.credentials.agent != "" {
			return f.WithRemedy("keep only the key for this server in the agent (ssh-add -l, ssh-add -d), set private_key in place of agent, or raise MaxAuthTries on the server")
		}
		return f.WithRemedy("%s", d.loginRemedy())
	}
	if _, said, ok := strings.Cut(err.Error(), "ssh: disconnect, reason "); ok {
		return failure.New(failure.Unavailable, failure.Unreachable, "log in to %s as %s: the server ended the connection, reason %s", c.addr(), c.Username, said).
			WithRemedy("look at the server's log")
	}
	limits := fmt.Sprintf("if other connections work, the server allows only so many at a time (MaxStartups, PerSourceMaxStartups) or bars this address for a while (PerSourcePenalties, fail2ban): raise that, or lower `connections` (%d)", c.Connections)
	switch said, spoken := conn.greeting(); {
	case said == "" && lost(err):
		return failure.New(failure.Unavailable, failure.Unreachable, "log in to %s: the server closed the connection without giving a reason", c.addr()).
			WithRemedy("check that an SSH server answers on that port; %s", limits)
	case !spoken && said != "":
		return failure.New(failure.Unavailable, failure.Unreachable, "log in to %s: the server does not speak SSH, it says %q", c.addr(), said).
			WithRemedy("check host and port; %s", limits)
	}
	return err
}

func (d *dialer) method() string {
	switch {
	case d.credentials.signer != nil:
		return strings.Replace("the key "+shownKey(d.credentials.signer.PublicKey()), "the key a", "a", 1)
	case d.credentials.agent != "":
		return "the agent's keys"
	}
	return "a password"
}

func (d *dialer) loginRemedy() string {
	switch {
	case d.config.Certificate != "":
		return "check the user name, that the server trusts the authority that signed the certificate (TrustedUserCAKeys), and that the certificate's principals name the user (ssh-keygen -L)"
	case d.credentials.signer != nil:
		return "check the user name and that the key is in the user's authorized_keys on the server"
	case d.credentials.agent != "":
		return "check the user name, and with ssh-add -l that the agent holds a key that the server accepts"
	}
	return "check user name and password, and that the server allows logins with a password"
}

// ended is the failure of an operation whose context has ended.
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

// readBuffer, in bytes, holds several SSH packets. The SSH library on its own
// reads 4 KiB at a time, which costs two system calls for each packet of 32 KiB.
const readBuffer = 256 << 10

// greetingSize is how many bytes of the server's first words are kept.
const greetingSize = 200

// bufferedConn reads ahead, and keeps the server's first words.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader

	mu    sync.Mutex
	first []byte
}

func newBufferedConn(c net.Conn) *bufferedConn {
	return &bufferedConn{Conn: c, r: bufio.NewReaderSize(c, readBuffer)}
}

func (c *bufferedConn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := greetingSize - len(c.first); room > 0 {
		c.first = append(c.first, p[:min(n, room)]...)
	}
	return n, err
}

// greeting returns the server's first words; spoken reports whether they are SSH.
func (c *bufferedConn) greeting() (said string, spoken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said = strings.TrimSpace(string(c.first))
	return said, strings.HasPrefix(said, "SSH-") || strings.Contains(said, "\nSSH-")
}
