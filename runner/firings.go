package runner

import (
	"context"

	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
)

// Firings says what a server has decided about the times at which plans were
// due, the newest first, and how the server is.
func (r *Runner) Firings(ctx context.Context, limit int) (f report.Firings, err error) {
	k := r.kept.Load()
	if k.journal == nil {
		return f, k.lost
	}
	all, err := k.journal.Firings(ctx, false, limit)
	if err != nil {
		return f, &Error{ExitBug, err}
	}
	f.Due = []report.Firing{}
	for _, x := range all {
		f.Due = append(f.Due, report.Firing{Plan: x.Plan, Origin: x.Origin, Due: x.Due, Decided: x.Decided, Verdict: x.Verdict, Run: x.Run, Ended: x.Ended, ExitCode: x.ExitCode, Message: x.Message})
	}
	s, err := k.journal.Server(ctx)
	if err != nil {
		return f, &Error{ExitBug, err}
	}
	if s == nil {
		return f, nil
	}
	alive, _, err := r.locks.Held(lock.ServerKey)
	if err != nil {
		return f, &Error{ExitBug, err}
	}
	f.Server = &report.Server{Host: s.Host, PID: s.PID, Plans: s.Plans, Started: s.Started, Beat: s.Beat, Stopped: s.Stopped, Running: alive, Broken: []report.BrokenPlan{}}
	for _, b := range s.Broken {
		f.Server.Broken = append(f.Server.Broken, report.BrokenPlan(b))
	}
	return f, nil
}
