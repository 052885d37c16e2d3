package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

// stopSignals are the signals by which dprun is asked to stop.
var stopSignals = map[os.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP"}

// watchPipe keeps a closed pipe at standard output or error from ending the
// process: a run goes on and brings back what it quiesced, whoever listens.
// The signal is caught, not ignored: an ignored one would be inherited by scripts.
func watchPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// catch delivers the stop signals. One that was ignored when dprun was
// started (nohup) stays so.
func catch() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 8)
	for s := range stopSignals {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c, func() { signal.Stop(c) }
}

// operation is one that the view shows and every stop signal asks to stop. A
// signal is told and passed on: what to do about it is the run's decision.
func operation(ctx context.Context, v view.View) (op runner.Operation, release func()) {
	signals, deaf := catch()
	op = runner.Operation{Sink: v, Stop: runner.NewStop(ctx)}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-signals:
				again := op.Stop.Asked().Err() != nil
				op.Stop.Ask(stopSignals[s])
				v.Stopping(stopSignals[s], again)
			case <-done:
				return
			}
		}
	}()
	return op, func() {
		deaf()
		close(done)
		<-ended
		op.Stop.Release()
	}
}

// interruptible ends a context with the first stop signal; the second one
// ends the process. It is for commands that owe nothing to anybody.
func interruptible(ctx context.Context) (_ context.Context, stop func()) {
	signals, release := catch()
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-signals:
			release()
			cancel(runner.Stopped(stopSignals[s]))
		case <-done:
		}
	}()
	return ctx, func() {
		release()
		close(done)
		<-ended
		cancel(nil)
	}
}
