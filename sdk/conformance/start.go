package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
)

// Starter starts a plugin. Each call starts it anew.
type Starter func(ctx context.Context) (*Running, error)

// Running is a plugin that has been started. Its starter calls Stop.
type Running struct {
	*client.Plugin
	dir   string                                 // private to the plugin, which gets dir/tmp
	again func() (*client.Plugin, error)         // makes a client that has no cached answers
	stop  func()                                 // ends it in order
	log   *buffer                                // everything that it has written
	label string                                 // label of the goroutines of a plugin within this process
	pid   int                                    // of a process of its own, else 0
	kill  func()                                 // ends its process the way a crash does
	leave func(limit time.Duration) (ended bool) // acts as if the host were gone
}

// Stop ends the plugin and everything that it has started.
func (r *Running) Stop() { r.stop() }

// Serve serves a plugin within this process over a real gRPC connection. The
// options are added to those of the server.
func Serve(p sdk.Plugin, options ...grpc.ServerOption) (_ *client.Plugin, stop func(), err error) {
	r, err := InProcess(p, options...)(context.Background())
	if err != nil {
		return nil, nil, err
	}
	return r.Plugin, r.stop, nil
}

// labelKey marks the goroutines of a plugin that is served within this process.
const labelKey = "dprun-conformance"

// InProcess serves a plugin within this process over a real gRPC connection.
// The options are added to those of the server.
func InProcess(p sdk.Plugin, options ...grpc.ServerOption) Starter {
	return func(context.Context) (*Running, error) {
		dir, err := privateDir()
		if err != nil {
			return nil, err
		}
		log := &buffer{}
		s, err := sdk.NewServer(p, sdk.Env{TempDir: filepath.Join(dir, "tmp"), Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err != nil {
			_ = os.RemoveAll(dir)
			return nil, err
		}
		listener := bufconn.Listen(1 << 20)
		var server *grpc.Server
		done := make(chan struct{})
		pprof.Do(context.Background(), pprof.Labels(labelKey, dir), func(context.Context) { // goroutines inherit the label
			server = grpc.NewServer(append(s.Options(), options...)...)
			s.Register(server)
			go func() {
				defer close(done)
				_ = server.Serve(listener)
			}()
		})
		conn, err := grpc.NewClient("passthrough:///plugin", append(client.DialOptions(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
		if err != nil {
			return nil, err
		}
		return &Running{
			Plugin: client.New(conn, nil), dir: dir, log: log, label: dir,
			again: func() (*client.Plugin, error) { return client.New(conn, nil), nil },
			stop: sync.OnceFunc(func() {
				_ = conn.Close()
				server.Stop()
				<-done
				s.Close(context.Background())
				_ = os.RemoveAll(dir)
			}),
		}, nil
	}
}

// Program starts a built plugin, a process of its own, as dprun does.
func Program(path string, args ...string) Starter {
	return func(ctx context.Context) (*Running, error) {
		r, err := program(path, args, passed, true)(ctx)
		if err != nil {
			return nil, err
		}
		s, err := r.Describe(ctx)
		if err != nil || len(s.Env) == 0 {
			return r, nil // the first call returns the failure
		}
		r.Stop()
		return program(path, args, append(slices.Clone(passed), s.Env...), true)(ctx)
	}
}

// ProgramInClear starts a built plugin without mutual TLS, which takes most of
// the time of a start. It is for tests that start hundreds.
func ProgramInClear(path string, args ...string) Starter { return program(path, args, passed, false) }

// passed are the environment variables that dprun gives to every plugin.
var passed = []string{
	"SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GORACE", "PATH", "HOME", "LANG", "TZ", "TMPDIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

// program starts a built plugin with some variables of this process's environment.
func program(path string, args, variables []string, mutualTLS bool) Starter {
	return func(ctx context.Context) (*Running, error) {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		dir, err := privateDir()
		if err != nil {
			return nil, err
		}
		watched, orphan, err := os.Pipe()
		if err != nil {
			_ = os.RemoveAll(dir)
			return nil, err
		}
		cmd := &exec.Cmd{Path: path, Args: append([]string{path}, args...), Dir: dir, ExtraFiles: []*os.File{watched}, SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
		cmd.Env = []string{client.EnvOrphan + "=3", client.EnvDir + "=" + filepath.Join(dir, "tmp"), client.EnvLogLevel + "=DEBUG", plugin.EnvUnixSocketDir + "=" + dir}
		for _, k := range variables {
			if v, ok := os.LookupEnv(k); ok {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
		}
		log := &buffer{}
		c := plugin.NewClient(&plugin.ClientConfig{
			Cmd: cmd, HandshakeConfig: client.Handshake(), VersionedPlugins: client.Versions(nil), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
			AutoMTLS: mutualTLS, SkipHostEnv: true, StartTimeout: 30 * time.Second, Logger: hclog.NewNullLogger(), Stderr: log, SyncStdout: log, SyncStderr: log,
			GRPCDialOptions: client.DialOptions(),
		})
		kill := func() {
			if cmd.Process != nil {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
		}
		stop := sync.OnceFunc(func() {
			c.Kill()
			kill() // the others of its process group
			_ = orphan.Close()
			client.EndOffspring(dir)
			_ = os.RemoveAll(dir)
		})
		again := func() (*client.Plugin, error) {
			conn, err := c.Client()
			if err != nil {
				return nil, err
			}
			raw, err := conn.Dispense(client.PluginName)
			if err != nil {
				return nil, err
			}
			return raw.(*client.Plugin), nil
		}
		p, err := again()
		_ = watched.Close()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			stop()
			return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), said(log.String()))
		}
		return &Running{Plugin: p, dir: dir, again: again, stop: stop, log: log, pid: cmd.Process.Pid, kill: kill, leave: func(limit time.Duration) bool {
			_ = orphan.Close()
			for begin := time.Now(); time.Since(begin) < limit; time.Sleep(20 * time.Millisecond) {
				if c.Exited() {
					return true
				}
			}
			return false
		}}, nil
	}
}

// said returns what a plugin wrote before it failed, as an error; nil: nothing.
func said(log string) error {
	if log = strings.TrimSpace(log); log == "" {
		return nil
	}
	return fmt.Errorf("it wrote: %s", log[max(0, len(log)-2000):])
}

func privateDir() (string, error) {
	dir, err := os.MkdirTemp("", "dprun-conformance-")
	if err != nil {
		return "", err
	}
	return dir, os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
}

// goroutines counts the goroutines of a plugin that is served within this
// process.
func (r *Running) goroutines() int {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	n := 0
	for record := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(record, strconv.Quote(r.label)) {
			count, _, _ := strings.Cut(record, " ")
			k, _ := strconv.Atoi(count)
			n += k
		}
	}
	return n
}

// descriptors counts the open files of the plugin's process; -1: this system cannot tell.
func (r *Running) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.pid))
	if err != nil {
		return -1
	}
	return len(entries)
}

// offspring returns the command lines of live processes that the plugin has
// started. Only Linux can tell.
func (r *Running) offspring() (out []string) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		if filepath.Base(proc) == strconv.Itoa(r.pid) {
			continue
		}
		env, err := os.ReadFile(proc + "/environ")
		if err != nil || !bytes.Contains(env, []byte("="+r.dir+"/")) {
			continue
		}
		line, _ := os.ReadFile(proc + "/cmdline")
		if len(line) > 0 { // an ended process has none
			out = append(out, filepath.Base(proc)+" "+strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	return out
}

// buffer is a log that several goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
