package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	startLimit = 30 * time.Second
	// exitWait is how long a failure waits for the process to end, so that it can say
	// how the process ended.
	exitWait = time.Second
)

// process is one running plugin.
type process struct {
	name    string
	version string
	digest  string
	dir     string
	redact  func(string) string
	run     *runner
	orphan  *os.File // our end of the pipe
	client  *goplugin.Client
	plugin  *client.Plugin

	calls   inflight
	served  atomic.Bool // a call returned a result
	stopped sync.Once
}

// start runs the plugin in a process of its own and connects to it.
func (p *plugin) start(ctx context.Context, version string, env []string) (_ *process, err error) {
	o := p.host.options
	fail := func(err error) (*process, error) {
		return nil, failure.New(failure.Unavailable, failure.Crashed, "start the plugin %s: %w", p.name, err)
	}
	dir, err := p.host.processDir(p.name)
	if err != nil {
		return fail(err)
	}
	proc := &process{name: p.name, version: version, dir: dir, redact: o.Redact}
	defer func() {
		if err != nil {
			proc.stop()
		}
	}()
	id, err := p.host.identity()
	if err != nil {
		return fail(err)
	}
	watched, orphan, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer func() { _ = watched.Close() }()
	proc.orphan = orphan

	cmd := &exec.Cmd{Path: p.file, Args: []string{p.file}, Dir: dir}
	if p.bundled != nil {
		if cmd.Path, err = Self(); err != nil {
			return nil, err
		}
		cmd.Args = []string{"dprun", bundledWord, p.name}
	} else if proc.digest, err = p.digestOnce(); err != nil {
		return nil, err
	}
	cmd.ExtraFiles = append(slices.Clone(o.ExtraFiles), watched)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(allowedEnv(o.LookupEnv, env),
		fmt.Sprintf("%s=%d", client.EnvOrphan, 2+len(cmd.ExtraFiles)),
		client.EnvDir+"="+dir+"/tmp",
		client.EnvLogLevel+"="+logLevel(ctx, o.Log), id.Env())
	proc.run = newRunner(cmd, newRelay(o.Log.With("plugin", p.name), o.Redact))
	proc.run.verify = func() error { return verifyFile(cmd.Path, proc.digest) }

	d := door{o.Redact}
	proc.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  client.Handshake(),
		VersionedPlugins: client.Versions(proc.refine),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		TLSConfig:        id.TLS(),
		SkipHostEnv:      true,
		StartTimeout:     startLimit,
		Logger:           hclog.NewNullLogger(), // the runner reads and logs what the plugin writes
		SyncStdout:       proc.run.relay.writer(),
		SyncStderr:       proc.run.relay.writer(),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: filepath.Dir(dir)},
		GRPCDialOptions:  append(client.DialOptions(), grpc.WithChainUnaryInterceptor(d.unary), grpc.WithChainStreamInterceptor(d.stream)),
		// go-plugin's runner gives its stdin to the plugin, verifies no file that a
		// runner starts, and stops at a log line that it does not expect.
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (gorunner.Runner, error) {
			cmd.Env = append(cmd.Env, spec.Env...)
			return proc.run, nil
		},
	})
	stop := context.AfterFunc(ctx, func() { _ = proc.run.Kill(ctx) })
	defer stop()
	conn, err := proc.client.Client()
	if err == nil {
		var raw any
		if raw, err = conn.Dispense(client.PluginName); err == nil {
			proc.plugin = raw.(*client.Plugin)
			return proc, nil
		}
	}
	if ctx.Err() != nil {
		return nil, failure.From(fmt.Errorf("start the plugin %s: %w", p.name, ctx.Err()))
	}
	if strings.Contains(err.Error(), "incompatible API version") { // go-plugin has no error value for it
		return nil, failure.New(failure.Precondition, failure.Protocol, "start the plugin %s: it speaks other versions of the plugin protocol than this dprun, which speaks %d", proc.title(), sdk.ProtocolVersion).
			WithRemedy("get a build of the plugin for this dprun, or use the dprun that it is for")
	}
	return nil, failure.New(failure.Unavailable, failure.Crashed, "start the plugin %s: %s%s", proc.title(), unstarted(err), proc.epitaph(exitWait)).
		WithRemedy("%s", remedyStart)
}

const remedyStart = "run it by hand with the argument describe to see whether it works on this machine, and tell whoever wrote it; plans that do not use it run meanwhile"

// unstarted says why a plugin does not serve. It compares texts, because go-plugin has
// no error values for the reasons.
func unstarted(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	switch strings.TrimSpace(line) {
	case "timeout while waiting for plugin to start":
		return fmt.Sprintf("it did not say within %s where it serves", startLimit)
	case "Unrecognized remote plugin message:": // the message that follows is empty
		return "it ended before it said where it serves"
	}
	return line
}

// verifyFile checks an installed plugin's file right before it is started.
func verifyFile(path, digest string) error {
	if digest == "" {
		return nil
	}
	sum, err := hex.DecodeString(digest)
	if err != nil {
		return err
	}
	ok, err := (&goplugin.SecureConfig{Checksum: sum, Hash: sha256.New()}).Check(path)
	if err == nil && !ok {
		err = fmt.Errorf("its file %s is not the one that was described: %w", path, goplugin.ErrChecksumsDoNotMatch)
	}
	return err
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.run.done:
		return true
	default:
		return false
	}
}

// title names the plugin for messages.
func (p *process) title() string {
	s := p.name
	if p.version != "" {
		s += " " + p.version
	}
	if p.digest != "" {
		s += " (sha256 " + p.digest[:12] + ")"
	}
	return s
}

// epitaph says how the process ended and what it last wrote. It first waits for the
// end, at most as long as wait.
func (p *process) epitaph(wait time.Duration) string {
	s := ""
	select {
	case <-p.run.done:
		s = "; its process ended: " + p.run.state()
	case <-time.After(wait):
	}
	if tail := p.run.relay.tail(); tail != "" {
		s += "; its last lines:\n" + tail
	}
	return s
}

// refine adds to a failure what is known about a plugin that went away, and redacts all
// its texts.
func (p *process) refine(f *failure.Error) *failure.Error {
	out := &failure.Error{Kind: f.Kind, Reason: f.Reason, Message: p.redact(f.Message), Remedy: p.redact(f.Remedy)}
	switch {
	case f.Kind == failure.Unavailable && f.Reason == failure.Crashed:
		out.Message = fmt.Sprintf("plugin %s: %s%s", p.title(), out.Message, p.epitaph(exitWait))
		_ = p.run.Kill(context.Background()) // it no longer serves; the next call gets a new process
	case f.Reason == failure.Protocol:
		out.Message = fmt.Sprintf("plugin %s: %s", p.title(), out.Message)
	}
	return out
}

// drain waits for the calls in flight and allows no new ones.
func (p *process) drain(limit time.Duration) {
	select {
	case <-p.calls.close():
	case <-p.run.done:
	case <-time.After(limit):
	}
}

// stop asks the process to end, and then kills it with its whole group.
func (p *process) stop() {
	p.stopped.Do(func() {
		if p.client != nil {
			p.client.Kill()
		}
		if p.run != nil {
			_ = p.run.Kill(context.Background())
		}
		if p.orphan != nil {
			_ = p.orphan.Close()
		}
		_ = os.RemoveAll(p.dir)
	})
}

// passed are the environment variables that every plugin gets: those that programs
// need, those that configure Go's runtime, and those that decide about trust and
// cryptography, which happen in the plugins.
func passed() []string {
	return []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GORACE", "PATH", "HOME", "LANG", "TZ", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
}

func allowedEnv(lookup func(string) (string, bool), more []string) []string {
	var env []string
	for _, k := range append(passed(), more...) {
		if v, ok := lookup(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}
