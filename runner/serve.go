package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/serve"
	"github.com/dprun/dprun/runner/settle"
)

// ServeRequest asks to run plans when they are due.
type ServeRequest struct {
	Plans   string // the absolute directory of the plans
	Notify  string // the service manager's socket, from NOTIFY_SOCKET; empty: there is none
	Signals <-chan string
	Reload  <-chan struct{}
	Guard   func(run string) []string // as in [ApplyRequest]
	// Web begins to answer people and programs. It is called before anything else;
	// stop is called after the server has ended. Nil: nobody is answered.
	Web func(*Service) (stop func(), err error)
}

// ServeLeave is the name of the signal that ends a server as soon as no run is in
// progress.
const ServeLeave = serve.Leave

// Serve runs the plans of a directory when they are due, until it is asked to
// stop. Each run is like [Runner.Apply] with a Runner of its own. First Serve
// undoes what dead runs left. Errors are *Error.
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
	feed := newNewsfeed(k.journal, r.Log)
	over := make(chan struct{})
	var follows sync.WaitGroup
	follows.Go(func() { feed.serve(over) })
	stop := func() {}
	defer func() { // the followers receive the last events
		close(over)
		follows.Wait()
		stop()
	}()
	plans := &served{r: r, q: q, feed: feed, good: map[string][]serve.Plan{}, told: map[string]map[journal.Scheduled]servedPlan{}, broken: map[string]journal.BrokenPlan{}}
	if before, err := k.journal.Server(ctx); err == nil && before != nil { // keeps the time since when a plan is broken
		for _, b := range before.Broken {
			plans.broken[b.Path] = b
		}
	}
	service := &Service{r: r, plans: plans, feed: feed, over: map[string]report.RecoveredRun{}}
	s := &serve.Server{Journal: k.journal, Clock: r.Clock, Log: r.Log, Self: serve.Identify(q.Plans), Notify: serve.Notifier(q.Notify),
		Read: plans.Read, Recover: func(signals <-chan string) { _, _ = service.recover(signals) }}
	service.server = s
	if q.Web != nil {
		end, err := q.Web(service)
		if err != nil {
			return err
		}
		stop = end
	}
	s.Serve(q.Signals, q.Reload)
	return nil
}

// recoverTelling brings back what dead runs left, and logs what remains. It waits
// for guards and other recoveries, because a plan that is due would leave out
// domains that are still quiesced.
func (r *Runner) recoverTelling(signals <-chan string, sink event.Sink) (*report.Result, error) {
	stop, release := stopOn(signals)
	defer release()
	r.awaitRecoveries(stop.Asked())
	res, err := r.Recover(context.Background(), RecoverRequest{Operation: Operation{Stop: stop, Sink: sink},
		Begin: func(due []report.Owed) {
			if len(due) > 0 {
				r.Log.Warn("what earlier runs have left is brought back first", "owed", len(due))
			}
		}})
	r.awaitRecoveries(stop.Asked()) // a guard may have noticed only now that its run is gone
	for _, s := range res.Recovered {
		r.Log.Warn("a run that had died was finished", "plan", s.Plan, "run", s.Run, "code", s.Code, "message", s.Message)
	}
	for _, o := range res.Owed {
		if !o.Held {
			r.Log.Error("something must still be undone on a device; dprun owed says what to do", "device", o.Device, "domain", o.Domain, "run", o.Run)
		}
	}
	if err != nil {
		r.Log.Error("not everything that must be undone could be checked", "error", err)
	}
	return res, err
}

// awaitRecoveries returns when no other process brings anything back, when
// something that it brings back is overdue, or when ctx ends.
func (r *Runner) awaitRecoveries(ctx context.Context) {
	waiter := r.Clock.Waiter()
	defer waiter.Stop()
	for {
		now := r.Clock.Now()
		all, err := r.begin(Operation{}).outstanding(ctx)
		if err != nil || !slices.ContainsFunc(all, func(o settle.Outstanding) bool { return o.Live && o.Holder.Recovery && o.Attempts == 0 && o.Left(now) }) {
			return // the recovery reports an error
		}
		select {
		case <-waiter.Wait(now.Add(time.Second), 0):
		case <-ctx.Done():
			return
		}
	}
}

// stopOn returns a Stop that the names of signals trigger.
func stopOn(signals <-chan string) (stop *Stop, release func()) {
	stop = NewStop(context.Background())
	deaf := listen.To(signals, func(name string) bool { stop.Ask(name); return true })
	return stop, func() {
		deaf()
		stop.Release()
	}
}

// runServed runs a plan of the server, with the same use case as the command
// line. Each plan has its own secrets and plugins.
func (r *Runner) runServed(q ServeRequest, feed *newsfeed, src Source, name string, o serve.Order) (end serve.End) {
	res := &report.Result{}
	if o.Start != nil {
		end.Run = o.Start.Run
	}
	defer func() { feed.tell(report.LiveEvent{Kind: "result", Run: end.Run, Result: res}) }()
	own, err := Open(r.Options)
	if err != nil {
		conclude(res, &err)
		end.ExitCode, end.Message = CodeOf(err), err.Error()
		return end
	}
	defer func() {
		if err := own.Close(); err != nil {
			r.Log.Warn("a run's plugins or journal were not closed in order", "plan", name, "error", err)
		}
	}()
	stop, release := stopOn(o.Signals)
	defer release()
	apply := ApplyRequest{Source: src, Plan: name, Guard: q.Guard, Operation: Operation{Stop: stop, Sink: newsSink{feed: feed, begun: o.Begun}}}
	if o.Start != nil {
		apply.Run, apply.Only, apply.By, apply.Reason, apply.Change = o.Start.Run, o.Start.Only, o.Start.By, o.Start.Reason, o.Start.Change
	}
	res, err = own.Apply(context.Background(), apply)
	end.ExitCode = res.ExitCode
	if res.Summary != nil {
		end.Run, end.Message = res.Summary.Run, res.Summary.Message
	}
	if err != nil {
		end.ExitCode, end.Message = CodeOf(err), err.Error()
	}
	if end.ExitCode == ExitOwed || end.ExitCode == ExitAway {
		end.Message = fmt.Sprintf("something must still be undone on a device: dprun owed says what to do. %s", end.Message)
	}
	return end
}
