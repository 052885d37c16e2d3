package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// source holds the flags that choose a plan and its variables.
type source struct {
	plan     string
	only     []string
	vars     []string
	varFiles []string
}

func (s *source) variables(f *pflag.FlagSet) {
	f.StringArrayVar(&s.vars, "var", nil, "set a variable: NAME=VALUE; may be repeated")
	f.StringArrayVar(&s.varFiles, "var-file", nil, "read variables from a file; may be repeated")
}

// narrowed joins all --only flags: the last one alone would include what an earlier one
// excludes.
func (s *source) narrowed() string { return strings.Join(s.only, ",") }

// check validates the flags without reading the plan. It rejects an empty --only, which
// comes from an unset variable and would silently mean the whole plan.
func (s *source) check() error {
	for _, o := range s.only {
		if strings.TrimSpace(o) == "" {
			return &usageError{err: errors.New("--only is empty; write for example --only site=fra,device=fra-*, or leave it out for the whole plan")}
		}
	}
	if _, err := runner.ParseOnly(s.narrowed()); err != nil {
		return &usageError{err: err}
	}
	return nil
}

// of returns the runner's source for a path.
func (s *source) of(a *app, path string) (runner.Source, error) {
	if err := s.check(); err != nil { // first, because undoing what earlier runs left may take minutes
		return runner.Source{}, err
	}
	for _, v := range s.vars {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return runner.Source{}, &usageError{err: errors.New("--var is not NAME=VALUE")} // the message omits the value: it may be secret
		}
	}
	if path != "" {
		path = filepath.Clean(path) // a file's name is what follows the last slash
	}
	return runner.Source{Path: path, VarFiles: s.varFiles, Vars: s.vars, Environ: a.environ}, nil
}

// looking makes the function of a command that reads a plan and needs the state
// directory.
func (a *app) looking(src *source, do func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error) func(*cobra.Command, []string) error {
	return a.runE(func(ctx context.Context, v view.View, args []string) error {
		from, err := src.of(a, args[0])
		if err != nil {
			return err
		}
		return a.with(v, func(r *runner.Runner) error { return do(ctx, v, r, from) })
	})
}

// with opens the state directory, calls do and closes it.
func (a *app) with(v view.View, do func(*runner.Runner) error) (err error) {
	r, err := a.open(v)
	if err != nil {
		return err
	}
	defer closing(r, &err)
	return do(r)
}

// ended shows the result of a command that read a plan, and returns how the command
// ended.
func ended[T any](v view.View, res *report.Result, err error, found ...T) error {
	v.Diagnostics(res.Diagnostics)
	for _, f := range found {
		v.Show(f)
	}
	if err == nil {
		err = status(res.ExitCode)
	}
	return misused(err)
}

// some returns a slice with the value, or an empty one for nil.
func some[T any](found *T) []T {
	if found == nil {
		return nil
	}
	return []T{*found}
}

// show shows a result unless err is set, and returns err.
func show[T any](v view.View, found T, err error) error {
	if err == nil {
		v.Show(found)
	}
	return err
}

// planArg accepts the single argument of commands that read a plan.
func planArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one plan file or directory, not %d", len(args))
	}
	return nil
}

// plugins opens the plugins without creating a state directory.
func (a *app) plugins(v view.View) *runner.Plugins { return a.pluginsWith(a.log(v)) }

func (a *app) pluginsWith(log *slog.Logger) *runner.Plugins {
	return runner.OpenPlugins(a.pluginOptions(log))
}

func (a *app) pluginOptions(log *slog.Logger) runner.PluginOptions {
	o := runner.PluginOptions{Bundled: bundled(), Version: version, Environ: a.environ, Log: log}
	if dir, err := a.state(); err == nil {
		o.Dir = filepath.Join(dir, "plugins")
	}
	return o
}

func (a *app) open(v view.View) (*runner.Runner, error) {
	debug.SetGCPercent(gcPercentRun)
	dir, err := a.state()
	if err != nil {
		return nil, &usageError{err: err}
	}
	return runner.Open(runner.Options{
		StateDir: dir, Version: version, Bundled: bundled(), Environ: a.environ, Log: a.log(v),
	})
}

// valid shows the diagnostics of a file, and returns an error if the command cannot go
// on.
func (a *app) valid(v view.View, found diag.List, err error) error {
	v.Diagnostics(found)
	switch {
	case err != nil:
		return misused(err)
	case found.HasErrors():
		return a.told(v, runner.Invalid(found))
	}
	return nil
}

// told ends a command whose diagnostics have already told a person what is wrong. A
// program also gets the error, as the last object.
func (a *app) told(v view.View, e *runner.Error) error {
	if a.json {
		v.Fail(report.Failure{Message: e.Error(), ExitCode: e.ExitCode})
	}
	return status(e.ExitCode)
}

// identityFlag adds the flag for the keys that open encrypted backups.
func (a *app) identityFlag(c *cobra.Command, keys *runner.Keys) {
	c.Flags().StringArrayVar(&keys.Files, "identity", nil, "a file with a secret key of age or SSH that opens encrypted backups; may be repeated")
	if fd, ok := terminal(a.stdin); ok {
		known := map[string][]byte{} // a command may read the file more than once
		keys.Ask = func(file string) ([]byte, error) {
			if given, ok := known[file]; ok {
				return given, nil
			}
			fmt.Fprintf(a.stderr, "Passphrase of %s: ", file)
			defer fmt.Fprintln(a.stderr)
			given, err := term.ReadPassword(fd)
			if err == nil {
				known[file] = given
			}
			return given, err
		}
	}
}
