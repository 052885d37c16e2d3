package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Limits for the process that checks a text sent by somebody. The text can ask for any
// amount of memory and time; with these limits that process ends instead of the server.
const (
	postedMemory = 1 << 30 // bytes
	postedCPU    = 10      // seconds
	postedText   = 1 << 20 // bytes
)

// postedCommand is the command that a server starts to check a text. It is not meant
// for people.
func (a *app) postedCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "validate-posted",
		Short:  "Check a text that was sent; `dprun serve` starts it",
		Hidden: true,
		Args:   arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) error {
			for what, most := range map[int]uint64{syscall.RLIMIT_DATA: postedMemory, syscall.RLIMIT_CPU: postedCPU} {
				if err := syscall.Setrlimit(what, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
					return fmt.Errorf("limit what the check of a text may take: %w", err)
				}
			}
			text, err := io.ReadAll(io.LimitReader(a.stdin, postedText))
			if err != nil {
				return err
			}
			plugins := runner.OpenPlugins(runner.PluginOptions{Bundled: bundled(), Version: version, Log: a.log(v)})
			defer plugins.Close() //nolint:errcheck // closing loses nothing
			found, err := plugins.ValidatePosted(ctx, "plan.hcl", text)
			if err != nil {
				return err
			}
			return json.NewEncoder(a.stdout).Encode(found)
		}),
	}
}

// validatePosted checks a text in a process of its own. The process gets no environment
// and ends with ctx.
func validatePosted(ctx context.Context, text string) (found report.Posted, err error) {
	program, err := os.Executable()
	if err != nil {
		return found, err
	}
	c := exec.CommandContext(ctx, program, "validate-posted")
	c.Env, c.Dir, c.WaitDelay = []string{}, "/", time.Second
	c.Stdin = bytes.NewReader([]byte(text))
	var out bytes.Buffer
	c.Stdout = &out
	err = c.Run()
	if ctx.Err() != nil {
		return found, ctx.Err()
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return found, &runner.Error{ExitCode: runner.ExitInvalid, Err: errors.New("the text asks for more memory or time than a check may take: nothing of it was judged")}
	}
	if err != nil {
		return found, &runner.Error{ExitCode: runner.ExitBug, Err: fmt.Errorf("start the check of a text: %w", err)}
	}
	return found, json.Unmarshal(out.Bytes(), &found)
}
