// Package remote asks a server (`dprun serve`) for what the command line otherwise
// reads from a state directory. Requests, reports and exit codes are the same. The
// package decides nothing, and code that shows a report cannot tell where it came from.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
)

// Options name the server and the program that asks.
type Options struct {
	Server    string // such as https://dprun.bank.example
	TokenFile string // holds the token
	CAFile    string // PEM certificates of authorities to trust in addition to the system's; empty: none
	Agent     string // the name of this program
}

// base is the path of the API version that this package speaks.
const base = "/api/v1"

const (
	// patience is the time limit for one answer.
	patience = 75 * time.Second
	// recoverPatience is the time limit for a recovery. The server says nothing before
	// it has ended.
	recoverPatience = 31 * time.Minute
	// bodyAtMost is the longest accepted answer, in bytes.
	bodyAtMost = 64 << 20
	// tokenAtMost is the longest accepted token, in bytes.
	tokenAtMost = 4 << 10
)

// Client asks one server. Its methods return errors of type *[runner.Error].
type Client struct {
	server    *url.URL
	tokenFile string
	token     string
	agent     string
	http      *http.Client
}

// New returns a client without contacting the server. The client sends its token to the
// named server only, and only over TLS or on this machine.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Server)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, misused("--server is %q; write it such as https://dprun.bank.example:8443", o.Server)
	case u.User != nil:
		return nil, misused("--server holds a user name; who asks, the token says alone: write it such as https://dprun.bank.example:8443")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, misused("--server is %q; leave out what stands after the path", o.Server)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, misused("--server is %q: a token is not sent without TLS to another machine; write https://%s", o.Server, u.Host)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	c := &Client{server: u, tokenFile: o.TokenFile, agent: o.Agent}
	if c.token, err = readToken(o.TokenFile); err != nil {
		return nil, err
	}
	roots, err := roots(o.CAFile)
	if err != nil {
		return nil, err
	}
	c.http = &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, ForceAttemptHTTP2: true,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for one server only
	}
	return c, nil
}

func misused(format string, args ...any) *runner.Error {
	return &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf(format, args...)}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func readToken(path string) (string, error) {
	if path == "" {
		return "", misused("a server wants to know who asks: name the file with your token, by --token-file FILE or DPRUN_TOKEN_FILE")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", misused("read the token: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(io.LimitReader(f, tokenAtMost+1))
	if err != nil {
		return "", misused("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > tokenAtMost || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", misused("read the token: %s does not hold one token and nothing else", path)
	}
	return token, nil
}

// roots returns the trusted authorities; nil: those of the system.
func roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, misused("read the certificates of --server-ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, misused("read the certificates of --server-ca: %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// Server returns the address of the server, for messages.
func (c *Client) Server() string { return c.server.String() }

// request is a call to the server.
type request struct {
	doing  string // what is attempted, for messages
	method string
	path   string // below base
	query  url.Values
	header map[string]string
	body   any
	into   any           // receives the answer; nil: the answer is ignored
	holds  string        // a field that a complete answer has; an answer without it is refused
	most   time.Duration // the time limit; zero: patience
}

// problem is the server's explanation for a call that failed.
type problem struct {
	Detail      string    `json:"detail"`
	ExitCode    int       `json:"exit_code"`
	Action      string    `json:"action"`
	ID          string    `json:"id"`
	Diagnostics diag.List `json:"diagnostics"`
	Faults      []struct {
		Place   string `json:"place"`
		Message string `json:"message"`
	} `json:"faults"`
}

// refused is an error for an answer that reports a problem.
type refused struct {
	status int
	problem
	text string
}

func (r *refused) Error() string { return r.text }

// unanswered marks a call without an answer. Asking again may help.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

// call sends a request and reads the answer.
func (c *Client) call(ctx context.Context, q request) error {
	most := cmp.Or(q.most, patience)
	asked := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it did not answer in %s", most))
	defer cancel()
	resp, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, bodyAtMost+1))
	switch {
	case asked.Err() != nil:
		return context.Cause(asked)
	case err != nil:
		return c.failed(q.doing, unanswered{cause(ctx, err)}, "ask again")
	case len(text) > bodyAtMost:
		return c.failed(q.doing, errors.New("its answer is too long"), "ask for less")
	case q.into == nil, len(text) == 0 && q.holds == "":
		return nil
	}
	if err := json.Unmarshal(text, q.into); err != nil {
		return c.failed(q.doing, fmt.Errorf("its answer cannot be read: %w", err), c.otherVersion())
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(text, &has); q.holds != "" && (err != nil || has[q.holds] == nil || string(has[q.holds]) == "null") {
		return c.failed(q.doing, fmt.Errorf("its answer cannot be read: it has no %q", q.holds), c.otherVersion())
	}
	return nil
}

// send sends a request and returns a successful answer. The caller closes its body.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	u := c.server.JoinPath(base + q.path)
	u.RawQuery = q.query.Encode()
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, &runner.Error{ExitCode: runner.ExitBug, Err: err}
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		return nil, c.failed(q.doing, err, "correct --server")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", c.agent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if stopped := new(runner.Error); errors.As(context.Cause(ctx), &stopped) {
			return nil, stopped
		}
		return nil, c.failed(q.doing, unanswered{cause(ctx, err)}, reachable(err))
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	return nil, c.answered(q.doing, resp)
}

// cause returns the reason why a call ended without an answer.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err // the message names the address already
	}
	return err
}

// reachable advises what to do about a server that does not answer.
func reachable(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "name the certificate of its authority with --server-ca FILE"
	case errors.As(err, &name):
		return "write --server as its certificate names it, or have the certificate mended"
	case errors.As(err, &invalid):
		return "have its certificate renewed"
	}
	return "see that `dprun serve` runs there, and that the address is right"
}

// failed returns an error that says what was attempted, where, why it failed and what
// to do.
func (c *Client) failed(doing string, err error, action string) error {
	return &runner.Error{ExitCode: 1, Err: fmt.Errorf("%s at server %s: %w; %s", doing, c.Server(), err, action)}
}

func (c *Client) otherVersion() string {
	return "it may be another version of dprun: this one knows " + base + "; use the dprun of that server, or look at its page"
}

// answered returns the error for an answer that is not a success.
func (c *Client) answered(doing string, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	p := problem{}
	told := kind == "application/problem+json" && json.Unmarshal(text, &p) == nil && p.Detail != ""
	r := &refused{status: resp.StatusCode, problem: p, text: p.Detail}
	switch status := resp.StatusCode; {
	case status >= 300 && status < 400:
		return c.failed(doing, fmt.Errorf("it sends elsewhere, to %q, and the token is not given to another address", resp.Header.Get("Location")), "give --server the address that is meant")
	case status == http.StatusUnauthorized:
		r.ExitCode = 1
		return c.failed(doing, fmt.Errorf("it does not accept the token of %s%w", c.tokenFile, quietly{r}), "see that the token is of this server and has not expired")
	case !told && status == http.StatusNotFound:
		return c.failed(doing, errors.New("it has no such address"), c.otherVersion())
	case !told:
		return c.failed(doing, fmt.Errorf("it answers %s", resp.Status), "see that the address is that of dprun, and what stands before it, such as a proxy")
	case status == http.StatusForbidden || status >= 500 || status == http.StatusTooManyRequests:
		for _, part := range []string{p.Action, id(p.ID)} {
			if part != "" {
				r.text = strings.TrimRight(r.text, ". ") + ". " + part
			}
		}
		r.text = fmt.Sprintf("%s at server %s: %s", doing, c.Server(), r.text)
	}
	for _, f := range p.Faults {
		r.text += fmt.Sprintf(" (%s: %s)", f.Place, f.Message)
	}
	r.ExitCode = cmp.Or(r.ExitCode, 1)
	return &runner.Error{ExitCode: r.ExitCode, Err: r}
}

func id(of string) string {
	if of == "" {
		return ""
	}
	return "The server's log has it as " + of
}

// quietly wraps an error without adding to the text.
type quietly struct{ error }

func (quietly) Error() string   { return "" }
func (q quietly) Unwrap() error { return q.error }

// statusIn returns the HTTP status that an error reports; 0 if it reports none.
func statusIn(err error) int {
	if r := (*refused)(nil); errors.As(err, &r) {
		return r.status
	}
	return 0
}

// passing reports whether the same call may succeed later.
func passing(err error) bool {
	u := unanswered{}
	return errors.As(err, &u) || statusIn(err) == http.StatusTooManyRequests || statusIn(err) == http.StatusBadGateway ||
		statusIn(err) == http.StatusServiceUnavailable || statusIn(err) == http.StatusGatewayTimeout
}
