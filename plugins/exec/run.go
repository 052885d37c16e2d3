package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// killGrace is how long a script may take to end after it was asked to.
	killGrace = 5 * time.Second
	// outputLimit is how many bytes of a script's output are passed on.
	outputLimit = 1 << 20
)

// hook is one configured script.
type hook struct {
	config Config
	env    sdk.Env
	limit  int
	grace  time.Duration
}

var _ sdk.Hook = (*hook)(nil)

// Close does nothing, because there is nothing to release.
func (h *hook) Close() error { return nil }

// Run runs the script once.
func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	if len(h.config.Command) == 0 {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "run a script: the command is empty")
	}
	if err := ctx.Err(); err != nil {
		return nil, failure.From(fmt.Errorf("run %s: %w", h.config.Command[0], err))
	}
	private, err := os.MkdirTemp(h.env.TempDir, "script-")
	if err != nil {
		return nil, failure.New(failure.Internal, "", "run %s: make a private directory: %w", h.config.Command[0], err)
	}
	defer func() { _ = os.RemoveAll(private) }()
	cmd, err := h.command(r, private)
	if err != nil {
		return nil, err
	}
	stdin, err := contextFile(private, r.Context)
	if err != nil {
		return nil, failure.New(failure.Internal, "", "run %s: %w", cmd.Path, err)
	}
	defer func() { _ = stdin.Close() }()
	cmd.Stdin = stdin

	out := newCollector(h.limit, output)
	state, err := h.supervise(ctx, cmd, out)
	switch {
	case err != nil:
		return nil, notStarted(cmd, err)
	case ctx.Err() != nil:
		return nil, failure.From(fmt.Errorf("run %s: ended because its time was over or the run was cancelled: %w%s", cmd.Path, ctx.Err(), out.lastLine()))
	}
	report := &sdk.RunReport{ExitCode: exitCode(state), Tail: out.tail()}
	if report.Outputs, err = out.outputs(); err != nil {
		return nil, failure.New(failure.Corrupt, failure.BadOutput, "run %s: %w", cmd.Path, err).
			WithRemedy("print {\"outputs\": {\"name\": value}} on standard output")
	}
	return report, nil
}

// command prepares the process.
func (h *hook) command(r sdk.RunRequest, private string) (*exec.Cmd, error) {
	secrets := filepath.Join(private, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		return nil, failure.New(failure.Internal, "", "run %s: %w", h.config.Command[0], err)
	}
	for name, value := range h.config.Secrets {
		if !secretName().MatchString(name) {
			return nil, failure.New(failure.Precondition, failure.BadConfig, "run %s: %q is not a secret's name", h.config.Command[0], name)
		}
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(value), 0o600); err != nil {
			return nil, failure.New(failure.Internal, "", "run %s: write the secret %s: %w", h.config.Command[0], name, err)
		}
	}
	cmd := exec.Command(h.config.Command[0], append(slices.Clone(h.config.Command[1:]), r.Arguments...)...)
	cmd.Dir = cmp.Or(h.config.WorkingDirectory, r.Dir, private)
	if name := h.config.Command[0]; strings.ContainsRune(name, '/') && !filepath.IsAbs(name) {
		cmd.Path, cmd.Err = filepath.Join(cmd.Dir, name), nil
	}
	cmd.Env = environment(h.config.Env, r.Env, secrets)
	return cmd, nil
}

// environment is deliberately small: what programs need to work at all, what
// the plan sets, and what the run sets.
func environment(plan, run map[string]string, secrets string) []string {
	vars := map[string]string{}
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			vars[name] = v
		}
	}
	maps.Copy(vars, plan)
	maps.Copy(vars, run)
	vars["DPRUN_SECRETS_DIR"] = secrets
	env := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env
}

// contextFile writes the script's context to a file, so that nobody has to wait
// for a script that does not read it.
func contextFile(dir string, body []byte) (*os.File, error) {
	path := filepath.Join(dir, "context.json")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return nil, fmt.Errorf("write its context: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("write its context: %w", err)
	}
	return f, os.Remove(path)
}

// supervise runs the process until it ends or ctx ends, and ends every process
// of its group. Its error means that the process could not be started.
func (h *hook) supervise(ctx context.Context, cmd *exec.Cmd, out *collector) (*os.ProcessState, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = outR.Close() }()
	errR, errW, err := os.Pipe()
	if err != nil {
		_ = outW.Close()
		return nil, err
	}
	defer func() { _ = errR.Close() }()
	cmd.Stdout, cmd.Stderr = outW, errW
	cmd.SysProcAttr = processAttributes()

	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel ends the script when the thread that started it ends. With
		// a locked thread that happens only when this process is killed.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		_, _ = outW.Close(), errW.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its state tells everything
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	group := -cmd.Process.Pid
	var readers sync.WaitGroup
	readers.Go(func() { out.read(sdk.Stdout, outR) })
	readers.Go(func() { out.read(sdk.Stderr, errR) })
	select {
	case <-ended:
	case <-ctx.Done():
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(h.grace):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL) // ends what the script left in the background
	<-ended
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		readers.Wait()
	}()
	select {
	case <-drained:
	case <-time.After(time.Second): // a process that left the group may still hold the pipes
		_, _ = outR.Close(), errR.Close()
		<-drained
	}
	out.finish()
	return cmd.ProcessState, nil
}

// exitCode returns the code that a shell would report.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

func notStarted(cmd *exec.Cmd, err error) *failure.Error {
	kind := failure.Precondition
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		kind = failure.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = failure.Denied
	}
	return failure.New(kind, failure.NotExecutable, "start %s in %s: %w", cmd.Path, cmd.Dir, err).
		WithRemedy("check that the program is there and executable, and that its first line names an interpreter that exists")
}
