package runner

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/runner/status"
)

// cause is one cause of failures under construction.
type cause struct {
	report.OverviewCause
	sample *journal.Failed // of the newest run
	urgent urgent
}

// failures groups tonight's failures by their cause: the code for which the
// catalogue has a remedy, or that a run did not begin.
func (g *glance) failures(ctx context.Context, owed report.Pending, c report.OverviewCoverage) report.OverviewFailures {
	since := tonight(g.now, g.request.Zone)
	out := report.OverviewFailures{Unknown: g.unreadable(), Since: since, Morning: morningAfter(g.now, g.request.Zone), Causes: []report.OverviewCause{}}
	if out.Unknown != "" {
		return out
	}
	causes, err := g.causes(ctx, since, out.Morning, owed, c)
	if err != nil {
		out.Unknown = err.Error()
		return out
	}
	for _, x := range causes {
		if x.sample != nil {
			if x.Message, err = g.journal.Message(ctx, *x.sample); err != nil {
				out.Unknown = err.Error()
				return out
			}
		}
		if x.Tasks == 0 {
			x.Why = "a later run has made up for it"
		} else {
			x.Now, x.Why = x.urgent.decide()
		}
		out.Causes = append(out.Causes, x.OverviewCause)
	}
	slices.SortStableFunc(out.Causes, func(a, b report.OverviewCause) int {
		return cmp.Or(cmp.Compare(last10(!a.Now), last10(!b.Now)), cmp.Compare(last10(a.Tasks == 0), last10(b.Tasks == 0)), cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// causes returns the causes in no particular order.
func (g *glance) causes(ctx context.Context, since, morning time.Time, owed report.Pending, c report.OverviewCoverage) ([]*cause, error) {
	var all []*cause
	find := func(code, meaning, action string) *cause {
		for _, x := range all {
			if x.Code == code && x.Meaning == meaning {
				return x
			}
		}
		x := &cause{OverviewCause: report.OverviewCause{Code: code, Meaning: meaning, Action: action, Plans: []string{}}, urgent: urgent{now: g.now, morning: morning}}
		all = append(all, x)
		return x
	}
	down := map[string]bool{}
	for _, o := range owed.Owed {
		if !o.Held {
			down[o.Device] = true
		}
	}
	goals := map[journal.Scheduled]report.OverviewPlan{}
	for _, p := range c.Plans {
		goals[journal.Scheduled{Plan: p.Plan, Origin: p.File}] = p
	}
	runs, err := g.journal.Since(ctx, since)
	if err != nil {
		return nil, err
	}
	for _, run := range runs { // the newest first
		if !g.sees(run.Plan, "") {
			continue
		}
		key := journal.Scheduled{Plan: run.Plan, Origin: run.Origin}
		bad, err := g.journal.Failed(ctx, run)
		if err != nil {
			return nil, err
		}
		blamed := false
		for _, f := range bad {
			e, _ := status.Lookup(status.Code(f.Code))
			if e.Neutral || e.Gone() {
				continue
			}
			if blamed = true; !g.sees(run.Plan, f.Device) {
				continue
			}
			x := find(f.Code, e.Meaning, e.Action)
			x.MadeUp += f.MadeUp
			x.of(run)
			if f.MadeUp == f.Tasks {
				continue
			}
			if x.Tasks += f.Tasks - f.MadeUp; x.sample == nil {
				x.sample = &f
			}
			x.Devices = addName(x.Devices, f.Device)
			x.urgent.down = x.urgent.down || down[f.Device]
			x.urgent.critical = x.urgent.critical || e.Class == status.ClassCritical
			x.urgent.none = x.urgent.none || f.None > 0
			x.repeat(g.served[key].Schedule, g.now)
			if !f.Oldest.IsZero() {
				x.passes(f.Oldest.Add(cmp.Or(goals[key].Goal, goalAtLeast)))
			}
			if f.Unexpanded > 0 { // the plan as a whole says how long the device can wait
				x.plan(goals[key], g.now)
			}
		}
		if e, _ := status.Lookup(status.Code(run.Code)); run.State == journal.Finished && !blamed && (e.Bad() || run.ExitCode != 0 && run.ExitCode != ExitNothing) {
			x := find(run.Code, e.Meaning, e.Action)
			x.Tasks++
			x.of(run)
			x.urgent.critical = x.urgent.critical || e.Class == status.ClassCritical
			x.repeat(g.served[key].Schedule, g.now)
			x.plan(goals[key], g.now)
		}
	}
	fired, err := g.journal.Undone(ctx, since)
	if err != nil {
		return nil, err
	}
	for _, f := range fired {
		if !missed(f) || !g.sees(f.Plan, "") {
			continue
		}
		x := find("", notBegun, "`dprun schedule past` says why for each; start the plan by hand if its backups cannot wait.")
		if x.Tasks++; x.Message == "" && g.request.Sees == nil { // the message may name a device that the caller must not see
			x.Message = f.Message
		}
		x.Plans, x.Last = addName(x.Plans, f.Plan), later(x.Last, f.Due)
		x.repeat(g.served[f.Scheduled].Schedule, g.now)
		x.plan(goals[f.Scheduled], g.now)
	}
	return all, nil
}

// notBegun is the meaning shown for a due time without a run, which has no code.
const notBegun = "A plan was due, and no run of it began."

// missed reports whether a due time without a run should have had one.
func missed(f journal.Firing) bool {
	switch f.Verdict {
	case string(schedule.Outside):
		return false
	case string(schedule.Run):
		return !f.Ended.IsZero() && f.ExitCode != 0 && f.ExitCode != ExitNothing
	}
	return true
}

// of adds one failure of a run.
func (x *cause) of(run journal.Run) {
	x.Plans, x.Runs = addName(x.Plans, run.Plan), addName(x.Runs, run.ID)
	x.Last = later(x.Last, run.Started)
}

// repeat notes when the window closes in which the run can be repeated.
func (x *cause) repeat(s schedule.Plan, now time.Time) {
	if s.Window != nil && s.Window.Open(x.urgent.morning) {
		return // it can also be repeated in the morning
	}
	if end := closes(s, now); !end.IsZero() && (x.urgent.closes.IsZero() || end.Before(x.urgent.closes)) {
		x.urgent.closes = end
	}
}

// passes notes when the goal of a subject passes.
func (x *cause) passes(at time.Time) {
	if x.urgent.passes.IsZero() || at.Before(x.urgent.passes) {
		x.urgent.passes = at
	}
}

// plan notes how long a plan as a whole can wait. A plan about which nothing is
// known cannot wait.
func (x *cause) plan(p report.OverviewPlan, now time.Time) {
	if p.None > 0 || p.Plan == "" || p.Unknown != "" {
		x.urgent.none = true
		return
	}
	x.passes(now.Add(p.Waits))
}
