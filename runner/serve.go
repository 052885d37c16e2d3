package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/serve"
)

// ServeRequest asks to run plans when they are due.
type ServeRequest struct {
	Plans    string // the directory of the plans, absolute
	Listen   string // where /healthz, /readyz and /metrics are answered, such as 127.0.0.1:8420; empty: nowhere
	Tokens   string // the file with the hashes of tokens for /metrics; empty: it is not answered
	Notify   string // the service manager's socket, by NOTIFY_SOCKET; empty: there is none
	Signals  <-chan string
	Reload   <-chan struct{}
	Guard    func(run string) []string // as in [ApplyRequest]
	Listened func(address string)      // is called when it listens; nil: nobody wants to know
}

// Serve runs the plans of a directory when they are due, each like [Runner.Apply]
// and with a Runner of its own, until it is asked to stop. What dead runs have
// left is done before anything else. Errors are *Error.
func (r *Runner) Serve(ctx context.Context, q ServeRequest) error {
	held, err := r.locks.TryAcquire(lock.ServerKey, lock.Exclusive, lock.Info{})
	if h := new(lock.HeldError); errors.As(err, &h) {
		return errorf(ExitRunning, "another server works on this state directory: %s; stop it first, or give this one a state directory of its own", h.Holder)
	}
	if err != nil {
		return &Error{ExitBug, err}
	}
	defer func() { _ = held.Release() }()
	if _, _, err := lookAt(q.Plans); err != nil {
		return &Error{ExitUsage, err}
	}
	k := r.kept.Load()
	if k.journal == nil {
		_, err := r.Recover(ctx, RecoverRequest{}) // gateways come first, and need no journal
		return errors.Join(k.lost, err)
	}
	s := &serve.Server{Journal: k.journal, Clock: r.Clock, Log: r.Log, Self: serve.Identify(q.Plans), Notify: serve.Notifier(q.Notify),
		Read:    (&served{r: r, q: q, good: map[string][]serve.Plan{}, broken: map[string]journal.BrokenPlan{}}).Read,
		Recover: r.recoverServed}
	if q.Listen != "" {
		stop, err := listen(q, s.Health.Handler(serve.Metrics{Tokens: q.Tokens, Write: r.writeMetrics}))
		if err != nil {
			return err
		}
		defer stop()
	}
	s.Serve(q.Signals, q.Reload)
	return nil
}

// listen answers HTTP. It listens on loopback only: nothing of it is encrypted,
// and nobody is asked who he is.
func listen(q ServeRequest, handler http.Handler) (stop func(), err error) {
	host, _, err := net.SplitHostPort(q.Listen)
	if err != nil {
		return nil, errorf(ExitUsage, "listen on %s: %w; write it such as 127.0.0.1:8420", q.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errorf(ExitUsage, "listen on %s: only the loopback interface is served, such as 127.0.0.1:8420: what is answered there is not encrypted", q.Listen)
	}
	l, err := net.Listen("tcp", q.Listen)
	if err != nil {
		return nil, errorf(ExitUsage, "listen on %s: %w", q.Listen, err)
	}
	server := &http.Server{Handler: handler, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	go func() { _ = server.Serve(l) }()
	if q.Listened != nil {
		q.Listened(l.Addr().String())
	}
	return func() { _ = server.Close() }, nil
}

func (r *Runner) writeMetrics(w io.Writer) error {
	values, err := r.Metrics(context.Background())
	if err != nil {
		r.Log.Error("not all metrics can be read", "error", err)
	}
	_, writing := values.WriteTo(w)
	return errors.Join(err, writing)
}

// recoverServed brings back what dead runs have left, and says what is left of that.
func (r *Runner) recoverServed(signals <-chan string) {
	stop, release := stopOn(signals)
	defer release()
	res, err := r.Recover(context.Background(), RecoverRequest{Operation: Operation{Stop: stop},
		Begin: func(due []report.Owed) {
			if len(due) > 0 {
				r.Log.Warn("what earlier runs have left is brought back first", "owed", len(due))
			}
		}})
	for _, s := range res.Recovered {
		r.Log.Warn("a run that had died was finished", "plan", s.Plan, "run", s.Run, "code", s.Code, "message", s.Message)
	}
	for _, o := range res.Owed {
		if !o.Held {
			r.Log.Error("something is still owed to a device; dprun owed says what to do", "device", o.Device, "domain", o.Domain, "run", o.Run)
		}
	}
	if err != nil {
		r.Log.Error("not all that is owed could be looked at", "error", err)
	}
}

// stopOn makes a request to stop of the names of signals.
func stopOn(signals <-chan string) (stop *Stop, release func()) {
	stop = NewStop(context.Background())
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case name := <-signals:
				stop.Ask(name)
			case <-done:
				return
			}
		}
	}()
	return stop, func() {
		close(done)
		<-ended
		stop.Release()
	}
}

// runServed runs a plan of the server, by the use case that the command line
// uses, too. Secrets and plugins of one plan are not those of another.
func (r *Runner) runServed(q ServeRequest, src Source, name string, signals <-chan string, begun func(string)) (end serve.End) {
	own, err := Open(r.Options)
	if err != nil {
		return serve.End{ExitCode: CodeOf(err), Message: err.Error()}
	}
	defer func() {
		if err := own.Close(); err != nil {
			r.Log.Warn("a run's plugins or journal were not closed in order", "plan", name, "error", err)
		}
	}()
	stop, release := stopOn(signals)
	defer release()
	res, err := own.Apply(context.Background(), ApplyRequest{Source: src, Plan: name, Guard: q.Guard, Operation: Operation{Stop: stop, Sink: beginning{begun: begun}}})
	end.ExitCode = res.ExitCode
	if res.Summary != nil {
		end.Run, end.Message = res.Summary.Run, res.Summary.Message
	}
	if err != nil {
		end.ExitCode, end.Message = CodeOf(err), err.Error()
	}
	if end.ExitCode == ExitOwed || end.ExitCode == ExitAway {
		end.Message = fmt.Sprintf("something is still owed to a device: dprun owed says what to do. %s", end.Message)
	}
	return end
}

// beginning is a sink that wants to know which run was begun.
type beginning struct {
	unwatched
	begun func(run string)
}

// Run implements [event.Sink].
func (b beginning) Run(i event.RunInfo) {
	if !i.Recovery {
		b.begun(i.Run)
	}
}
