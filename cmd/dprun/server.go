package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dprun/dprun/cmd/dprun/remote"
	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/report"
)

// remotely is the annotation of commands that also work through a server. Its value
// holds the names of the flags that apply there.
const remotely = "remotely"

// alsoRemote marks a command as one that also works through a server, with these of its
// flags.
func alsoRemote(c *cobra.Command, flags ...string) *cobra.Command {
	c.Annotations = map[string]string{remotely: strings.Join(flags, " ")}
	return c
}

// hereOrThere makes a command that asks a server if one is named. A stop signal ends
// the remote form at once, because it does nothing itself.
func (a *app) hereOrThere(here func(*cobra.Command, []string) error, there func(ctx context.Context, v view.View, c *remote.Client, args []string) error) func(*cobra.Command, []string) error {
	asks := a.runE(func(ctx context.Context, v view.View, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		return misused(there(ctx, v, c, args))
	})
	return func(cmd *cobra.Command, args []string) error {
		if a.server != "" {
			return asks(cmd, args)
		}
		return here(cmd, args)
	}
}

// client returns the client of the server that the flags name.
func (a *app) client() (*remote.Client, error) {
	tokens := cmp.Or(a.tokens, a.env("DPRUN_TOKEN_FILE"))
	c, err := remote.New(remote.Options{Server: a.server, TokenFile: tokens, CAFile: a.ca, Agent: "dprun/" + version})
	return c, misused(err)
}

// atServer rejects commands and flags that --server does not support, before a command
// meant for the server does anything here.
func (a *app) atServer(c *cobra.Command) error {
	wrong := func(format string, args ...any) error {
		return &usageError{command: c.CommandPath(), err: fmt.Errorf(format, args...)}
	}
	given := func(name string) bool {
		f := c.InheritedFlags().Lookup(name)
		return f != nil && f.Changed
	}
	if given("server") && a.server == "" {
		return wrong("--server is empty: write for example --server https://dprun.bank.example:8443")
	}
	if a.server == "" {
		for _, name := range []string{"token-file", "server-ca"} {
			if given(name) {
				return wrong("--%s is for a server, and none is named: write for example --server https://dprun.bank.example:8443", name)
			}
		}
		return nil
	}
	flags, can := c.Annotations[remotely]
	if !can {
		return wrong("%s works on this machine alone: leave out --server. A server answers apply, recover, owed, coverage, runs list, runs show, runs logs and backups list", c.CommandPath())
	}
	var odd []string
	c.Flags().Visit(func(f *pflag.Flag) {
		if c.InheritedFlags().Lookup(f.Name) == nil && !slices.Contains(strings.Fields(flags), f.Name) {
			odd = append(odd, "--"+f.Name)
		}
	})
	if given("state-dir") {
		odd = append(odd, "--state-dir")
	}
	if len(odd) > 0 {
		return wrong("%s cannot be given with --server: leave out one of them", strings.Join(odd, ", "))
	}
	return nil
}

// recoverThere makes a server bring back what must be undone.
func recoverThere(ctx context.Context, v view.View, c *remote.Client, _ []string) error {
	left, err := c.Owed(ctx)
	if err != nil {
		return err
	}
	due := report.Unheld(left.Owed)
	if len(due) > 0 {
		v.Paying(due, "")
	}
	res, err := c.Recover(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(v.LogWriter(), "The server goes on: `dprun --server %s owed` says what is left.\n", c.Server())
		return err
	case err != nil:
		return err
	case len(res.Owed) > 0 || res.Unknown != nil:
	case len(due)+len(res.Recovered) > 0:
		v.Show([]report.Owed{})
	default:
		v.NothingToRecover()
	}
	return settled(v, res, nil)
}

// applyThere makes a server run one of its plans, and follows the run.
func (a *app) applyThere(ctx context.Context, v view.View, src *source, name, change string, yes bool) error {
	if err := src.check(); err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	asked, signals, release := named(ctx)
	defer release()
	q := remote.ApplyRequest{PlanRef: remote.PlanRef{Name: name, Plan: src.plan}, Only: src.only, Change: change, Sink: v, Signals: signals, Asked: asked,
		Say: func(text string) { fmt.Fprintln(v.LogWriter(), view.Clean(text)) }}
	if !yes {
		q.Confirm = a.confirm(asked)
	}
	res, err := c.Apply(ctx, q)
	if err != nil {
		return misused(err)
	}
	return settled(v, res, nil)
}

// named delivers the stop signals by name. The first one ends asked.
func named(ctx context.Context) (asked context.Context, names <-chan string, release func()) {
	signals, end := catch()
	asked, stop := context.WithCancelCause(ctx)
	out := make(chan string, 8)
	deaf := listen.To(signals, func(s os.Signal) bool {
		stop(runner.Stopped(stopSignals[s]))
		select {
		case out <- stopSignals[s]:
		default: // so many are waiting that one more adds nothing
		}
		return true
	})
	return asked, out, func() {
		end()
		deaf()
		stop(nil)
	}
}
