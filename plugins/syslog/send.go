package syslog

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/script"
)

const (
	tries      = 3
	firstPause = time.Second
	// closing is how long a server may take to close its end of the connection,
	// which shows that it has read everything.
	closing = 2 * time.Second
)

// hook is one configured sender.
type hook struct {
	config           Config
	roots            *x509.CertPool // nil: those of the system
	network, address string
}

// Close does nothing, because there is nothing to release.
func (h *hook) Close() error { return nil }

// Run sends the lines. After a failure it sends all of them again: a line that
// is logged twice is better than a missing one.
func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	var c script.Context
	if err := json.Unmarshal(r.Context, &c); len(r.Context) > 0 && err != nil {
		return nil, failure.New(failure.Internal, "", "send to syslog: read the script's context: %w", err)
	}
	lines := h.lines(c, time.Now())
	pause := firstPause
	for try := 1; ; try++ {
		err := h.send(ctx, lines)
		if err == nil {
			text := fmt.Sprintf("%d line(s) sent to %s over %s\n", len(lines), h.address, h.config.Transport)
			if output != nil {
				output(sdk.Output{Stream: sdk.Stdout, Text: text})
			}
			return &sdk.RunReport{Tail: text}, nil
		}
		f := h.failed(ctx, err)
		if ctx.Err() != nil || try == tries || !f.Kind.Retryable() {
			return nil, f
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, h.failed(ctx, err)
		}
	}
}

// failed turns an error of sending into a failure.
func (h *hook) failed(ctx context.Context, err error) *failure.Error {
	what := fmt.Sprintf("send to syslog at %s over %s", h.address, h.config.Transport)
	switch {
	case ctx.Err() != nil:
		return failure.From(fmt.Errorf("%s: %w (%v)", what, ctx.Err(), err)) //nolint:errorlint // the kind of the failure is that of the context
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return failure.New(failure.Precondition, "", "%s: %w", what, err).WithRemedy("set ca_file to the roots of the server, or server_name to the name in its certificate")
	case errors.Is(err, os.ErrNotExist):
		return failure.New(failure.NotFound, "", "%s: %w", what, err).WithRemedy("correct socket, or start the server that makes it")
	case errors.Is(err, os.ErrPermission):
		return failure.New(failure.Denied, "", "%s: %w", what, err).WithRemedy("let the user that dprun runs as write to the socket")
	}
	return failure.New(failure.Unavailable, "", "%s: %w", what, err).WithRemedy("check that the server runs and that this host can reach it")
}

// send sends the lines over one connection.
func (h *hook) send(ctx context.Context, lines [][]byte) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, h.network, h.address)
	stream := h.network == overTCP
	if h.network == "unixgram" && errors.Is(err, syscall.EPROTOTYPE) {
		stream = true
		conn, err = d.DialContext(ctx, "unix", h.address)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if h.config.Transport == overTLS {
		c := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.roots, ServerName: cmp.Or(h.config.ServerName, h.config.Host)})
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = c
	}
	for _, l := range lines {
		if stream {
			l = append(fmt.Appendf(nil, "%d ", len(l)), l...)
		}
		if _, err := conn.Write(l); err != nil {
			return err
		}
	}
	if !stream {
		return nil
	}
	return finish(conn)
}

// finish closes the sending side and waits for the server to close its side. A
// server that refuses what it received cuts the connection. If the server keeps
// its end open, it has not refused anything.
func finish(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := c.CloseWrite(); err != nil {
			return err
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(closing)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(conn, 4096))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
