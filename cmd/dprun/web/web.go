// Package web is what answers HTTP for a server: it listens, and puts what there
// is to answer under one roof.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Options say what is answered, and where.
type Options struct {
	Listen   string               // such as 127.0.0.1:8420
	Tokens   string               // the file with the hashes of tokens for /metrics; empty: it is not answered
	Listened func(address string) // is called when it listens
	Log      func(text string, err error)
}

// Service is what is used of a server.
type Service interface {
	Ready() (text string, live, ready bool)
	Reads() *runner.Runner
	Plans(ctx context.Context) ([]report.ServedPlan, error)
	Source(file string) (runner.Source, error)
	Start(ctx context.Context, q runner.StartRequest) (report.Started, error)
	Started(ctx context.Context, run string) (report.Started, error)
	Cancel(ctx context.Context, q runner.CancelRequest) error
	BringBack(ctx context.Context, by string) (*report.Result, error)
	Hold(ctx context.Context, q runner.HoldRequest) (report.Hold, error)
	Acknowledge(ctx context.Context, q runner.AcknowledgeRequest) (report.Acknowledged, error)
}

// Listen answers HTTP until it is stopped. It listens on loopback only: nothing
// of it is encrypted, and nobody is asked who he is.
func Listen(o Options, s Service) (stop func(), err error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, misused("listen on %s: %w; write it such as 127.0.0.1:8420", o.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, misused("listen on %s: only the loopback interface is served, such as 127.0.0.1:8420: what is answered there is not encrypted", o.Listen)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, misused("listen on %s: %w", o.Listen, err)
	}
	server := &http.Server{Handler: o.handler(s), ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	go func() { _ = server.Serve(l) }()
	o.Listened(l.Addr().String())
	return func() { _ = server.Close() }, nil
}

func misused(format string, args ...any) error {
	return &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf(format, args...)}
}

// handler answers /healthz and /readyz, and /metrics where there are tokens.
func (o Options) handler(s Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, live, _ := s.Ready(); !live {
			answer(w, http.StatusServiceUnavailable, "the scheduler does not answer\n")
			return
		}
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		text, _, ready := s.Ready()
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, text)
	})
	if o.Tokens != "" {
		mux.HandleFunc("GET /metrics", metrics{tokens: o.Tokens, write: func(w io.Writer) error {
			values, err := s.Reads().Metrics(context.Background())
			if err != nil {
				o.Log("not all metrics can be read", err)
			}
			_, writing := values.WriteTo(w)
			return errors.Join(err, writing)
		}}.answer)
	}
	return mux
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}
