// Command dprun backs up fleets of gateways from plan files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/report"
)

// How far the heap may grow between two garbage collections, in percent: while a plan
// is read, and during a run, which should stay small.
const (
	gcPercent    = 400
	gcPercentRun = 200
)

// version is set by the linker.
var version = "dev"

func main() {
	runner.ServePlugin(os.Args[1:], bundled()) // does not return if this process serves a plugin
	// A plan is read once and thrown away. Collecting garbage less often saves a sixth
	// of the time that a large plan takes.
	debug.SetGCPercent(gcPercent)
	os.Exit(run(&app{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		environ: os.Environ(), env: os.Getenv,
	}))
}

// run executes the command line and returns the exit code. It does not panic.
func run(a *app) (code int) {
	defer func() {
		if p := recover(); p != nil {
			code = crashed(a.stderr, p, debug.Stack())
		}
	}()
	watchPipe()
	err := a.execute()
	code = exitCode(err)
	var usage *usageError
	if errors.As(err, &usage) {
		if !usage.shown && (a.json || slices.Contains(a.args, "--json")) { // the parser stopped at the wrong flag, so --json may stand unread behind it
			view.NewJSON(view.Options{Stdout: a.stdout, Stderr: a.stderr}, about()).Fail(report.Failure{Message: usage.Error(), ExitCode: code})
		}
		fmt.Fprint(a.stderr, usage.text())
	}
	return code
}

// crashed reports a panic as a fault of dprun itself.
func crashed(w io.Writer, p any, stack []byte) int {
	fmt.Fprintf(w, "dprun crashed: %v\n\nThis is a fault of dprun %s. If a run was under way: `dprun recover`, then `dprun owed`.\nPlease report it with this text:\n\n%s", p, version, stack)
	return runner.ExitBug
}

// The exit codes that package runner and the runs do not define.
const (
	exitOK     = 0
	exitFailed = 1
)

// exitCode turns an error into an exit code. Nothing else does.
func exitCode(err error) int {
	var status exitStatus
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		return runner.ExitUsage
	}
	return runner.CodeOf(err)
}

// exitStatus ends a command with an exit code and no further message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// status returns an error for an exit code; nil for 0.
func status(code int) error {
	if code == exitOK {
		return nil
	}
	return exitStatus(code)
}

// usageError reports a wrong command line.
type usageError struct {
	command string // the command whose help the message points to
	err     error
	shown   bool // already shown as an object on standard output
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func (e *usageError) text() string {
	return fmt.Sprintf("Error: %s\nSee `%s --help`.\n", view.Clean(e.err.Error()), e.command)
}

// stopSignals are the signals that ask dprun to stop, with their names.
var stopSignals = map[os.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP"}

// watchPipe keeps the process alive when standard output or error is a closed pipe: a
// run continues and brings back what it quiesced even if nobody listens. The signal is
// caught rather than ignored, because scripts would inherit an ignored signal.
func watchPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// catch delivers the stop signals. A signal that was ignored when dprun started (nohup)
// stays ignored.
func catch() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 8)
	for s := range stopSignals {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c, func() { signal.Stop(c) }
}

// operation returns an operation that the view shows and that every stop signal asks to
// stop. The view reports the signal, and the run decides what to do about it.
func operation(ctx context.Context, v view.View) (op runner.Operation, release func()) {
	signals, stop := catch()
	op = runner.Operation{Sink: v, Stop: runner.NewStop(ctx)}
	deaf := listen.To(signals, func(s os.Signal) bool {
		again := op.Stop.Asked().Err() != nil
		op.Stop.Ask(stopSignals[s])
		v.Stopping(stopSignals[s], again)
		return true
	})
	return op, func() {
		stop()
		deaf()
		op.Stop.Release()
	}
}

// interruptible ends a context at the first stop signal; the second one ends the
// process. It is for commands that leave nothing to bring back.
func interruptible(ctx context.Context) (_ context.Context, stop func()) {
	signals, release := catch()
	ctx, cancel := context.WithCancelCause(ctx)
	deaf := listen.To(signals, func(s os.Signal) bool {
		release()
		cancel(runner.Stopped(stopSignals[s]))
		return false
	})
	return ctx, func() {
		release()
		deaf()
		cancel(nil)
	}
}
