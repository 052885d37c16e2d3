package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/sdk/client"
)

// pipeGrace is how long the pipes of an ended process are still read: one of its
// children may hold them open.
const pipeGrace = 250 * time.Millisecond

// runner runs a plugin's process for go-plugin. The process reads stdin from /dev/null
// and has a group of its own that ends with it. The runner searches standard output for
// the handshake and gives everything else to the relay.
type runner struct {
	cmd    *exec.Cmd
	relay  *relay
	verify func() error

	handshakeR *io.PipeReader
	handshakeW *io.PipeWriter

	mu     sync.Mutex // guards the start against Kill
	pid    int
	killed bool

	done chan struct{} // closed when the process has ended
	once sync.Once
	err  error // of the wait; set before done is closed
}

func newRunner(cmd *exec.Cmd, r *relay) *runner {
	x := &runner{cmd: cmd, relay: r, done: make(chan struct{})}
	x.handshakeR, x.handshakeW = io.Pipe()
	return x
}

// Start starts the process.
func (r *runner) Start(context.Context) (err error) {
	defer func() {
		if err != nil {
			r.end(err)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return errors.New("stopped before it was started")
	}
	if err := r.verify(); err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = outW.Close() }()
	errR, errW, err := os.Pipe()
	if err != nil {
		_ = outR.Close()
		return err
	}
	defer func() { _ = errW.Close() }()
	r.cmd.Stdout, r.cmd.Stderr = outW, errW // as these are files, Wait does not wait for their readers
	if err := r.cmd.Start(); err != nil {
		_ = outR.Close()
		_ = errR.Close()
		return err
	}
	r.pid = r.cmd.Process.Pid
	pid := r.pid
	var readers sync.WaitGroup
	readers.Go(func() { r.readStdout(outR) })
	readers.Go(func() { r.relay.read(errR) })
	go func() {
		err := r.cmd.Wait()
		_ = syscall.Kill(-pid, syscall.SIGKILL) // what it left behind in its group
		client.EndOffspring(r.cmd.Dir)          // and outside of its group
		quiet := make(chan struct{})
		go func() {
			defer close(quiet)
			readers.Wait()
		}()
		select {
		case <-quiet:
		case <-time.After(pipeGrace):
		}
		_ = outR.Close()
		_ = errR.Close()
		<-quiet
		r.end(err)
	}()
	return nil
}

func (r *runner) end(err error) {
	r.once.Do(func() {
		r.err = err
		_ = r.handshakeW.Close()
		close(r.done)
	})
}

var handshakeLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+\|[0-9]+\|(unix|tcp)\|`) })

// readStdout passes the handshake line on; everything else that a plugin prints is
// noise.
func (r *runner) readStdout(f *os.File) {
	lines := bufio.NewReaderSize(f, maxLine)
	seen := false
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			break
		}
		if !seen && handshakeLine().Match(line) {
			seen = true
			_, _ = r.handshakeW.Write(append(line, '\n'))
			continue
		}
		r.relay.line(string(line))
	}
	_ = r.handshakeW.Close()
}

// Wait waits for the end of the process.
func (r *runner) Wait(context.Context) error {
	<-r.done
	return r.err
}

// Kill kills the process with its group.
func (r *runner) Kill(context.Context) error {
	r.mu.Lock()
	r.killed = true
	pid := r.pid
	r.mu.Unlock()
	if pid == 0 {
		return nil
	}
	select {
	case <-r.done:
		return nil // the group is gone, and its number may belong to another one
	default:
	}
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	select {
	case <-r.done:
	case <-time.After(2 * time.Second):
	}
	return err
}

// state says how the process ended. Call it only after done is closed.
func (r *runner) state() string {
	if exit, ok := errors.AsType[*exec.ExitError](r.err); ok {
		return exit.String()
	}
	if r.err != nil {
		return r.err.Error()
	}
	return "exit status 0"
}

// Stdout returns the handshake line.
func (r *runner) Stdout() io.ReadCloser { return r.handshakeR }

// Stderr returns nothing: the relay reads it.
func (r *runner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the path of the executable.
func (r *runner) Name() string { return r.cmd.Path }

// ID returns the number of the process.
func (r *runner) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pid == 0 {
		return ""
	}
	return strconv.Itoa(r.pid)
}

// Diagnose adds nothing, because the epitaph says more.
func (r *runner) Diagnose(context.Context) string { return "" }

// PluginToHost accepts unix sockets only.
func (r *runner) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" {
		return "", "", fmt.Errorf("the plugin listens on %s, not on a unix socket", network)
	}
	return network, addr, nil
}

// HostToPlugin changes nothing.
func (r *runner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
