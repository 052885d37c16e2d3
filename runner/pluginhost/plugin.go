package pluginhost

import (
	"context"
	"strings"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// maxRestarts is how often a plugin that went away is started again. A call
// that pays what is owed to a device is not bound by it: whoever owes bounds
// how often it is tried.
const maxRestarts = 3

// plugin is one plugin of a host, and its process once it is needed.
type plugin struct {
	host    *Host
	name    string
	bundled *sdk.Plugin // nil for an installed one
	file    string      // of an installed one

	digestMu sync.Mutex
	digest   string

	schemaMu sync.Mutex
	schema   *schema.Plugin

	gate   chan struct{} // held while proc is looked at or started
	proc   *process
	starts int
	closed bool
}

// digestOnce is the digest of an installed plugin's file as it was when it was first asked for.
func (p *plugin) digestOnce() (string, error) {
	p.digestMu.Lock()
	defer p.digestMu.Unlock()
	if p.digest != "" {
		return p.digest, nil
	}
	d, err := digestFile(p.file)
	if err != nil {
		return "", failure.New(failure.Unavailable, failure.Crashed, "read the plugin %s: %w", p.name, err)
	}
	if want, ok := p.host.options.Digests[p.name]; p.host.options.Digests != nil && !strings.EqualFold(want, d) {
		if !ok {
			return "", failure.New(failure.Denied, failure.BadConfig, "the plugin %s is installed and not locked", p.file).
				WithRemedy("remove it from the directory of plugins, or lock its digest")
		}
		return "", failure.New(failure.Denied, failure.BadConfig, "the plugin %s has the SHA-256 %s, not the locked %s", p.file, d, want).
			WithRemedy("install the locked version, or lock this one's digest")
	}
	p.digest = d
	return d, nil
}

// enter takes the gate.
func (p *plugin) enter(ctx context.Context) error {
	select {
	case p.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return failure.From(ctx.Err())
	}
}

func (p *plugin) leave() { <-p.gate }

// acquire returns the plugin's process, started if need be. A process that
// went away is replaced a bounded number of times, and always for an owed call.
func (p *plugin) acquire(ctx context.Context) (*process, error) {
	s, err := p.describe(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.leave()
	switch {
	case p.closed:
		return nil, failure.New(failure.Cancelled, "", "the plugin %s has been stopped", p.name)
	case p.proc != nil && !p.proc.gone():
		return p.proc, nil
	case p.starts > maxRestarts && !isOwed(ctx):
		return nil, failure.New(failure.Unavailable, failure.Crashed, "the plugin %s went away %d times and is not started again", p.name, p.starts).
			WithRemedy("its log says why it ended")
	}
	if p.proc != nil {
		p.proc.stop()
		p.proc = nil
	}
	p.starts++
	proc, err := p.start(ctx, s.Version, s.Env)
	if err != nil {
		if ctx.Err() != nil {
			p.starts-- // given up by the caller, not by the plugin
		}
		return nil, err
	}
	p.proc = proc
	return proc, nil
}

func (p *plugin) close() {
	p.gate <- struct{}{} // a start is bounded, so this is
	defer p.leave()
	p.closed = true
	if p.proc != nil {
		p.proc.drain(drainTime)
		p.proc.stop()
		p.proc = nil
	}
}
