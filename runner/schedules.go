package runner

import (
	"context"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
)

// SchedulesRequest asks when plans are due next.
type SchedulesRequest struct {
	Source Source
	Plan   string // empty: every plan of the file
	Next   int    // the number of due times for each plan
	Now    time.Time
}

// Schedules returns when the plans of a file are due next. The error, an
// *[Error], says that a plugin is missing or broken, or that there is no such
// plan. The diagnostics say what is wrong with the plan.
func (p *Plugins) Schedules(ctx context.Context, q SchedulesRequest) ([]report.Schedule, plan.Diagnostics, error) {
	loaded, ds, err := Load(ctx, q.Source, p)
	if err != nil || ds.HasErrors() {
		return nil, ds, err
	}
	plans := loaded.Config.Plans
	if q.Plan != "" {
		picked, err := Pick(loaded.Config, q.Plan)
		if err != nil {
			return nil, ds, err
		}
		plans = []*plan.Plan{picked}
	}
	var out []report.Schedule
	for _, pl := range plans {
		s := report.Schedule{Plan: pl.Name, Rules: scheduleRules(pl), Next: []report.DueTime{}}
		times := scheduleOf(pl)
		for _, slot := range times.Next(q.Now, q.Next) {
			s.Next = append(s.Next, dueTime(slot))
		}
		out = append(out, s)
	}
	return out, ds, nil
}

// scheduleRules returns the schedules of a plan in the form that is shown.
func scheduleRules(p *plan.Plan) []report.ScheduleRule {
	rules := []report.ScheduleRule{}
	for _, r := range p.Schedules {
		rules = append(rules, report.ScheduleRule{Cron: r.Cron, Timezone: r.Timezone, Jitter: r.Jitter, Missed: r.Missed})
	}
	return rules
}

func dueTime(s schedule.Slot) report.DueTime {
	return report.DueTime{Due: s.Times.In(s.Due), Start: s.Times.In(s.Start), Outside: s.Outside}
}

// scheduleOf returns the parts of a plan that decide when it is due.
func scheduleOf(p *plan.Plan) schedule.Plan {
	s := schedule.Plan{Name: p.Name}
	if p.Window != nil {
		s.Window, _ = p.Window.Compile() // a window that cannot be compiled is an error of the plan
	}
	for _, r := range p.Schedules {
		s.Rules = append(s.Rules, schedule.Rule{Times: r.Times, Jitter: r.Jitter, Late: r.Missed == plan.RunOnce})
	}
	return s
}

// Firings returns a server's decisions about the times at which plans were due,
// the newest first, and the state of the server.
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
	if f.Paused, err = pauseOf(k.journal.Paused(ctx)); err != nil {
		return f, &Error{ExitBug, err}
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
