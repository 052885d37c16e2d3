// Package conformance holds what every destination and every hook must do,
// as cases that run over real gRPC.
//
// In a plugin's own tests:
//
//	p, stop, err := conformance.Serve(Plugin())
//	…
//	for _, c := range conformance.Destination(open, conformance.DestinationOptions{}) {
//		t.Run(c.Name, func(t *testing.T) { c.Run(t.Context(), t) })
//	}
//
// The same cases run against a plugin's process, and outside of tests with
// [Run].
package conformance

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
)

// T is what a case needs of a test; *testing.T is one.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf does not return.
	Fatalf(format string, args ...any)
	// TempDir is a fresh local directory that is removed after the case.
	TempDir() string
}

// Case is one thing that must hold. Cases of one list do not disturb each
// other and may run concurrently.
type Case struct {
	Name string
	Run  func(ctx context.Context, t T)
}

// Serve serves a plugin within this process over a real gRPC connection.
func Serve(p sdk.Plugin) (_ *client.Plugin, stop func(), err error) {
	dir, err := os.MkdirTemp("", "dprun-conformance-")
	if err != nil {
		return nil, nil, err
	}
	s, err := sdk.NewServer(p, sdk.Env{TempDir: dir})
	if err != nil {
		return nil, nil, err
	}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(s.Options()...)
	s.Register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///plugin", append(client.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		return nil, nil, err
	}
	return client.New(conn, nil), func() {
		_ = conn.Close()
		server.Stop()
		<-done
		s.Close(context.Background())
		_ = os.RemoveAll(dir)
	}, nil
}

// Result is how one case ended.
type Result struct {
	Name   string   `json:"name"`
	Passed bool     `json:"passed"`
	Log    []string `json:"log,omitempty"` // what was wrong
}

// Run runs cases one after the other, outside of a test.
func Run(ctx context.Context, cases []Case, each func(Result)) (passed bool) {
	passed = true
	for _, c := range cases {
		r := runOne(ctx, c)
		passed = passed && r.Passed
		each(r)
	}
	return passed
}

func runOne(ctx context.Context, c Case) Result {
	b := &bench{}
	done := make(chan struct{})
	go func() { // a goroutine of its own, because Fatalf ends it
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				b.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		c.Run(ctx, b)
	}()
	<-done
	for _, d := range b.dirs {
		_ = os.RemoveAll(d)
	}
	return Result{Name: c.Name, Passed: !b.failed, Log: b.log}
}

// bench is a T without a test.
type bench struct {
	mu     sync.Mutex
	failed bool
	log    []string
	dirs   []string
}

func (b *bench) Helper() {}

func (b *bench) Logf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf(format, args...))
}

func (b *bench) Errorf(format string, args ...any) {
	b.Logf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = true
}

func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	runtime.Goexit()
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "dprun-conformance-")
	if err != nil {
		b.Fatalf("make a directory: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirs = append(b.dirs, dir)
	return dir
}
