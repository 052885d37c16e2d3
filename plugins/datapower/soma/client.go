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

// DefaultPath is the path of current firmware. Older firmware also accepts /service/mgmt/2004.
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
	// Answer bounds how long the device may take to begin its answer; 0: 10 min. A secure backup and an import
	// are answered only when they are done, so the caller bounds them.
	Answer time.Duration
	// Stall bounds how long a reply that has begun may pause; 0: 60 s.
	Stall time.Duration
	// IdleConnections is how many connections are kept for later requests, because connecting costs both sides
	// more than a request; 0: 4.
	IdleConnections int
	// MaxReply bounds a reply in bytes, without its file; 0: 16 MiB.
	MaxReply int64
}

// Client talks to one device. Its methods may be called concurrently. The context of each call bounds all of it.
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
			ReadBufferSize:      16 << 10, // a TLS read returns no more, and a fleet has many connections
		},
		// A redirect would send the credentials elsewhere.
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

// Fingerprint returns the SHA-256, in lower-case hex, of the certificate that the device showed last; empty
// before the first connection.
func (c *Client) Fingerprint() string {
	if shown := c.certificate.Load(); shown != nil {
		return fingerprintOf(shown)
	}
	return ""
}

// Certificate returns the certificate that the device showed last; nil before the first connection.
func (c *Client) Certificate() *x509.Certificate { return c.certificate.Load() }

// read sends a request that changes nothing and whose reply has no file. It shares the answer with callers who
// ask the same at the same moment, so the reply must not be changed.
func (c *Client) read(ctx context.Context, op, domain, body string) (*reply, error) {
	return share(ctx, c, c.reads, op, domain, body, func(ctx context.Context) (*reply, error) { return c.call(ctx, op, domain, body, nil) })
}

// share does what read does, with any type of answer.
func share[T any](ctx context.Context, c *Client, reads *coalescer[T], op, domain, body string, read func(context.Context) (T, error)) (T, error) {
	answer, err, ok := reads.do(ctx, domain+"\x00"+body, read)
	if !ok {
		err := transportError(ctx, op, context.Cause(ctx), c.config.Stall)
		err.Domain = domain
		return answer, err
	}
	return answer, err
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request and reads the reply. file, if not nil, receives the reply's file.
func (c *Client) call(ctx context.Context, op, domain, body string, file *fileSink) (*reply, error) {
	r := &reply{op: op}
	err := c.exchange(ctx, op, domain, messageOf(domain, body), func(in io.Reader) error { return c.take(in, r, file) })
	return r, err
}

// take reads a reply. If the device did not do what was asked, the error is what the device said instead.
func (c *Client) take(in io.Reader, r *reply, file *fileSink) error {
	if err := r.read(in, c.config.MaxReply, file); err != nil {
		return err
	}
	return r.failure()
}

// exchange sends one request and passes the body of the reply to take.
func (c *Client) exchange(ctx context.Context, op, domain string, m message, take func(io.Reader) error) error {
	err := c.post(ctx, op, m, take)
	var e *Error
	if errors.As(err, &e) {
		e.Domain = domain
	}
	return err
}

// message is the body of a request.
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
	req.ContentLength = m.size // a device may refuse a request in chunks
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

// statusError reads what it can of an answer with a status other than 200.
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

// escape makes a value safe as text and as an attribute.
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

// bufferedConn reads from the network in large pieces. TLS asks for one record of 16 KiB at a time, which would
// be most of the cost of an export over a fast network.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// dialer returns a dial function that connects within timeout.
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
