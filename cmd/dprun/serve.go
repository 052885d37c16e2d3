package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/cmd/dprun/web"
	"github.com/dprun/dprun/runner"
)

func (a *app) serveCommand() *cobra.Command {
	var q runner.ServeRequest
	var answers web.Options
	c := &cobra.Command{
		Use:   "serve --plans DIR",
		Short: "Run the plans of a directory when they are due",
		Args:  arguments(0, 0),
		RunE: a.runDeaf(func(ctx context.Context, v view.View, _ []string) (err error) {
			if q.Plans == "" {
				return &usageError{err: errors.New("name the directory of the plans: dprun serve --plans DIR")}
			}
			if answers.Config != "" && answers.Listen != "" {
				return &usageError{err: errors.New("give --listen or --config; the configuration says where it listens, too")}
			}
			if q.Plans, err = filepath.Abs(q.Plans); err != nil {
				return &usageError{err: err}
			}
			dir, err := a.state()
			if err != nil {
				return &usageError{err: err}
			}
			q.Guard, q.Notify = guardArgs(dir), a.env("NOTIFY_SOCKET")
			if a.logLevel == "" && a.env("DPRUN_LOG") == "" {
				a.logLevel = "info"
			}
			r, err := a.open(v)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			log := a.log(v)
			answers.Listened = func(address string) { log.Info("requests are answered", "address", address) }
			answers.Log, answers.Check = log, validatePosted
			if answers.Listen != "" || answers.Config != "" {
				q.Web = func(s *runner.Service) (func(), error) { return web.Listen(answers, s) }
			}
			var release func()
			q.Signals, q.Reload, answers.Reload, release = serveSignals()
			defer release()
			return misused(r.Serve(ctx, q))
		}),
	}
	f := c.Flags()
	f.StringVar(&q.Plans, "plans", "", "the directory of the plans")
	f.StringVar(&answers.Config, "config", "", "answer people and programs, as this file says")
	f.StringVar(&answers.Listen, "listen", "", "without --config: answer /healthz and /readyz at this address of the loopback interface, such as 127.0.0.1:8420")
	must(c.MarkFlagDirname("plans"))
	must(c.MarkFlagFilename("config", "hcl"))
	return c
}

// serveSignals delivers the signals that stop a server, by name, and those that make it
// read its plans and its configuration again.
func serveSignals() (stop <-chan string, plans, config <-chan struct{}, release func()) {
	stops, again := make(chan string, 8), [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-caught:
				switch s {
				case syscall.SIGHUP:
				case syscall.SIGUSR2:
					stops <- runner.ServeLeave
					continue
				default:
					stops <- stopSignals[s]
					continue
				}
				for _, c := range again {
					select {
					case c <- struct{}{}:
					default: // a reading is already due
					}
				}
			case <-done:
				return
			}
		}
	}()
	return stops, again[0], again[1], func() {
		signal.Stop(caught)
		close(done)
	}
}
