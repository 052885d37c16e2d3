package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// app is one invocation of dprun: its surroundings, and the flags that all commands
// share.
type app struct {
	args    []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	env     func(string) string

	color    string
	logLevel string
	stateDir string
	json     bool
	quiet    bool
	server   string // the address of the server to ask; empty: the state directory is used
	tokens   string // the file that holds the token for the server
	ca       string
	all      bool

	noHelp error // why help cannot be shown: it was asked for a command that does not exist
}

func (a *app) execute() error {
	root := a.root()
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(context.Background()); err != nil {
		return err
	}
	return a.noHelp
}

// command does the work of one subcommand and shows the result in a view.
type command func(ctx context.Context, v view.View, args []string) error

// runE returns the cobra function of a command that ends at the first stop signal.
func (a *app) runE(do command) func(*cobra.Command, []string) error {
	return a.runDeaf(func(ctx context.Context, v view.View, args []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		err := do(ctx, v, args)
		var stopped *runner.Error
		if err != nil && errors.As(context.Cause(ctx), &stopped) {
			return stopped
		}
		return err
	})
}

// runDeaf returns the cobra function of a command that handles signals itself.
func (a *app) runDeaf(do command) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		v, err := a.view(cmd)
		if err == nil {
			err = a.atServer(cmd)
		}
		if err != nil {
			return err
		}
		err = do(cmd.Context(), v, args)
		var usage *usageError
		var shown exitStatus
		switch {
		case errors.As(err, &usage):
			usage.command = cmd.CommandPath()
			if a.json { // the text follows on standard error, as the last output
				v.Fail(report.Failure{Message: usage.Error(), ExitCode: exitCode(err)})
				usage.shown = true
			}
		case err != nil && !errors.As(err, &shown):
			v.Fail(report.Failure{Message: err.Error(), ExitCode: exitCode(err)})
		}
		if lost := v.Close(); lost != nil && !errors.Is(lost, syscall.EPIPE) {
			fmt.Fprintf(a.stderr, "Error: write the result to standard output: %v\n", lost)
			if err == nil {
				return exitStatus(exitFailed)
			}
		}
		return err
	}
}

func (a *app) view(cmd *cobra.Command) (view.View, error) {
	if a.color != "auto" && a.color != "always" && a.color != "never" {
		return nil, &usageError{command: cmd.CommandPath(), err: fmt.Errorf("--color is %q; it is auto, always or never", a.color)}
	}
	if _, err := a.level(); err != nil {
		return nil, &usageError{command: cmd.CommandPath(), err: err}
	}
	o := view.Options{Stdout: a.stdout, Stderr: a.stderr, ColorStdout: a.colored(a.stdout), ColorStderr: a.colored(a.stderr), EveryTask: a.all, Together: onePlace(a.stdout, a.stderr)}
	if dir, err := a.state(); err == nil {
		o.StateDir = dir
	}
	if a.server != "" {
		o.StateDir = "of " + a.server
	}
	switch level, _ := a.level(); {
	case a.quiet:
		o.Told = view.Failures
	case level <= slog.LevelInfo:
		o.Told = view.All
	}
	if a.json {
		return view.NewJSON(o, about()), nil
	}
	if fd, ok := terminal(a.stderr); ok {
		o.Live = a.env("TERM") != "dumb" && !a.quiet
		o.Size = func() (int, int) {
			columns, rows, err := term.GetSize(fd)
			if err != nil {
				return 0, 0
			}
			return columns, rows
		}
	}
	return view.NewHuman(o), nil
}

// about describes this dprun.
func about() report.Version {
	return report.Version{Dprun: version, Format: view.FormatVersion, PluginProtocol: sdk.ProtocolVersion, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}

func (a *app) colored(w io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	_, ok := terminal(w)
	return ok && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}

// onePlace reports whether two streams are the same file, pipe or terminal.
func onePlace(one, other any) bool {
	var infos [2]os.FileInfo
	for i, stream := range []any{one, other} {
		f, ok := stream.(*os.File)
		if !ok {
			return false
		}
		var err error
		if infos[i], err = f.Stat(); err != nil {
			return false
		}
	}
	return os.SameFile(infos[0], infos[1])
}

// terminal returns the descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// level returns the lowest level of log lines that are shown.
func (a *app) level() (slog.Level, error) {
	name, from := a.logLevel, "--log-level"
	if name == "" {
		name, from = a.env("DPRUN_LOG"), "DPRUN_LOG"
	}
	switch strings.ToLower(name) {
	case "", "warn", "warning":
		return slog.LevelWarn, nil
	case "debug", "trace":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%s is %q; it is debug, info, warn or error", from, name)
}

// log returns a logger that writes to standard error, above anything the view draws
// there.
func (a *app) log(v view.View) *slog.Logger {
	level, err := a.level()
	if err != nil {
		level = slog.LevelWarn
	}
	o := &slog.HandlerOptions{Level: level}
	if a.json {
		return slog.New(slog.NewJSONHandler(v.LogWriter(), o))
	}
	return slog.New(slog.NewTextHandler(v.LogWriter(), o))
}

// state returns the path of the state directory. It does not create the directory.
func (a *app) state() (string, error) { return runner.StateDir(a.stateDir, a.env) }
