// Package client is the host's end of the plugin protocol. It returns the same
// interfaces that plugin authors implement.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/offspring"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
	"github.com/dprun/dprun/sdk/schema"
)

// releaseTimeout bounds the release of an instance.
const releaseTimeout = 5 * time.Second

// Plugin calls one plugin. It may be used concurrently. Every error that it or
// the instances it makes return is a *failure.Error.
type Plugin struct {
	conn   grpc.ClientConnInterface
	plugin pluginv1.PluginClient
	refine func(*failure.Error) *failure.Error
	grace  time.Duration

	mu     sync.Mutex
	schema *schema.Plugin
}

// New makes a client for a connection. refine, if not nil, may replace every
// failure before it is returned: a host that owns the plugin's process knows
// why it ended.
func New(conn grpc.ClientConnInterface, refine func(*failure.Error) *failure.Error) *Plugin {
	if refine == nil {
		refine = func(f *failure.Error) *failure.Error { return f }
	}
	conn = telling{conn}
	return &Plugin{conn: conn, plugin: pluginv1.NewPluginClient(conn), refine: refine, grace: CancelGrace}
}

// telling tells the plugin each call's time limit.
type telling struct{ grpc.ClientConnInterface }

// Invoke implements [grpc.ClientConnInterface]. Streaming calls do the same in [Plugin.cancellable].
func (c telling) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.ClientConnInterface.Invoke(wire.Outgoing(ctx, ctx), method, args, reply, opts...)
}

// WithLimit notes after how long the host gives up the calls of a context. The
// plugin is told; WithLimit itself ends no call, because only the caller knows
// which clock counts.
func WithLimit(ctx context.Context, limit time.Duration) context.Context {
	return wire.WithLimit(ctx, limit)
}

// Handshake returns what go-plugin's client needs to know of the protocol.
func Handshake() plugin.HandshakeConfig { return wire.Handshake() }

// Versions returns go-plugin's plugin sets by version of the protocol. Dispense
// [PluginName] to get a [*Plugin].
func Versions(refine func(*failure.Error) *failure.Error) map[int]plugin.PluginSet {
	return wire.Versions(&wire.Glue{Dial: func(conn grpc.ClientConnInterface) any { return New(conn, refine) }})
}

// PluginName is the name to dispense.
const PluginName = wire.Name

// DialOptions returns the options that a connection to a plugin needs.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxReply), grpc.MaxCallSendMsgSize(wire.MaxRequest)),
		grpc.WithStaticStreamWindowSize(wire.Window), grpc.WithStaticConnWindowSize(wire.Window), // as at the other end
	}
}

// Service is the prefix of every method of the protocol.
const Service = wire.Service

// EndOffspring ends the processes that a plugin's process has left behind; see
// package offspring.
func EndOffspring(dir string) { offspring.End(dir) }

// The environment variables of a plugin's process.
const (
	EnvOrphan   = wire.EnvOrphan   // number of the descriptor that reads EOF when the host is gone
	EnvDir      = wire.EnvDir      // the private directory
	EnvLogLevel = wire.EnvLogLevel // lowest level of log lines that are worth sending
)

// fail turns err into the failure of a call; nil stays nil.
func (p *Plugin) fail(call failure.Call, err error) error {
	if err == nil {
		return nil
	}
	return p.refine(wire.Failure(call, err))
}

// Describe asks what the plugin offers, once; later calls return the same
// answer.
func (p *Plugin) Describe(ctx context.Context) (schema.Plugin, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schema != nil {
		return *p.schema, nil
	}
	r, err := p.plugin.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return schema.Plugin{}, p.fail(callDescribe, err)
	}
	var s schema.Plugin
	if err := json.Unmarshal(r.Schema, &s); err != nil {
		return s, p.refine(failure.New(failure.Internal, failure.Protocol, "describe: the plugin's schema cannot be read: %w", err))
	}
	p.schema = &s
	return s, nil
}

// These calls are not in package failure, because no status code depends on
// them.
const (
	callDescribe failure.Call = "describe"
	callValidate failure.Call = "validate"
)

// block is the schema of a type's configuration.
func (p *Plugin) block(ctx context.Context, k schema.Kind, typ, activity string) (schema.Block, error) {
	s, err := p.Describe(ctx)
	if err != nil {
		return schema.Block{}, err
	}
	b, ok := s.Config(k, typ, activity)
	if !ok {
		return b, failure.New(failure.Internal, failure.Protocol, "plugin %s offers no %s %q", s.Name, k, path.Join(typ, activity))
	}
	return b, nil
}

// ValidateConfig asks the plugin about a configuration, which may hold
// unknown values. activity is set for [schema.KindActivity] only.
func (p *Plugin) ValidateConfig(ctx context.Context, k schema.Kind, typ, activity string, cfg cty.Value) ([]schema.Diagnostic, error) {
	b, err := p.block(ctx, k, typ, activity)
	if err != nil {
		return nil, err
	}
	raw, err := wire.Encode(b, cfg)
	if err != nil {
		return nil, err
	}
	r, err := p.plugin.ValidateConfig(ctx, &pluginv1.ValidateConfigRequest{Kind: wire.Enum[pluginv1.Kind](k), Type: typ, Activity: activity, Config: raw})
	if err != nil {
		return nil, p.fail(callValidate, err)
	}
	var ds []schema.Diagnostic
	for _, d := range r.Diagnostics {
		ds = append(ds, schema.Diagnostic{Severity: wire.Word[schema.Severity](d.Severity), Summary: d.Summary, Detail: d.Detail, Path: d.Path})
	}
	return ds, nil
}

// ConfigureSource makes an instance of a source type.
func (p *Plugin) ConfigureSource(ctx context.Context, typ string, cfg cty.Value) (sdk.Source, error) {
	i, offers, err := p.configure(ctx, schema.KindSource, typ, cfg)
	if err != nil {
		return nil, err
	}
	return &source{instance: i, offered: offers, typ: typ, c: pluginv1.NewSourceClient(p.conn)}, nil
}

// ConfigureDestination makes an instance of a destination type.
func (p *Plugin) ConfigureDestination(ctx context.Context, typ string, cfg cty.Value) (sdk.Destination, error) {
	i, offers, err := p.configure(ctx, schema.KindDestination, typ, cfg)
	if err != nil {
		return nil, err
	}
	return &destination{instance: i, offered: offers, c: pluginv1.NewDestinationClient(p.conn)}, nil
}

// ConfigureHook makes an instance of a hook type.
func (p *Plugin) ConfigureHook(ctx context.Context, typ string, cfg cty.Value) (sdk.Hook, error) {
	i, _, err := p.configure(ctx, schema.KindHook, typ, cfg)
	if err != nil {
		return nil, err
	}
	return &hook{instance: i, c: pluginv1.NewHookClient(p.conn)}, nil
}

// configure makes an instance and returns its abilities.
func (p *Plugin) configure(ctx context.Context, k schema.Kind, typ string, cfg cty.Value) (instance, offered, error) {
	s, err := p.Describe(ctx)
	if err != nil {
		return instance{}, nil, err
	}
	b, err := p.block(ctx, k, typ, "")
	if err != nil {
		return instance{}, nil, err
	}
	raw, err := wire.Encode(b, cfg)
	if err != nil {
		return instance{}, nil, err
	}
	r, err := p.plugin.Configure(ctx, &pluginv1.ConfigureRequest{Kind: wire.Enum[pluginv1.Kind](k), Type: typ, Config: raw})
	if err != nil {
		return instance{}, nil, p.fail(failure.CallConfigure, err)
	}
	return instance{p, r.Instance}, s.Abilities(k, typ), nil
}

// offered are the abilities of an instance. It implements [sdk.Far].
type offered []schema.Ability

// Offers reports whether the plugin can do something for the instance.
func (o offered) Offers(a schema.Ability) bool { return slices.Contains(o, a) }

// instance is one configured thing in the plugin's process.
type instance struct {
	p  *Plugin
	id uint64
}

// Close releases the instance.
func (i instance) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	_, err := i.p.plugin.Release(ctx, &pluginv1.ReleaseRequest{Instance: i.id})
	return i.p.fail(failure.CallConfigure, err)
}

// follow makes a call that is answered by a stream of events, and reads the
// stream to its end. event returns the result for the last event and nil for
// the others. A stream that ends without a last event, or goes on after it, is
// a failure.
func follow[Q, E, R any](ctx context.Context, p *Plugin, call failure.Call, begin func(context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[E], error),
	request *Q, event func(*E) (done *R),
) (*R, error) {
	if err := ctx.Err(); err != nil {
		return nil, failure.From(err)
	}
	bound, end := p.cancellable(ctx)
	defer end()
	stream, err := begin(bound, request)
	if err != nil {
		return nil, p.fail(call, err)
	}
	var done *R
	for {
		e, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && done != nil:
			return done, nil
		case err != nil:
			f := wire.Failure(call, err)
			if f.Kind == failure.Cancelled && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				f = failure.New(failure.Timeout, "", "%s: not done within the time limit: %w", call, ctx.Err())
			}
			if f = p.refine(f); errors.Is(context.Cause(bound), errCutOff) {
				return nil, &HangError{f}
			}
			return nil, f
		case done != nil:
			return nil, p.refine(failure.New(failure.Internal, failure.Protocol, "%s: the plugin went on after it had said done", call))
		}
		done = event(e)
	}
}
