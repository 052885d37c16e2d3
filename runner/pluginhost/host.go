package pluginhost

import (
	"cmp"
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

// Options configures a host.
type Options struct {
	// Bundled are the plugins that this program serves itself; see [ServeBundled].
	Bundled map[string]func() sdk.Plugin
	// Dir holds third-party plugins, files named dprun-plugin-NAME. It is an absolute
	// path; empty: there are none.
	Dir string
	// Locked returns the reason why an installed plugin may be neither asked nor
	// started: it is not the locked one. Nil: every plugin is allowed.
	Locked func(name, file string) *failure.Error
	// WorkDir is an existing directory in which the plugins get their private
	// directories; empty: the system's temporary directory.
	WorkDir string
	// CacheDir keeps the descriptions of third-party plugins; empty: nothing is kept.
	CacheDir string
	// Log receives the lines that plugins write; nil: they are dropped.
	Log *slog.Logger
	// Redact is applied to every text that comes from a plugin; nil: none.
	Redact func(string) string
	// AnswerLimit is the time limit for calls in which a plugin contacts nobody:
	// describing what it offers, and checking or accepting a configuration. 0: a
	// minute.
	AnswerLimit time.Duration
	// ExtraFiles are inherited by every plugin's process. They are locks that must stay
	// held until the last plugin is gone.
	ExtraFiles []*os.File
	// LookupEnv reads the environment; nil: os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Host runs plugins. It is safe for concurrent use.
type Host struct {
	options  Options
	dir      *workDir
	identity func() (client.Identity, error) // always returns the same one

	mu      sync.Mutex
	plugins map[string]*plugin // all plugins that can be started, by name
	unfit   []Unfit            // the other files of the plugin directory
	closed  bool
}

// New finds the available plugins. It starts no process; each is started when it is
// needed. Files that cannot be used matter only to callers that need them: see
// [Host.Unfit].
func New(o Options) *Host {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
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
	File    string `json:"file,omitempty"`   // of an installed plugin
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

// Describe returns what a plugin offers. The answer comes from this program for a
// bundled plugin, and from the cache or the plugin's process for another one.
func (h *Host) Describe(ctx context.Context, name string) (schema.Plugin, error) {
	p, err := h.plugin(name)
	if err != nil {
		return schema.Plugin{}, err
	}
	return p.describe(ctx)
}

// Validate checks a configuration, which may hold unknown but no marked values. It
// returns what the schema finds wrong, or else what the plugin's own validator reports.
// activity is used for [schema.KindActivity] only.
func (h *Host) Validate(ctx context.Context, k schema.Kind, typ, activity string, config cty.Value) ([]schema.Diagnostic, error) {
	p, err := h.offering(ctx, Ref{Kind: k, Type: typ})
	if err != nil {
		return nil, err
	}
	if p.bundled != nil { // the validator is pure and part of this program
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

// Source returns a configured source. config must have the type of the source's schema,
// be wholly known and hold no marks.
func (h *Host) Source(ctx context.Context, typ string, config cty.Value) (sdk.Source, error) {
	i, err := held(ctx, h, Ref{schema.KindSource, typ}, config, (*client.Plugin).ConfigureSource)
	if err != nil {
		return nil, err
	}
	return &source{holder: i}, nil
}

// Destination returns a configured destination.
func (h *Host) Destination(ctx context.Context, typ string, config cty.Value) (sdk.Destination, error) {
	i, err := held(ctx, h, Ref{schema.KindDestination, typ}, config, (*client.Plugin).ConfigureDestination)
	if err != nil {
		return nil, err
	}
	return &destination{i}, nil
}

// Hook returns a configured hook.
func (h *Host) Hook(ctx context.Context, typ string, config cty.Value) (sdk.Hook, error) {
	i, err := held(ctx, h, Ref{schema.KindHook, typ}, config, (*client.Plugin).ConfigureHook)
	if err != nil {
		return nil, err
	}
	return &hook{i}, nil
}

// drainTime is how long Close waits for calls in flight.
const drainTime = 20 * time.Second

// Close ends every plugin. Calls in flight may finish for a while. Then the processes
// are asked to end, and then their groups are killed. Callers cancel their calls first.
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

// processDir creates the private directory of one process.
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
