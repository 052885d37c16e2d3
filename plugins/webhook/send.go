package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/script"
)

const (
	tries      = 3
	firstPause = time.Second
	// longestPause bounds the pause that a server may ask for with Retry-After.
	longestPause = 20 * time.Second
	bodyAtMost   = 1 << 20 // of what is posted, in bytes
	answerAtMost = 64 << 10
	quoted       = 200 // bytes of an answer that an error quotes
	whsec        = "whsec_"
)

// hook is one configured sender.
type hook struct {
	config   Config
	url      *url.URL
	key      []byte
	template *template.Template // nil: JSON
	client   *http.Client
}

func newHook(c Config) (*hook, error) {
	bad := func(what string, err error) error {
		return failure.New(failure.Precondition, failure.BadConfig, "post to a webhook: %s: %w", what, err).WithRemedy("correct the plan")
	}
	c.SigningKey = strings.TrimRight(c.SigningKey, "\r\n") // files often end with a line feed
	h := &hook{config: c, key: []byte(c.SigningKey)}
	text := cmp.Or(c.URL, c.SecretURL)
	var err error
	if h.url, err = address(text, c.InsecureHTTP); err != nil {
		return nil, bad("the URL", err)
	}
	if encoded, ok := strings.CutPrefix(c.SigningKey, whsec); ok {
		if h.key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, bad("signing_key", errors.New("after whsec_ it is not base64"))
		}
	}
	if c.Template != "" {
		if h.template, err = parse(c.Template); err != nil {
			return nil, bad("template", err)
		}
	}
	roots, err := sdk.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: c.ServerName}
	t.ForceAttemptHTTP2 = true
	// The signature and the password are only for the server in the URL.
	h.client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return h, nil
}

// Close closes the connections.
func (h *hook) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Run posts once, and repeats the request if that is safe.
func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	body, id, err := h.body(r.Context)
	if err != nil {
		return nil, err
	}
	pause := firstPause
	for try := 1; ; try++ {
		limited, cancel := context.WithTimeout(ctx, h.config.Timeout)
		a := h.post(limited, id, body, time.Now())
		cancel()
		if a.err == nil {
			text := fmt.Sprintf("%s answered %s\n", h.url.Host, a.status)
			if output != nil {
				output(sdk.Output{Stream: sdk.Stdout, Text: text})
			}
			return &sdk.RunReport{Tail: text}, nil
		}
		if ctx.Err() != nil {
			return nil, failure.From(fmt.Errorf("post to %s: %w (%v)", h.url.Host, ctx.Err(), a.err)) //nolint:errorlint // the kind of the failure is that of the context
		}
		if try == tries || !a.again && !(a.unsure && h.config.Idempotent) {
			return nil, a.err
		}
		select {
		case <-time.After(min(max(pause, a.after), longestPause)):
			pause *= 2
		case <-ctx.Done():
			return nil, failure.From(fmt.Errorf("post to %s: %w (%v)", h.url.Host, ctx.Err(), a.err)) //nolint:errorlint // the kind of the failure is that of the context
		}
	}
}

// body returns the body to post and the notification's ID.
func (h *hook) body(told []byte) (body []byte, id string, err error) {
	var c script.Context
	if err := json.Unmarshal(told, &c); len(told) > 0 && err != nil {
		return nil, "", failure.New(failure.Internal, "", "post to a webhook: read the script's context: %w", err)
	}
	id = strings.Trim(c.Run+"-"+c.Hook+"-"+c.Task, "-")
	if c.Notice != nil {
		id = c.Notice.ID
	}
	body = told
	if h.template != nil {
		var b bytes.Buffer
		if err := h.template.Execute(&b, c); err != nil {
			return nil, "", failure.New(failure.Precondition, failure.BadConfig, "post to %s: the template: %w", h.url.Host, err).WithRemedy("correct the template")
		}
		body = b.Bytes()
		if strings.Contains(h.config.ContentType, "json") && !json.Valid(body) {
			return nil, "", failure.New(failure.Precondition, failure.BadConfig, "post to %s: the template does not make JSON", h.url.Host).
				WithRemedy("write each text as {{json .Message}}, without quotes around it, or set content_type")
		}
	}
	if len(body) > bodyAtMost {
		return nil, "", failure.New(failure.Precondition, "", "post to %s: the body has %d bytes, but the limit is %d", h.url.Host, len(body), bodyAtMost).WithRemedy("write a template that says less")
	}
	return body, script.ASCII(id, 200), nil
}

// answer is the result of one request.
type answer struct {
	status string
	err    error // nil: the server accepted it
	again  bool  // the server certainly did not accept it, and may the next time
	unsure bool  // it is not known whether the server accepted it
	after  time.Duration
}

func (h *hook) post(ctx context.Context, id string, body []byte, now time.Time) answer {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(body))
	if err != nil {
		return answer{err: failure.New(failure.Precondition, failure.BadConfig, "post to %s: %w", h.url.Host, bare(err))}
	}
	req.GetBody = nil // the transport must not send it again on its own
	h.header(req.Header, id, body, now)
	res, err := h.client.Do(req)
	if err != nil {
		return h.lost(err, sent.Load())
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, answerAtMost)) // the status already says what matters
	a := answer{status: res.Status}
	fail := func(k failure.Kind, remedy string) answer {
		text := strings.TrimSpace(string(said))
		if text != "" {
			text = ": " + script.ASCII(text, quoted)
		}
		a.err = failure.New(k, "", "post to %s: it answered %s%s", h.url.Host, res.Status, text).WithRemedy("%s", remedy)
		return a
	}
	switch code := res.StatusCode; {
	case code/100 == 2:
		return a
	case code/100 == 3:
		return fail(failure.Precondition, "a redirect is not followed: put the address that it names into the plan")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fail(failure.Denied, "correct secret_headers, signing_key or the URL")
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		a.again, a.after = true, retryAfter(res.Header)
		return fail(failure.Unavailable, "the server may accept it later")
	case code/100 == 5 || code == http.StatusRequestTimeout:
		a.unsure = true
		return fail(failure.Unavailable, "look there whether it was accepted; with idempotent = true it would be sent again")
	}
	return fail(failure.Precondition, "correct the template, the headers or the URL")
}

// lost says what follows from a request without an answer.
func (h *hook) lost(err error, sent bool) answer {
	err = bare(err)
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return answer{err: failure.New(failure.Precondition, "", "post to %s: %w", h.url.Host, err).WithRemedy("set ca_file to the roots of the server, or server_name to the name in its certificate")}
	}
	kind := failure.Unavailable
	if n := net.Error(nil); errors.As(err, &n) && n.Timeout() {
		kind = failure.Timeout
	}
	if !sent {
		return answer{again: true, err: failure.New(kind, "", "post to %s: %w", h.url.Host, err).WithRemedy("check that the server runs and that this host can reach it")}
	}
	return answer{unsure: true, err: failure.New(kind, "", "post to %s: no whole answer: %w", h.url.Host, err).WithRemedy("look there whether it was accepted; with idempotent = true it would be sent again")}
}

// bare removes the URL from an error of the client, because it may be a secret.
func bare(err error) error {
	if u := new(url.Error); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (h *hook) header(to http.Header, id string, body []byte, now time.Time) {
	for name, value := range h.config.Headers {
		to.Set(name, value)
	}
	for name, value := range h.config.SecretHeaders {
		to.Set(name, strings.TrimRight(value, "\r\n")) // files often end with a line feed
	}
	to.Set("Content-Type", h.config.ContentType)
	to.Set("User-Agent", "dprun")
	to.Set("Idempotency-Key", id)
	to.Set("Webhook-Id", id)
	stamp := strconv.FormatInt(now.Unix(), 10)
	to.Set("Webhook-Timestamp", stamp)
	if len(h.key) > 0 {
		mac := hmac.New(sha256.New, h.key)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body) // a hash accepts everything
		to.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
}

// retryAfter returns how long the server asks to wait, bounded by [longestPause].
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int(longestPause/time.Second))) * time.Second
}
