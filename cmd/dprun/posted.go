package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

// What the check of a text may take that somebody has sent: it can ask for any
// amount, and the process that asks for too much ends instead of the server.
const (
	postedMemory = 1 << 30 // bytes
	postedCPU    = 10      // seconds
	postedText   = 1 << 20 // bytes
)

// postedCommand is what a server starts to check a text. Nobody types it.
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
			defer plugins.Close() //nolint:errcheck // nothing is lost
			found, err := plugins.ValidatePosted(ctx, "plan.hcl", text)
			if err != nil {
				return err
			}
			return json.NewEncoder(a.stdout).Encode(found)
		}),
	}
}
