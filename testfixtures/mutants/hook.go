package mutants

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// hookConfig is that of the hook.
type hookConfig struct {
	Script string `dprun:"script,required" doc:"Runs in a shell."`
	Token  string `dprun:"token,sensitive" doc:"Opens nothing."`
}

type hook struct {
	mutant string
	c      hookConfig
	busy   sync.Mutex
}

// Close implements [sdk.Hook].
func (h *hook) Close() error { return nil }

// Run implements [sdk.Hook].
func (h *hook) Run(ctx context.Context, r sdk.RunRequest, output func(sdk.Output)) (*sdk.RunReport, error) {
	if h.mutant == "hook_alone" {
		if !h.busy.TryLock() {
			return nil, failure.New(failure.Unavailable, "", "run: another script is running")
		}
		defer h.busy.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", h.c.Script)
	cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = bytes.NewReader(r.Context), &out, &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error {
		if h.mutant == "hook_forgets" {
			return cmd.Process.Kill()
		}
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, h.ended(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || h.mutant == "hook_error") {
		return nil, failure.New(failure.Precondition, failure.NotExecutable, "run: %w", err)
	} else if ok {
		return &sdk.RunReport{ExitCode: exit.ExitCode()}, nil
	}
	rep := &sdk.RunReport{Tail: out.String()}
	switch h.mutant {
	case "hook_code":
		rep.ExitCode = 1
	case "hook_silent":
		return rep, nil
	}
	output(sdk.Output{Stream: sdk.Stdout, Text: out.String()})
	return rep, nil
}

// ended is the failure of a run whose context has ended.
func (h *hook) ended(ctx context.Context) error {
	at, bounded := ctx.Deadline()
	soon := bounded && time.Until(at) < 10*time.Second
	if h.mutant == "hook_cancel" && !soon || h.mutant == "hook_deadline" && soon {
		return failure.New(failure.Internal, "", "run: killed")
	}
	return failure.From(ctx.Err())
}
