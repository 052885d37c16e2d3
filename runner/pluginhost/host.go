package pluginhost

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Options are the parts of a host.
type Options struct {
	// Bundled are the plugins that this program serves itself; see [ServeBundled].
	Bundled map[string]func() sdk.Plugin
	// Dir holds third-party plugins, files named dprun-plugin-NAME. It is
	// absolute; empty: there are none.
	Dir string
	// Locked says, before an installed plugin is asked or started, why it may
	// not be: that it is not the one that is locked. Nil: every plugin may.
	Locked func(name, file string) *failure.Error
	// WorkDir is an existing directory below which the plugins get their
	// private directories; empty: the system's temporary directory.
	WorkDir string
	// CacheDir keeps what third-party plugins describe; empty: nothing is kept.
	CacheDir string
	// Log gets the lines of the plugins; nil: they are dropped.
	Log *slog.Logger
	// Redact is applied to every text that comes from a plugin; nil: none.
	Redact func(string) string
	// AnswerLimit bounds what a plugin does without contacting anybody: to say
	// what it offers, to check a configuration, to take one. 0: a minute.
	AnswerLimit time.Duration
	// ExtraFiles are inherited by every plugin's process: locks that must
	// stay taken until the last plugin is gone.
	ExtraFiles []*os.File
	// LookupEnv reads the environment; nil: os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Host runs plugins. It may be used concurrently.
type Host struct {
	options  Options
	dir      *workDir
	identity func() (client.Identity, error) // always the same one

	mu      sync.Mutex
	plugins map[string]*plugin // every plugin that can be started, by name
	unfit   []Unfit            // the other files of the plugin directory
	closed  bool
}

// New finds the plugins there are. No process is started before one is needed,
// and a file that cannot be used matters to nobody who does not need it: see [Host.Unfit].
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Redact == nil {
		o.Redact = func(s string) string { return s }
	}
	if o.AnswerLimit <= 0 {
		o.AnswerLimit = time.Minute
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	h := &Host{options: o, identity: sync.OnceValues(client.NewIdentity), plugins: map[string]*plugin{}}
	for name, p := range o.Bundled {
		pl := newPlugin(h, name)
		pl.bundled = sync.OnceValue(p)
		h.plugins[name] = pl
	}
	var installed map[string]string
	installed, h.unfit = discover(o.Dir)
	for name, file := range installed {
		if _, taken := h.plugins[name]; taken {
			h.unfit = append(h.unfit, Unfit{Name: name, File: file, Err: failure.New(failure.Precondition, failure.BadConfig,
				"the plugin %s has the name of a plugin that comes with dprun", file).WithRemedy("remove the file or give it another name")})
			continue
		}
		h.plugins[name] = newPlugin(h, name)
		h.plugins[name].file = file
	}
	slices.SortFunc(h.unfit, func(a, b Unfit) int { return strings.Compare(a.File, b.File) })
	return h
}

// Names lists the plugins that can be started, in order.
func (h *Host) Names() []string { return slices.Sorted(maps.Keys(h.plugins)) }

// Info says where a plugin comes from.
type Info struct {
	Name    string `json:"name"`
	Bundled bool   `json:"bundled"`
	File    string `json:"file,omitempty"`   // of an installed one
	Digest  string `json:"sha256,omitempty"` // of the file
}

// Info describes a plugin without starting it.
func (h *Host) Info(name string) (Info, error) {
	p, err := h.plugin(name)
	if err != nil {
		return Info{}, err
	}
	i := Info{Name: name, Bundled: p.bundled != nil, File: p.file}
	if p.bundled == nil {
		i.Digest, err = p.digestOnce()
	}
	return i, err
}

// Describe gives what a plugin offers: of a bundled one from this program, of
// another one from the cache or its process.
func (h *Host) Describe(ctx context.Context, name string) (schema.Plugin, error) {
	p, err := h.plugin(name)
	if err != nil {
		return schema.Plugin{}, err
	}
	return p.describe(ctx)
}

// Validate asks a plugin about a configuration, which may hold unknown but no
// marked values: what the schema finds wrong, or else what the plugin's own
// validator says. activity is used for [schema.KindActivity] only.
func (h *Host) Validate(ctx context.Context, k schema.Kind, typ, activity string, config cty.Value) ([]schema.Diagnostic, error) {
	p, err := h.offering(ctx, Ref{Kind: k, Type: typ})
	if err != nil {
		return nil, err
	}
	if p.bundled != nil { // the validator is pure, and a part of this program
		bundled := p.bundled()
		return bundled.Validate(k, typ, activity, config)
	}
	proc, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return bounded(ctx, proc, h.options.AnswerLimit, "check a configuration", func(ctx context.Context) ([]schema.Diagnostic, error) {
		return proc.plugin.ValidateConfig(ctx, k, typ, activity, config)
	})
}

// Source makes a configured source. The value has the type of its schema, is
// wholly known and unmarked.
func (h *Host) Source(ctx context.Context, typ string, config cty.Value) (sdk.Source, error) {
	i, err := held(ctx, h, Ref{schema.KindSource, typ}, config, (*client.Plugin).ConfigureSource)
	if err != nil {
		return nil, err
	}
	return &source{holder: i}, nil
}

// Destination makes a configured destination.
func (h *Host) Destination(ctx context.Context, typ string, config cty.Value) (sdk.Destination, error) {
	i, err := held(ctx, h, Ref{schema.KindDestination, typ}, config, (*client.Plugin).ConfigureDestination)
	if err != nil {
		return nil, err
	}
	return &destination{i}, nil
}

// Hook makes a configured hook.
func (h *Host) Hook(ctx context.Context, typ string, config cty.Value) (sdk.Hook, error) {
	i, err := held(ctx, h, Ref{schema.KindHook, typ}, config, (*client.Plugin).ConfigureHook)
	if err != nil {
		return nil, err
	}
	return &hook{i}, nil
}

// drainTime is how long Close waits for calls in flight.
const drainTime = 20 * time.Second

// Close ends every plugin: calls in flight may finish for a while, then the
// processes are asked to end, then their groups are killed. Whoever started
// the calls cancels them first.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	dir := h.dir
	h.dir = nil
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range h.plugins {
		wg.Go(p.close)
	}
	wg.Wait()
	if dir == nil {
		return nil
	}
	return dir.remove()
}

// processDir makes the private directory of one process.
func (h *Host) processDir(name string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return "", errors.New("the plugin host is closed")
	}
	if h.dir == nil {
		d, err := newWorkDir(h.options.WorkDir)
		if err != nil {
			return "", err
		}
		h.dir = d
	}
	dir, err := os.MkdirTemp(h.dir.path, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
}
