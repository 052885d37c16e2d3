package soma

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultPath is where current firmware listens; older ones also take /service/mgmt/2004.
const DefaultPath = "/service/mgmt/current"

// Config describes a device's management interface.
type Config struct {
	Host     string
	Port     int // 0: 5550
	Username string
	Password string
	Path     string // empty: DefaultPath
	TLS      TLS

	// ConnectTimeout bounds connecting and, separately, the TLS handshake; 0: 10 s.
	ConnectTimeout time.Duration
	// Answer bounds how long the device may take to begin its answer; 0: 10 min. A secure backup and an import are answered when
	// they are made, and are bounded by the caller.
	Answer time.Duration
	// Stall bounds how long nothing may arrive within a reply that has begun; 0: 60 s.
	Stall time.Duration
	// IdleConnections is how many connections are kept for later requests, as connecting costs both sides more than a request; 0: 4.
	IdleConnections int
	// MaxReply bounds a reply without its file, in bytes; 0: 16 MiB.
	MaxReply int64
}

// Client talks to one device. Its methods may be called concurrently. The context of each bounds the whole call.
type Client struct {
	config      Config
	url         string
	http        *http.Client
	certificate atomic.Pointer[x509.Certificate]
	reads       *coalescer[*reply]
	domains     *coalescer[*Domains]
	domainRows  rowList[Domain]
}

// New returns a client. It does no I/O.
func New(c Config) (*Client, error) {
	if c.Host == "" {
		return nil, fmt.Errorf("management interface: no host")
	}
	setDefault(&c.Port, 5550)
	setDefault(&c.Path, DefaultPath)
	setDefault(&c.ConnectTimeout, 10*time.Second)
	setDefault(&c.Stall, time.Minute)
	setDefault(&c.Answer, 10*time.Minute)
	setDefault(&c.IdleConnections, 4)
	setDefault(&c.MaxReply, 16<<20)
	if !strings.HasPrefix(c.Path, "/") {
		return nil, fmt.Errorf("management interface: the path %q must start with a slash", c.Path)
	}
	client := &Client{config: c, reads: newCoalescer[*reply](), domains: newCoalescer[*Domains](), domainRows: rowList[Domain]{class: domainStatus, decode: domainOf}}
	conf, err := c.TLS.config(func(shown *x509.Certificate) { client.certificate.Store(shown) })
	if err != nil {
		return nil, fmt.Errorf("management interface: %w", err)
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), Path: c.Path}
	client.url = u.String()
	client.http = &http.Client{
		Transport: &http.Transport{
			DialContext:         dialer(c.ConnectTimeout),
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: c.ConnectTimeout,
			DisableCompression:  true,
			MaxIdleConns:        c.IdleConnections,
			MaxIdleConnsPerHost: c.IdleConnections,
			IdleConnTimeout:     30 * time.Second,
			ReadBufferSize:      16 << 10, // a read of TLS gives no more, and a fleet has many connections
		},
		// A redirect would carry the credentials elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Fingerprint is the SHA-256 of the certificate the device showed last, lower-case hex; empty before the first connection.
func (c *Client) Fingerprint() string {
	if shown := c.certificate.Load(); shown != nil {
		return fingerprintOf(shown)
	}
	return ""
}

// Certificate is what the device showed last; nil before the first connection.
func (c *Client) Certificate() *x509.Certificate { return c.certificate.Load() }

// read sends a request that changes nothing, and whose reply has no file, or shares the answer to the same one of the same moment. The
// reply is not to be changed.
func (c *Client) read(ctx context.Context, op, domain, body string) (*reply, error) {
	return share(ctx, c, c.reads, op, domain, body, func(ctx context.Context) (*reply, error) { return c.call(ctx, op, domain, body, nil) })
}

// share asks what read asks, or shares the answer with those who ask the same at the same moment.
func share[T any](ctx context.Context, c *Client, reads *coalescer[T], op, domain, body string, read func(context.Context) (T, error)) (T, error) {
	answer, err, ok := reads.do(ctx, domain+"\x00"+body, read)
	if !ok {
		err := transportError(ctx, op, context.Cause(ctx), c.config.Stall)
		err.Domain = domain
		return answer, err
	}
	return answer, err
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request and reads the reply. file, if not nil, takes the reply's file.
func (c *Client) call(ctx context.Context, op, domain, body string, file *fileSink) (*reply, error) {
	r := &reply{op: op}
	err := c.exchange(ctx, op, domain, messageOf(domain, body), func(in io.Reader) error { return c.take(in, r, file) })
	return r, err
}

// take reads a reply, and says what the device said instead of doing what was asked.
func (c *Client) take(in io.Reader, r *reply, file *fileSink) error {
	if err := r.read(in, c.config.MaxReply, file); err != nil {
		return err
	}
	return r.failure()
}

// exchange sends one request, and hands on what a reply holds.
func (c *Client) exchange(ctx context.Context, op, domain string, m message, take func(io.Reader) error) error {
	err := c.post(ctx, op, m, take)
	var e *Error
	if errors.As(err, &e) {
		e.Domain = domain
	}
	return err
}

// message is a request as it is sent.
type message struct {
	io.Reader
	size int64
}

func messageOf(domain, body string) message {
	text := envelope(domain, body)
	return message{strings.NewReader(text), int64(len(text))}
}

func (c *Client) post(ctx context.Context, op string, m message, take func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, m.Reader)
	if err != nil {
		return &Error{Op: op, Class: BadRequest, Text: "the request cannot be made", cause: err}
	}
	req.ContentLength = m.size // a device may not take a request in pieces
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("User-Agent", "dprun")
	req.SetBasicAuth(c.config.Username, c.config.Password)
	answered := func() bool { return true }
	if op != opSecureBackup && op != opImport {
		silent := time.AfterFunc(c.config.Answer, func() { cancel(&silentError{c.config.Answer}) })
		defer silent.Stop()
		answered = silent.Stop
	}
	resp, err := c.http.Do(req)
	answered()
	if err != nil {
		return transportError(ctx, op, err, c.config.Stall)
	}
	watch := newWatchdog(resp.Body, c.config.Stall, func() { cancel(errStalled) })
	defer watch.close()
	if resp.StatusCode != http.StatusOK {
		return c.statusError(ctx, op, resp.StatusCode, watch)
	}
	if err := take(watch); err != nil {
		if context.Cause(ctx) != nil && ClassOf(err) != Sink {
			return transportError(ctx, op, err, c.config.Stall)
		}
		return err
	}
	return nil
}

// statusError reads what it can of an answer that is not 200.
func (c *Client) statusError(ctx context.Context, op string, status int, body io.Reader) error {
	if status == http.StatusUnauthorized {
		return &Error{Op: op, Class: Denied, Status: status, Text: "user or password refused (HTTP 401)"}
	}
	if status == http.StatusForbidden {
		return &Error{Op: op, Class: Refused, Status: status, Text: "the operation was refused (HTTP 403)"}
	}
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil && context.Cause(ctx) != nil {
		return transportError(ctx, op, err, c.config.Stall)
	}
	r := &reply{op: op}
	if r.read(bytes.NewReader(text), 64<<10, nil) == nil && (r.fault != "" || len(r.results) > 0) {
		var e *Error
		if err := r.failure(); errors.As(err, &e) {
			e.Status = status
			return e
		}
	}
	return &Error{Op: op, Class: HTTPStatus, Status: status, Text: fmt.Sprintf("HTTP status %d", status)}
}

// envelope wraps an operation; domain may be empty.
func envelope(domain, operation string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><dp:request xmlns:dp="` + Namespace + `"`)
	if domain != "" {
		b.WriteString(` domain="` + escape(domain) + `"`)
	}
	b.WriteString(">" + operation + "</dp:request></env:Body></env:Envelope>")
	return b.String()
}

// escape makes a value safe as text and as attribute.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

const connBuffer = 128 << 10

// bufferedConn reads from the network in large pieces. TLS asks for one record of 16 KiB at a time; at the rates of an export over
// a fast network that is most of the cost of a transfer.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// dialer connects within timeout.
func dialer(timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &bufferedConn{Conn: c, r: bufio.NewReaderSize(c, connBuffer)}, nil
	}
}
