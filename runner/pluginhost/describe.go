package pluginhost

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// describe returns what the plugin offers. A bundled plugin is asked in this process.
// Describe is pure, so an answer is valid as long as the file is the same.
func (p *plugin) describe(ctx context.Context) (schema.Plugin, error) {
	p.schemaMu.Lock()
	defer p.schemaMu.Unlock()
	if p.schema != nil {
		return *p.schema, nil
	}
	if p.bundled != nil {
		bundled := p.bundled()
		p.schema = new(bundled.Schema())
		return *p.schema, nil
	}
	digest, err := p.digestOnce()
	if err != nil {
		return schema.Plugin{}, err
	}
	cache := ""
	if dir := p.host.options.CacheDir; dir != "" {
		cache = filepath.Join(dir, fmt.Sprintf("describe-%s-v%d.json", digest, sdk.ProtocolVersion))
	}
	if s, err := readCache(cache); err == nil && p.fits(s) == nil {
		p.schema = &s
		return s, nil
	}
	proc, err := p.start(ctx, "", nil)
	if err != nil {
		return schema.Plugin{}, err
	}
	defer proc.stop()
	s, err := bounded(ctx, proc, p.host.options.AnswerLimit, "say what it offers", proc.plugin.Describe)
	if err != nil {
		if f := failure.From(err); f.Remedy == "" && ctx.Err() == nil {
			err = f.WithRemedy("%s", remedyStart)
		}
		return s, err
	}
	if err := p.fits(s); err != nil {
		return s, err
	}
	p.schema = &s
	if cache != "" {
		if err := writeCache(cache, s); err != nil {
			p.host.options.Log.Warn("keep a plugin's description", "plugin", p.name, "error", err)
		}
	}
	return s, nil
}

// fits checks that a plugin offers only what its name allows.
func (p *plugin) fits(s schema.Plugin) error {
	if s.Name != p.name {
		return failure.New(failure.Precondition, failure.Protocol, "the plugin %s calls itself %q", p.file, s.Name).
			WithRemedy("name the file %s%s", filePrefix, s.Name)
	}
	for _, k := range []schema.Kind{schema.KindSource, schema.KindDestination, schema.KindHook} {
		for _, t := range s.Types(k) {
			if t != p.name && !strings.HasPrefix(t, p.name+"_") {
				return failure.New(failure.Precondition, failure.Protocol, "the plugin %s offers the %s type %q; its types are %s and %s_*", p.file, k, t, p.name, p.name)
			}
			if owner := p.host.owner(t); owner != p {
				return failure.New(failure.Precondition, failure.Protocol, "the plugin %s offers the %s type %q, which belongs to the plugin %s", p.file, k, t, owner.name)
			}
		}
	}
	return nil
}

// owner returns the plugin with the longest name that a type may belong to.
func (h *Host) owner(typ string) *plugin {
	for name := typ; ; {
		if p, ok := h.plugins[name]; ok {
			return p
		}
		i := strings.LastIndexByte(name, '_')
		if i < 0 {
			return nil
		}
		name = name[:i]
	}
}

func readCache(path string) (schema.Plugin, error) {
	var s schema.Plugin
	raw, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}

// writeCache replaces the whole file in one step, because another dprun may be reading
// it.
func writeCache(path string, s schema.Plugin) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".describe-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(raw); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
