package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/script"
)

const (
	tries      = 3
	firstPause = 2 * time.Second // before the second try; it doubles before each further one
	// subjectAtMost bounds a subject, so that no server folds or cuts it.
	subjectAtMost = 200
)

// hook is one configured sender.
type hook struct {
	config Config
	roots  *x509.CertPool // nil: those of the system
}

// Close does nothing, because there is nothing to release.
func (h *hook) Close() error { return nil }

// Run sends one mail. It tries again only after a failure before the server received the mail.
func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	var c script.Context
	if err := json.Unmarshal(r.Context, &c); len(r.Context) > 0 && err != nil {
		return nil, failure.New(failure.Internal, "", "send a mail: read the script's context: %w", err)
	}
	m, to, err := h.message(c, time.Now())
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "send a mail: %w", err).WithRemedy("correct the addresses in the plan")
	}
	pause := firstPause
	for try := 1; ; try++ {
		said, err := h.send(ctx, m, to)
		if err == nil {
			text := fmt.Sprintf("%s took the mail for %s: %s\n", h.server(), strings.Join(to, ", "), said)
			if output != nil {
				output(sdk.Output{Stream: sdk.Stdout, Text: text})
			}
			return &sdk.RunReport{Tail: text}, nil
		}
		if ctx.Err() != nil {
			return nil, h.ended(ctx, err)
		}
		if f := failure.From(err); try == tries || !f.Kind.Retryable() {
			return nil, f
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, h.ended(ctx, err)
		}
	}
}

// ended is the failure of a mail whose time is over. last is the last error.
func (h *hook) ended(ctx context.Context, last error) error {
	return failure.From(fmt.Errorf("send a mail by %s: %w (%v)", h.server(), ctx.Err(), last)) //nolint:errorlint // the kind of the failure is that of the context
}

func (h *hook) server() string { return net.JoinHostPort(h.config.Host, fmt.Sprint(h.config.Port)) }

// message returns the mail and its recipients.
func (h *hook) message(c script.Context, now time.Time) (*gomail.Msg, []string, error) {
	m := gomail.NewMsg()
	if err := m.From(h.config.From); err != nil {
		return nil, nil, fmt.Errorf("from: %w", err)
	}
	if err := m.To(h.config.To...); err != nil {
		return nil, nil, fmt.Errorf("to: %w", err)
	}
	var to []string
	for _, a := range m.GetTo() {
		to = append(to, a.Address)
	}
	m.Subject(script.ASCII(strings.TrimSpace(h.config.Subject+" "+c.Headline()), subjectAtMost))
	m.SetDateWithValue(now)
	id := c.Run + "-" + c.Hook + "-" + c.Task
	if c.Notice != nil {
		id = c.Notice.ID
	}
	m.SetMessageIDWithValue(messageID(id) + "@" + h.domain())
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Dprun-Run", script.ASCII(c.Run, 100))
	if c.Notice != nil {
		m.SetGenHeader("X-Dprun-Event", script.ASCII(string(c.Notice.Event), 100))
	}
	m.SetUserAgent("dprun")
	m.SetBodyString(gomail.TypeTextPlain, body(c))
	return m, to, nil
}

// messageID returns text in a form that is valid before the @ of a Message-ID.
func messageID(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '.'
	}, strings.Trim(text, "-"))
}

// domain returns the domain of the sender.
func (h *hook) domain() string {
	if a, err := mail.ParseAddress(h.config.From); err == nil {
		if _, domain, ok := strings.Cut(a.Address, "@"); ok {
			return domain
		}
	}
	return "localhost"
}

// send delivers the mail in one transaction to every recipient that the server
// accepts. It sends the commands after the login itself, because go-mail's own
// Send gives up the whole transaction if one recipient is refused.
func (h *hook) send(ctx context.Context, m *gomail.Msg, to []string) (said string, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends the connection as well
	defer cancel()
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	client, err := h.client(func(dialing context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		conn = c
		// The library bounds only the connecting. So this ends a connection whose
		// server says nothing, when the time is over.
		context.AfterFunc(ctx, func() { _ = c.Close() })
		if h.config.TLS != tlsImplicit {
			return c, nil
		}
		return tls.Client(c, h.tls()), nil
	})
	if err != nil {
		return "", failure.New(failure.Precondition, failure.BadConfig, "send a mail by %s: %w", h.server(), err)
	}
	s, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return "", h.failed("connect", err)
	}
	defer func() { _ = s.Quit() }()
	if err := h.login(s); err != nil {
		return "", err
	}
	from, err := m.GetSender(false)
	if err != nil {
		return "", failure.New(failure.Precondition, failure.BadConfig, "send a mail by %s: %w", h.server(), err)
	}
	if err := s.Mail(from); err != nil {
		return "", h.failed("as "+from, err)
	}
	var refused []error
	for _, a := range to {
		if err := s.Rcpt(a); err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", a, err))
		}
	}
	if len(refused) == len(to) {
		return "", h.failed("to anybody", errors.Join(refused...))
	}
	if said, err = data(s, m); err != nil {
		return "", h.failed("the text", err)
	}
	if len(refused) > 0 {
		return "", failure.New(failure.Precondition, "", "the mail was sent by %s, but not to %d of %d recipients: %w", h.server(), len(refused), len(to), errors.Join(refused...)).
			WithRemedy("correct `to`, or have the server accept them")
	}
	return said, nil
}

// login logs in by the best method that the server offers. The connection is encrypted.
func (h *hook) login(s *smtp.Client) error {
	user, password := h.config.Username, h.config.Password
	if user == "" {
		return nil
	}
	_, offered := s.Extension("AUTH")
	ways := strings.Fields(offered)
	var auth smtp.Auth
	switch {
	case slices.Contains(ways, "SCRAM-SHA-256"):
		auth = smtp.ScramSHA256Auth(user, password)
	case slices.Contains(ways, "PLAIN"):
		auth = smtp.PlainAuth("", user, password, h.config.Host, false)
	case slices.Contains(ways, "LOGIN"):
		auth = smtp.LoginAuth(user, password, h.config.Host, false)
	default:
		return failure.New(failure.Precondition, "", "log in to %s as %s: the server offers none of SCRAM-SHA-256, PLAIN and LOGIN, but %q", h.server(), user, offered).
			WithRemedy("use a server or a port that accepts logins, or leave out username and password")
	}
	if err := s.Auth(auth); err != nil {
		return h.failed("log in as "+user, err)
	}
	return nil
}

func data(s *smtp.Client, m *gomail.Msg) (said string, err error) {
	w, err := s.Data()
	if err != nil {
		return "", err
	}
	if _, err := m.WriteTo(w); err != nil {
		return "", unsure{err}
	}
	if err := w.Close(); err != nil {
		if reply := new(textproto.Error); errors.As(err, &reply) {
			return "", err
		}
		return "", unsure{err}
	}
	if d, ok := w.(*smtp.DataCloser); ok {
		said = strings.TrimSpace(d.ServerResponse())
	}
	return said, nil
}

// unsure is the loss of a connection after which the mail may or may not have been accepted.
type unsure struct{ error }

func (h *hook) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	policy := gomail.TLSMandatory
	if h.config.TLS != tlsStart {
		policy = gomail.NoTLS
	}
	hello := h.config.Hello
	if hello == "" {
		name, _ := os.Hostname()
		hello = cmp.Or(name, "localhost")
	}
	options := []gomail.Option{gomail.WithPort(h.config.Port), gomail.WithTLSConfig(h.tls()), gomail.WithTLSPolicy(policy), gomail.WithHELO(hello),
		gomail.WithDialContextFunc(dial)}
	if h.config.TLS == tlsImplicit {
		options = append(options, gomail.WithSSL())
	}
	return gomail.NewClient(h.config.Host, options...)
}

func (h *hook) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.roots, ServerName: cmp.Or(h.config.ServerName, h.config.Host)}
}

// failed turns an error of the server, or of the way to it, into a failure.
func (h *hook) failed(what string, err error) error {
	make := func(k failure.Kind, remedy string) error {
		return failure.New(k, "", "send a mail by %s, %s: %w", h.server(), what, err).WithRemedy("%s", remedy)
	}
	reply := new(textproto.Error)
	switch {
	case errors.As(err, new(unsure)):
		return make(failure.Precondition, "it is not known whether the server has accepted it: look there")
	case errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)):
		return make(failure.Precondition, "set ca_file to the roots of the server, or server_name to the name in its certificate")
	case errors.As(err, &reply) && reply.Code/100 == 4:
		return make(failure.Unavailable, "the server may accept it later")
	case errors.As(err, &reply) && (reply.Code == 530 || reply.Code == 535):
		return make(failure.Denied, "correct username and password")
	case errors.As(err, &reply):
		return make(failure.Precondition, "correct the addresses, or have the server accept mail from this host")
	case strings.Contains(err.Error(), "STARTTLS"):
		return make(failure.Precondition, "the server does not offer STARTTLS: use another port or server, or tls = \"implicit\"")
	}
	return make(failure.Unavailable, "check that the server runs and that this host can reach it")
}
