// Package secret reads the secrets that a plan refers to: environment
// variables, files and commands. What it has read is known to the redactor,
// and is kept in memory only.
package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner/redact"
)

const (
	// limit bounds a secret's size: a file named by mistake is not read whole.
	limit = 1 << 20
	// commandLimit bounds a secret_command.
	commandLimit = 60 * time.Second
)

// Store reads each reference once. It implements the plan's secret.Reader and
// may be used concurrently.
type Store struct {
	dir     string // of the plan: what relative paths are relative to
	environ []string
	redact  *redact.Redactor

	mu    sync.Mutex
	known map[string]string
}

// New returns a store that knows nothing yet.
func New(dir string, environ []string, r *redact.Redactor) *Store {
	return &Store{dir: dir, environ: environ, redact: r, known: map[string]string{}}
}

// ReadSecret returns the secret that a reference names. Errors name the
// reference and the reason, never a value.
func (s *Store) ReadSecret(ref plansecret.Ref) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(ref.Kind) + "\x00" + strings.Join(ref.Args, "\x00") // its String leaves arguments out
	if v, ok := s.known[key]; ok {
		return v, nil
	}
	v, err := s.read(ref)
	if err != nil {
		return "", err
	}
	s.redact.Add(v)
	s.known[key] = v
	return v, nil
}

func (s *Store) read(ref plansecret.Ref) (string, error) {
	if len(ref.Args) == 0 {
		return "", fmt.Errorf("%s names nothing", ref)
	}
	switch ref.Kind {
	case plansecret.KindEnv:
		for i := len(s.environ) - 1; i >= 0; i-- {
			if k, v, ok := strings.Cut(s.environ[i], "="); ok && k == ref.Args[0] {
				return v, nil
			}
		}
		return "", fmt.Errorf("environment variable %s is not set where dprun runs; set it there and do the same again", ref.Args[0])
	case plansecret.KindFile:
		return s.readFile(ref.Args[0])
	case plansecret.KindCommand:
		return s.readCommand(ref.Args)
	}
	return "", errors.New("it was given by value and cannot be read again")
}

func (s *Store) readFile(name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > limit:
		return "", fmt.Errorf("%s is larger than %d bytes: that is no secret", name, limit)
	}
	return trim(b), nil
}

// readCommand runs a command without a shell. Its standard output is the
// secret; nothing that it prints is shown.
func (s *Store) readCommand(argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = s.environ, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &bounded{w: &out, left: limit + 1}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s did not end within %s (in %s)", argv[0], commandLimit, s.dir)
	case err != nil:
		return "", fmt.Errorf("%s: %w; run it in %s to see why", argv[0], err, s.dir)
	case out.Len() > limit:
		return "", fmt.Errorf("%s printed more than %d bytes", argv[0], limit)
	case out.Len() == 0:
		return "", fmt.Errorf("%s printed nothing (in %s)", argv[0], s.dir)
	}
	return trim(out.Bytes()), nil
}

// trim removes the one line end that editors and commands add.
func trim(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// bounded keeps the beginning of what is written and swallows the rest.
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
