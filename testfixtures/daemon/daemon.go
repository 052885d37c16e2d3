// Package daemon runs the servers of tests: child processes that listen on the
// loopback interface and end with the test, however it ends.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// readyTimeout bounds how long a server may take to listen.
const readyTimeout = 60 * time.Second

// Spec says what to run.
type Spec struct {
	Name string   // in errors
	Argv []string // the program's absolute path and its arguments
	Addr string   // host:port where it listens when it is ready
	Log  string   // file that its output is appended to
	// Over maps paths of files and directories to those that the server sees in their place,
	// such as its own /etc/passwd. It takes root.
	Over map[string]string
}

// Daemon is a running server.
type Daemon struct {
	cmd    *exec.Cmd
	name   string
	exited chan error // gets the process's end, once
	guard  *guard

	mu    sync.Mutex
	ended bool
}

// overScript lays files over others in a mount namespace of its own and
// becomes the server, under the same process id.
const overScript = `while [ "$1" != -- ]; do mount --bind "$2" "$1" || exit 1; shift 2; done; shift; exec "$@"`

// Command is the program with its arguments, seeing other files in place of
// the system's. The System V objects that it makes are its own.
func Command(argv []string, over map[string]string) *exec.Cmd {
	if len(over) > 0 {
		with := []string{"unshare", "--mount", "--ipc", "--propagation", "private", "/bin/sh", "-c", overScript, "sh"}
		for _, path := range slices.Sorted(maps.Keys(over)) {
			with = append(with, path, over[path])
		}
		argv = slices.Concat(with, []string{"--"}, argv)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Start runs a server and returns when it listens. ctx bounds the start, not
// the server.
func Start(ctx context.Context, s Spec) (*Daemon, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer log.Close() // the process has its own
	cmd := Command(s.Argv, s.Over)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	d := &Daemon{cmd: cmd, name: s.Name, exited: make(chan error, 1)}
	go func() { d.exited <- cmd.Wait() }()
	if d.guard, err = guardOf(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		<-d.exited
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	if err := d.ready(ctx, s); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return d, nil
}

// ready waits until the server listens; without that it ends it.
func (d *Daemon) ready(ctx context.Context, s Spec) error {
	deadline := time.NewTimer(readyTimeout)
	defer deadline.Stop()
	for {
		if c, err := net.DialTimeout("tcp", s.Addr, time.Second); err == nil {
			return c.Close()
		}
		var why error
		select {
		case err := <-d.exited:
			d.guard.end()
			return fmt.Errorf("it ended: %v: %s", err, read(s.Log))
		case <-ctx.Done():
			why = ctx.Err()
		case <-deadline.C:
			why = fmt.Errorf("not listening after %s: %s", readyTimeout, read(s.Log))
		case <-time.After(10 * time.Millisecond):
			continue
		}
		return errors.Join(why, d.Kill())
	}
}

func read(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Kill ends the server and every process that it started at once, as a crash
// of its machine would. A server that was ended already is left so.
func (d *Daemon) Kill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	d.ended = true
	d.guard.end()
	// Stopped first, so that it starts nothing between listing and killing.
	_ = d.cmd.Process.Signal(syscall.SIGSTOP)
	below := Descendants(d.cmd.Process.Pid)
	_ = d.cmd.Process.Kill()
	<-d.exited
	for _, p := range below {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	return nil
}

// Signal sends a signal to every process that the server started, not to the
// server itself. It returns how many there were.
func (d *Daemon) Signal(sig syscall.Signal) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return 0
	}
	below := Descendants(d.cmd.Process.Pid)
	for _, p := range below {
		_ = syscall.Kill(p, sig)
	}
	return len(below)
}
