package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// commandLimit is the time limit of a secret_command.
	commandLimit = 60 * time.Second
	// lingerLimit is how long to wait for more output after the command has ended,
	// while a process that it left behind keeps the pipe open.
	lingerLimit = time.Second
)

// readCommand runs a command without a shell. Its standard output is the secret, and
// nothing that it prints is shown. Processes that it leaves in its process group are
// killed.
func (s *Store) readCommand(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, errTooLong)
	defer cancel()
	out, err := s.run(ctx, argv)
	switch {
	case errors.Is(context.Cause(ctx), errTooLong):
		return "", fmt.Errorf("%s did not end within %s (in %s)", argv[0], commandLimit, s.dir)
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s was stopped: %w", argv[0], context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("%s: %w; run it in %s to see why", argv[0], err, s.dir)
	case len(out) > limit:
		return "", fmt.Errorf("%s printed more than %d bytes", argv[0], limit)
	case len(bytes.TrimSpace(out)) == 0:
		return "", fmt.Errorf("%s printed nothing (in %s)", argv[0], s.dir)
	}
	return trim(out), nil
}

var errTooLong = errors.New("it took too long")

func (s *Store) run(ctx context.Context, argv []string) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout = s.environ, s.dir, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	read := make(chan []byte, 1)
	go func() {
		var out bytes.Buffer
		_, _ = io.Copy(&bounded{w: &out, left: limit + 1}, r) // ends with the pipe or its deadline
		read <- out.Bytes()
	}()
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = r.SetReadDeadline(time.Now().Add(lingerLimit))
	return <-read, err
}

// bounded keeps the beginning of what is written and drops the rest.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > b.left {
		p = p[:b.left]
	}
	b.left -= len(p)
	if _, err := b.w.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}
