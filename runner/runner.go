package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/permit"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/runner/state"
	"github.com/dprun/dprun/sdk/schema"
)

// Runner is an open state directory with everything that works on it.
type Runner struct {
	Options
	History
	pending *pending.Dir
	locks   *lock.Locks
	plugins *Plugins
	redact  redact.Redactor
}

// Open opens a state directory, and creates a missing one. Errors are *Error.
func Open(o Options) (*Runner, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	o.Group = cmp.Or(o.Group, groupFor)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	r := &Runner{Options: o, History: History{now: o.Clock.Now}}
	var err error
	if r.state, err = state.Open(o.StateDir); err != nil {
		return nil, &Error{ExitUsage, err}
	}
	r.pending = pending.Open(r.state.Pending())
	for _, odd := range r.state.Odd() {
		r.Log.Warn(odd)
	}
	r.open(ExitOwed)
	if r.locks, err = lock.Open(r.state.Locks()); err == nil {
		r.staging, err = staging.Open(r.state.Staging())
	}
	if err != nil {
		return nil, &Error{ExitBug, errors.Join(err, r.Close())}
	}
	pluginhost.Sweep(r.state.Work())
	r.plugins = OpenPlugins(r.pluginOptions())
	return r, nil
}

func (r *Runner) pluginOptions() PluginOptions {
	return PluginOptions{Bundled: r.Bundled, Version: r.Version, Environ: r.Environ, Log: r.Log, Dir: r.state.Plugins(), WorkDir: r.state.Work(), Redact: r.redact.Redact}
}

// Close ends the plugins and closes the journal.
func (r *Runner) Close() error {
	var errs []error
	if r.plugins != nil {
		errs = append(errs, r.plugins.Close())
	}
	if r.locks != nil {
		errs = append(errs, r.locks.Close())
	}
	return errors.Join(append(errs, r.History.Close())...)
}

// startHost starts the plugin host of one run. Its processes inherit the run's
// lock, so the lock is free only when this process and its plugins are gone.
func (r *Runner) startHost(held *lock.Lock) *pluginhost.Host {
	o := r.plugins.options
	o.ExtraFiles = []*os.File{held.File()}
	return pluginhost.New(o)
}

// startUnlockedHost starts a plugin host for work outside of a run.
func (r *Runner) startUnlockedHost() *pluginhost.Host {
	return pluginhost.New(r.plugins.options)
}

// planDir returns the absolute directory to which a plan's relative paths refer.
func planDir(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return filepath.Dir(abs)
	}
	return abs
}

// deviceLocks gives the executor the locks of devices.
type deviceLocks struct {
	locks *lock.Locks
	run   string
}

func (l deviceLocks) Acquire(ctx context.Context, identity string, exclusive bool, onWait func(string)) (func(), error) {
	mode := lock.Shared
	if exclusive {
		mode = lock.Exclusive
	}
	held, err := l.locks.Acquire(ctx, lock.DeviceKey(identity), mode, lock.Info{Run: l.run}, func(holder lock.Info) { onWait(holder.String()) })
	if err != nil {
		return nil, err
	}
	return func() { _ = held.Release() }, nil
}

// noLocks locks nothing. It is for a caller that already holds the lock of the
// only device.
type noLocks struct{}

func (noLocks) Acquire(context.Context, string, bool, func(string)) (func(), error) {
	return func() {}, nil
}

// linesAtOnce is the number of output lines that one transaction writes.
const linesAtOnce = 64

// lines collects output for the journal, and writes it in groups and at the end
// of a run.
type lines struct {
	journal *journal.Journal
	log     *slog.Logger
	mu      sync.Mutex
	held    []event.Log
}

func (l *lines) add(line event.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held = append(l.held, line); len(l.held) >= linesAtOnce {
		l.write()
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

func (l *lines) write() {
	if l.journal == nil {
		l.held = nil
		return
	}
	if err := l.journal.AppendLog(context.Background(), l.held...); err != nil {
		l.log.Warn("output could not be written down", "error", err)
	}
	l.held = l.held[:0]
}

func join(names []string) string { return strings.Join(names, ", ") }

// StateDir returns the state directory from a flag, or else from the environment.
// It does not create the directory.
func StateDir(flag string, env func(string) string) (string, error) { return state.Dir(flag, env) }

// credentials returns the guard against locking out the accounts that an
// operation uses. Without a journal there is none: then dprun only undoes what is
// pending, which is not checked.
func (r *Runner) credentials(j *journal.Journal) (execute.Credentials, error) {
	if j == nil {
		return nil, nil
	}
	key, err := r.state.Key()
	if err != nil {
		return nil, err
	}
	return &permit.Credentials{Journal: j, Clock: r.Clock, Key: key, Schema: func(ctx context.Context, typ string) (schema.Block, error) {
		offers, err := r.plugins.host.Schemas(ctx, pluginhost.Ref{Kind: schema.KindSource, Type: typ})
		if err != nil {
			return schema.Block{}, err
		}
		for _, p := range offers {
			for _, s := range p.Sources {
				if s.Name == typ {
					return s.Config, nil
				}
			}
		}
		return schema.Block{}, fmt.Errorf("no plugin offers the device type %q", typ)
	}}, nil
}
