package sdk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
	"github.com/dprun/dprun/sdk/schema"
)

// Server answers the protocol's calls for one plugin. [Serve] runs one over
// go-plugin; tests may run one over any gRPC listener.
type Server struct {
	plugin Plugin
	env    Env
	schema []byte
	first  func() // runs before the first call is handled

	base   context.Context // ends every call when cancelled
	cancel context.CancelFunc
	calls  sync.WaitGroup

	mu        sync.Mutex
	last      uint64
	instances map[uint64]any // each an Instance
	types     map[uint64]*SourceType
	cancels   map[string]context.CancelFunc // by the call's identifier

	pluginv1.UnimplementedPluginServer
}

// streamWorkers is how many goroutines are kept ready for calls. A call that
// finds none free gets a new one.
const streamWorkers = 8

// NewServer checks what p offers and makes a server of it.
func NewServer(p Plugin, env Env) (*Server, error) {
	if !schema.IsName(p.Name) {
		return nil, fmt.Errorf("plugin name %q is not one of lower case letters, digits and underscores", p.Name)
	}
	s := p.Schema()
	for _, k := range []schema.Kind{schema.KindSource, schema.KindDestination, schema.KindHook} {
		seen := map[string]bool{}
		for _, name := range s.Types(k) {
			if seen[name] {
				return nil, fmt.Errorf("plugin %s offers the %s %s twice", p.Name, k, name)
			}
			seen[name] = true
			if name != p.Name && !strings.HasPrefix(name, p.Name+"_") {
				return nil, fmt.Errorf("plugin %s offers the %s %s; a type is the plugin's name or begins with it and an underscore", p.Name, k, name)
			}
		}
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: write its schema: %w", p.Name, err)
	}
	env.Log = cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	base, cancel := context.WithCancel(context.Background())
	return &Server{
		plugin: p, env: env, schema: raw, first: func() {}, base: base, cancel: cancel,
		instances: map[uint64]any{}, types: map[uint64]*SourceType{}, cancels: map[string]context.CancelFunc{},
	}, nil
}

// Options returns the gRPC server options that the protocol needs.
func (s *Server) Options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxRequest),
		grpc.MaxSendMsgSize(wire.MaxReply),
		// Without fixed windows each end would measure the delay of the line,
		// with two more messages a call, on a socket within one machine.
		grpc.StaticStreamWindowSize(wire.Window),
		grpc.StaticConnWindowSize(wire.Window),
		// A goroutine that is kept has a stack that is large enough already.
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ChainUnaryInterceptor(s.unary),
		grpc.ChainStreamInterceptor(s.stream),
	}
}

// Register adds the plugin's services to a gRPC server made with Options.
func (s *Server) Register(g *grpc.Server) {
	pluginv1.RegisterPluginServer(g, s)
	if len(s.plugin.Sources) > 0 {
		pluginv1.RegisterSourceServer(g, sourceServer{s: s})
	}
	if len(s.plugin.Destinations) > 0 {
		pluginv1.RegisterDestinationServer(g, destinationServer{s: s})
	}
	if len(s.plugin.Hooks) > 0 {
		pluginv1.RegisterHookServer(g, hookServer{s: s})
	}
}

// Close cancels the calls in flight, waits for them until ctx ends and closes
// all instances.
func (s *Server) Close(ctx context.Context) {
	s.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.calls.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, i := range s.instances {
			s.closeInstance(i)
			delete(s.instances, id)
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// unary ends a call when the server closes, turns a panic into a failure and an
// error into a status.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	if !strings.HasPrefix(info.FullMethod, wire.Service) {
		return handler(ctx, req)
	}
	ctx, leave := s.enter(ctx)
	defer leave()
	err = s.guard(info.FullMethod, func() error {
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, wire.Status(err)
	}
	return resp, nil
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, wire.Service) {
		return handler(srv, ss)
	}
	ctx, leave := s.enter(ss.Context())
	defer leave()
	return wire.Status(s.guard(info.FullMethod, func() error { return handler(srv, boundStream{ss, ctx}) }))
}

type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (b boundStream) Context() context.Context { return b.ctx }

// enter bounds a call by the host's time limit, by the server's life, and by a
// later Cancel of the call's identifier.
func (s *Server) enter(ctx context.Context) (context.Context, func()) {
	s.first()
	s.calls.Add(1)
	md, _ := metadata.FromIncomingContext(ctx)
	ctx, cancel := wire.Incoming(ctx)
	id := strings.Join(md.Get(wire.MetaCall), "")
	if id != "" {
		s.mu.Lock()
		s.cancels[id] = cancel
		s.mu.Unlock()
	}
	stop := context.AfterFunc(s.base, cancel)
	return ctx, func() {
		stop()
		cancel()
		if id != "" {
			s.mu.Lock()
			delete(s.cancels, id)
			s.mu.Unlock()
		}
		s.calls.Done()
	}
}

// Cancel asks a call in flight to end. It succeeds if the call is over already.
func (s *Server) Cancel(_ context.Context, r *pluginv1.CancelRequest) (*pluginv1.CancelReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.cancels[r.Call]; ok {
		cancel()
	}
	return &pluginv1.CancelReply{}, nil
}

// guard runs f and turns a panic into an internal failure. The stack goes to
// the log.
func (s *Server) guard(method string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			method = strings.TrimPrefix(method, wire.Service)
			s.env.Log.Error("panic in the plugin", "call", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = failure.New(failure.Internal, "", "%s: the plugin %s panicked: %v", method, s.plugin.Name, r).
				WithRemedy("this is a fault of the plugin; its log has the stack")
		}
	}()
	return f()
}

// Describe answers with the schema.
func (s *Server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeReply, error) {
	return &pluginv1.DescribeReply{Schema: s.schema}, nil
}

// activity is the schema of one activity's configuration.
func (t *SourceType) activity(name string) (schema.Block, error) {
	for _, a := range t.schema.Activities {
		if a.Name == name {
			return a.Config, nil
		}
	}
	return schema.Block{}, failure.New(failure.Internal, failure.Protocol, "source %s offers no activity %q", t.schema.Name, name)
}

// ValidateConfig answers with [Plugin.Validate].
func (s *Server) ValidateConfig(_ context.Context, r *pluginv1.ValidateConfigRequest) (*pluginv1.ValidateConfigReply, error) {
	kind := wire.Word[schema.Kind](r.Kind)
	o, err := s.plugin.offer(kind, r.Type, r.Activity)
	if err != nil {
		return nil, err
	}
	v, err := wire.Decode(o.block, r.Config)
	if err != nil {
		return nil, err
	}
	ds, err := s.plugin.Validate(kind, r.Type, r.Activity, v)
	if err != nil {
		return nil, err
	}
	reply := &pluginv1.ValidateConfigReply{}
	for _, d := range ds {
		reply.Diagnostics = append(reply.Diagnostics, &pluginv1.Diagnostic{Severity: wire.Enum[pluginv1.Severity](d.Severity), Summary: d.Summary, Detail: d.Detail, Path: d.Path})
	}
	return reply, nil
}

// Configure makes an instance.
func (s *Server) Configure(ctx context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureReply, error) {
	o, err := s.plugin.offer(wire.Word[schema.Kind](r.Kind), r.Type, "")
	if err != nil {
		return nil, err
	}
	if o.configure == nil {
		return nil, failure.New(failure.Internal, failure.Protocol, "%s cannot be configured", wire.Word[schema.Kind](r.Kind))
	}
	v, err := wire.Decode(o.block, r.Config)
	if err != nil {
		return nil, err
	}
	for _, d := range o.block.Check(v) {
		if d.Severity == schema.SeverityError {
			return nil, failure.New(failure.Precondition, failure.BadConfig, "configure %s: %s: %s", r.Type, strings.Join(d.Path, "."), d.Detail)
		}
	}
	i, err := o.configure(ctx, v, s.env)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.instances[s.last] = i
	if o.source != nil {
		s.types[s.last] = o.source
	}
	return &pluginv1.ConfigureReply{Instance: s.last}, nil
}

// Release closes an instance.
func (s *Server) Release(_ context.Context, r *pluginv1.ReleaseRequest) (*pluginv1.ReleaseReply, error) {
	s.mu.Lock()
	i, ok := s.instances[r.Instance]
	delete(s.instances, r.Instance)
	delete(s.types, r.Instance)
	s.mu.Unlock()
	if ok {
		s.closeInstance(i)
	}
	return &pluginv1.ReleaseReply{}, nil
}

func (s *Server) closeInstance(i any) {
	err := s.guard("Close", func() error { return i.(interface{ Close() error }).Close() })
	if err != nil {
		s.env.Log.Warn("close an instance", "error", err)
	}
}

// instance finds a configured instance that is a T.
func instance[T any](s *Server, id uint64) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances[id].(T)
	if !ok {
		return i, failure.New(failure.Internal, failure.Protocol, "plugin %s has no such instance %d", s.plugin.Name, id)
	}
	return i, nil
}

// able returns an instance as an A: either every instance of its kind is one, or
// an ability makes it one.
func able[A any](s *Server, call failure.Call, id uint64) (A, error) {
	if len(abilities(reflect.TypeFor[A]())) == 0 {
		return instance[A](s, id)
	}
	i, err := instance[Instance](s, id)
	if err != nil {
		var none A
		return none, err
	}
	a, ok := As[A](i)
	if !ok {
		return a, failure.New(failure.Precondition, failure.Unsupported, "%s: the plugin %s does not offer it for this type", call, s.plugin.Name)
	}
	return a, nil
}

// asked answers a call that has a result.
func asked[A, R any](s *Server, call failure.Call, id uint64, f func(A) (*R, error)) (*R, error) {
	i, err := able[A](s, call, id)
	if err != nil {
		return nil, err
	}
	rep, err := f(i)
	return rep, answered(rep, err, call)
}

// done answers a call that has no result.
func done[A any](s *Server, call failure.Call, id uint64, f func(A) error) error {
	i, err := able[A](s, call, id)
	if err != nil {
		return err
	}
	return f(i)
}
