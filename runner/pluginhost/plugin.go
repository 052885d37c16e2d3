package pluginhost

import (
	"context"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// After maxRestarts processes in a row have ended without serving a call, a plugin is
// started only once in each restartPause. A process that serves a call resets the
// count. The limit does not apply to calls that undo something on a device: their
// callers limit how often they try.
const (
	maxRestarts  = 3
	restartPause = time.Minute
)

// plugin is one plugin of a host, with its process once that is needed.
type plugin struct {
	host    *Host
	name    string
	bundled func() sdk.Plugin // nil for an installed plugin; always returns the same value
	file    string            // of an installed plugin

	digestMu sync.Mutex
	digest   string

	schemaMu sync.Mutex
	schema   *schema.Plugin

	gate     chan struct{} // held while proc is examined or started
	proc     *process
	vain     int // consecutive processes that ended, or could not be started, without serving a call
	lastTime time.Time
	closed   bool

	alone     inflight // processes that serve one call each
	aloneGate chan struct{}
}

func newPlugin(h *Host, name string) *plugin {
	return &plugin{host: h, name: name, gate: make(chan struct{}, 1), aloneGate: make(chan struct{}, aloneAtOnce)}
}

// digestOnce returns the digest of an installed plugin's file at the time of the first
// request.
func (p *plugin) digestOnce() (string, error) {
	if locked := p.host.options.Locked; locked != nil {
		if why := locked(p.name, p.file); why != nil {
			return "", why
		}
	}
	p.digestMu.Lock()
	defer p.digestMu.Unlock()
	if p.digest != "" {
		return p.digest, nil
	}
	d, err := digestFile(p.file)
	if err != nil {
		return "", failure.New(failure.Unavailable, failure.Crashed, "read the plugin %s: %w", p.name, err)
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

// acquire returns the plugin's process, and starts it if necessary.
func (p *plugin) acquire(ctx context.Context) (*process, error) {
	s, err := p.describe(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.closed {
		return nil, p.stoppedFailure()
	}
	if p.proc != nil {
		if !p.proc.gone() {
			return p.proc, nil
		}
		if p.vain++; p.proc.served.Load() {
			p.vain = 0
		}
		p.proc.stop()
		p.proc = nil
	}
	if p.vain > maxRestarts && time.Since(p.lastTime) < restartPause && !isOwed(ctx) {
		return nil, failure.New(failure.Unavailable, failure.Crashed, "the plugin %s went away %d times in a row without having served anything, and is not started again before %s", p.name, p.vain,
			p.lastTime.Add(restartPause).Format(time.TimeOnly)).WithRemedy("its log says why it ended")
	}
	p.lastTime = time.Now()
	proc, err := p.start(ctx, s.Version, s.Env)
	if err != nil {
		if ctx.Err() == nil { // the caller has not given up
			p.vain++
		}
		return nil, err
	}
	p.proc = proc
	return proc, nil
}

func (p *plugin) stoppedFailure() *failure.Error {
	return failure.New(failure.Cancelled, "", "the plugin %s has been stopped", p.name)
}

func (p *plugin) close() {
	alone := p.alone.close()
	p.gate <- struct{}{} // a start has a time limit, so this ends
	defer p.leave()
	p.closed = true
	if p.proc != nil {
		p.proc.drain(drainTime)
		p.proc.stop()
		p.proc = nil
	}
	select {
	case <-alone:
	case <-time.After(drainTime):
	}
}
