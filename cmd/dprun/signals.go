package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
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

// forward passes every stop signal on by its name, says so, and ends asked with
// the first one. Nothing else happens: what to do about it is the run's decision.
func forward(ctx context.Context, say func(signal string, again bool)) (asked context.Context, names <-chan string, stop func()) {
	signals, release := catch()
	asked, cancel := context.WithCancelCause(ctx)
	out := make(chan string, 8)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-signals:
				again := asked.Err() != nil
				cancel(&stoppedError{signal: stopSignals[s], err: context.Canceled})
				say(stopSignals[s], again)
				select {
				case out <- stopSignals[s]:
				default: // so many that one more says nothing new
				}
			case <-done:
				return
			}
		}
	}()
	return asked, out, func() {
		release()
		close(done)
		<-ended
		cancel(nil)
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
			cancel(&stoppedError{signal: stopSignals[s], err: context.Canceled})
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
