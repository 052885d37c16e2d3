package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

// guardArgs returns the arguments that make this program the guard of a run in a state
// directory.
func guardArgs(stateDir string) func(run string) []string {
	return func(run string) []string { return []string{"guard", "--state-dir", stateDir, "--run", run} }
}

// guardCommand is the command that a run starts to be guarded. It is not meant for
// people.
func (a *app) guardCommand() *cobra.Command {
	var run string
	c := &cobra.Command{
		Use:    "guard",
		Short:  "Watch over a run; `dprun apply` starts it",
		Hidden: true,
		Args:   arguments(0, 0),
		RunE: a.runDeaf(func(ctx context.Context, v view.View, _ []string) error {
			if _, typed := terminal(a.stdin); typed || run == "" {
				return &usageError{err: fmt.Errorf("`dprun apply` starts its guard itself; what dead runs left is done by `dprun recover`")}
			}
			dir, err := a.state()
			if err != nil {
				return &usageError{err: err}
			}
			signals, deaf := catch()
			defer deaf()
			names := make(chan string, 8)
			go func() {
				for s := range signals {
					names <- stopSignals[s]
				}
			}()
			ready := false
			err = runner.Guard(ctx, runner.Options{StateDir: dir, Version: version, Bundled: bundled(), Environ: a.environ,
				Log: slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))},
				runner.GuardRequest{Run: run, Process: os.Getppid(), Alive: a.stdin, Signals: names, Ready: func() error {
					ready = true
					_, err := fmt.Fprintln(a.stdout, runner.GuardReady)
					return err
				}})
			if err != nil && !ready {
				fmt.Fprintln(a.stdout, view.Clean(err.Error())) // the run reads this line and reports it
			}
			return err
		}),
	}
	c.Flags().StringVar(&run, "run", "", "the run to watch over")
	return c
}
