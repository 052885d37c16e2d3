// Package web serves HTTP for a server. It listens, and combines the API, the pages,
// health and metrics behind one guard.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/cmd/dprun/web/api"
	"github.com/dprun/dprun/cmd/dprun/web/page"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Options say what is served, and where.
type Options struct {
	Config   string               // the configuration file; empty: only health is served, at Listen
	Listen   string               // a loopback address such as 127.0.0.1:8420; with Config, that file decides
	Reload   <-chan struct{}      // asks for a new reading of the configuration
	Listened func(address string) // called once it listens
	Log      *slog.Logger
	// Check checks the text of a plan that was sent, in a process of its own.
	Check func(ctx context.Context, text string) (report.Posted, error)
}

// Service is the part of a server that this package uses.
type Service interface {
	api.Desk
	Ready() (text string, live, ready bool)
	Reads() *runner.Runner
	page.Desk
}

// server serves HTTP.
type server struct {
	Options
	service     Service
	now         func() time.Time
	guard       *access.Guard
	page        http.Handler
	audit       *access.Audit
	certificate *certificate // nil: no TLS
	started     *access.Config
	api         http.Handler

	mu    sync.Mutex
	stale error // why the last reading of the configuration failed; nil: it succeeded
}

// Listen serves HTTP until stop is called.
func Listen(o Options, s Service) (stop func(), err error) {
	w, err := open(o, s, time.Now)
	if err != nil {
		return nil, &runner.Error{ExitCode: runner.ExitUsage, Err: err}
	}
	l, err := net.Listen("tcp", w.started.Listen)
	if err != nil {
		w.audit.Close()
		return nil, &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf("listen on %s: %w", w.started.Listen, err)}
	}
	address := l.Addr().String()
	l = limited(l, w.started.Proxy != nil)
	ctx, end := context.WithCancel(context.Background()) // ends the streams
	// There is no limit for a whole answer, because each write has its own (see
	// access). Requests have one.
	h := &http.Server{Handler: w.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	if w.certificate != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate.get, NextProtos: []string{"h2", "http/1.1"}})
	}
	go func() { _ = h.Serve(l) }()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.watch(ctx)
	}()
	o.Listened(address)
	return func() {
		end()
		<-watched
		brief, done := context.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		_ = h.Shutdown(brief)
		_ = h.Close()
		w.audit.Close()
	}, nil
}

// open reads the configuration and the files that it names.
func open(o Options, s Service, now func() time.Time) (*server, error) {
	w := &server{Options: o, service: s, now: now}
	var err error
	if w.api, err = api.New(api.Options{Reads: s.Reads(), Desk: s, Check: o.Check, Log: o.Log, Open: func() (api.Fresh, error) { return runner.Open(s.Reads().Options) }}); err != nil {
		return nil, err
	}
	if o.Config == "" {
		w.started, err = access.Loopback(o.Listen)
	} else {
		w.started, err = access.ReadConfig(o.Config)
	}
	if err != nil {
		return nil, err
	}
	if w.started.TLS != nil {
		w.certificate = &certificate{now: now, log: o.Log}
		if err := w.certificate.use(*w.started.TLS); err != nil {
			return nil, err
		}
	}
	if w.audit, err = access.OpenAudit(w.started.AuditLog, o.Log); err != nil {
		return nil, err
	}
	w.guard = access.New(w.started, w.audit, now, o.Log)
	w.page, err = page.New(page.Options{Desk: s, Reads: s.Reads(), Now: now, Log: o.Log, Open: func() (page.Fresh, error) { return runner.Open(s.Reads().Options) }})
	return w, err
}

// watch reads the configuration when it is asked to, and ends expired sessions and
// requests without rights.
func (w *server) watch(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			w.guard.Sweep()
		case <-w.Reload:
			w.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the configuration. If the file is wrong, nothing changes.
func (w *server) reload() {
	if w.Config == "" {
		return
	}
	c, err := access.ReadConfig(w.Config)
	if err == nil && (c.Listen != w.started.Listen || (c.TLS == nil) != (w.started.TLS == nil) || (c.Proxy == nil) != (w.started.Proxy == nil)) {
		err = errors.New("listen, and whether there is a tls or a proxy block, count from the next start: start dprun serve again")
	}
	if err == nil && c.TLS != nil {
		err = w.certificate.use(*c.TLS)
	}
	if err == nil {
		err = w.audit.Reopen(c.AuditLog)
	}
	w.mu.Lock()
	w.stale = err
	w.mu.Unlock()
	if err != nil {
		w.Log.Error("the server's configuration was not taken over; the one before it counts", "file", w.Config, "error", err)
		return
	}
	w.guard.Use(c)
	w.Log.Info("the server's configuration was read", "file", w.Config, "tokens", len(c.Tokens))
}

// lines reports for /readyz what is wrong with the listening part. Such lines do not
// make the server unready, and hold no names.
func (w *server) lines() string {
	var text string
	w.mu.Lock()
	if w.stale != nil {
		text += "configuration: wrong, the one before it counts\n"
	}
	w.mu.Unlock()
	if w.audit.Lost() != nil {
		text += "audit log: cannot be written, so nothing is done for people and programs\n"
	}
	if w.certificate != nil {
		text += w.certificate.line()
	}
	return text
}

// handler serves health to everybody, and the rest to callers with valid credentials.
func (w *server) handler() http.Handler {
	closed := http.NewServeMux()
	closed.HandleFunc("GET /metrics", w.metrics)
	closed.Handle("/api/", w.api)
	closed.Handle("/op/", w.api)
	closed.Handle("/", w.page)
	return w.guard.Handler(closed, map[string]http.Handler{
		"GET /healthz":           http.HandlerFunc(w.healthz),
		"GET /readyz":            http.HandlerFunc(w.readyz),
		"GET " + page.StaticPath: w.page,
	})
}

func (w *server) healthz(a http.ResponseWriter, _ *http.Request) {
	if _, live, _ := w.service.Ready(); !live {
		answer(a, http.StatusServiceUnavailable, "the scheduler does not answer\n")
		return
	}
	answer(a, http.StatusOK, "ok\n")
}

func (w *server) readyz(a http.ResponseWriter, _ *http.Request) {
	text, _, ready := w.service.Ready()
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	answer(a, code, text+w.lines())
}

// metrics serves the metrics to callers who may see everything, because they count over
// all plans and devices.
func (w *server) metrics(a http.ResponseWriter, r *http.Request) {
	if p, is := access.From(r.Context()); !is || !p.May(access.Viewer) || len(p.Plans)+len(p.Labels) > 0 {
		answer(a, http.StatusForbidden, "metrics count over all plans and devices, and this access is limited to some\n")
		return
	}
	values, err := w.service.Reads().Metrics(r.Context())
	if err != nil {
		w.Log.Error("not all metrics can be read", "error", err)
	}
	var text bytes.Buffer
	if _, err := values.WriteTo(&text); err != nil || text.Len() == 0 {
		answer(a, http.StatusInternalServerError, "the metrics cannot be read\n")
		return
	}
	answer(a, http.StatusOK, text.String())
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}
