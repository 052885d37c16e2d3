package api

import (
	"context"
	"slices"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// RunPath names a run.
type RunPath struct {
	Run string `path:"run" minLength:"1" maxLength:"64" doc:"Its ID, a beginning of it, or latest"`
}

// run returns a run that the caller may see.
func (a *api) run(ctx context.Context, s sees, ref string) (report.RunDetail, error) {
	d, err := a.Reads.Run(ctx, ref)
	if err != nil {
		return d, missing(err)
	}
	if !s.Plan(d.Plan) {
		return d, notThere("run", ref)
	}
	return d, nil
}

// Pending is what must still be undone, as far as the caller sees it.
type Pending struct {
	report.Pending
	Hidden int `json:"hidden_stops,omitempty" doc:"How many more stops of quiesces there are, because of devices that you may not see"`
}

// Stops forbid quiesces, as far as the caller sees them.
type Stops struct {
	List[report.Stop]
	Hidden int `json:"hidden_stops,omitempty" doc:"How many more there are, because of devices that you may not see"`
}

func (a *api) reads() {
	type runsQuery struct {
		Page
		Plan string `query:"plan" maxLength:"200" doc:"Only runs of this plan"`
	}
	get(a, access.Viewer, quick(), "/runs", "listRuns", "Runs, the newest first", func(ctx context.Context, s sees, q *runsQuery) (List[report.Run], error) {
		from, err := q.where("runs/" + q.Plan)
		if err != nil {
			return List[report.Run]{}, err
		}
		return paged(q.Page, from.List, a.Reads.Runs(ctx, runner.RunsRequest{Plan: q.Plan, After: from.After}),
			func(r report.Run) string { return r.ID }, func(r report.Run) bool { return s.Plan(r.Plan) })
	})
	get(a, access.Viewer, quick(), "/runs/{run}", "getRun", "One run", func(ctx context.Context, s sees, q *RunPath) (report.RunDetail, error) {
		d, err := a.run(ctx, s, q.Run)
		if err != nil {
			return d, err
		}
		if whole, err := s.wholeRun(d); err != nil || whole {
			return d, err
		}
		return narrowed(s, d)
	})
	type tasksQuery struct {
		RunPath
		Page
	}
	get(a, access.Viewer, quick(), "/runs/{run}/tasks", "listTasks", "The tasks of a run, each with its history", func(ctx context.Context, s sees, q *tasksQuery) (List[report.Task], error) {
		d, err := a.run(ctx, s, q.Run)
		if err != nil {
			return List[report.Task]{}, err
		}
		from, err := q.where("tasks/" + d.ID)
		if err != nil {
			return List[report.Task]{}, err
		}
		id := func(t report.Task) string { return t.Task }
		mine := func(yield func(report.Task, error) bool) { // a cursor names a task, so it must never be a hidden one
			for t, err := range d.Details {
				if (err != nil || s.device(d.Plan, t.Device)) && !yield(t, err) {
					return
				}
			}
		}
		return paged(q.Page, from.List, after(mine, from.After, id), id, func(report.Task) bool { return true })
	})
	type logsQuery struct {
		RunPath
		Page
		Task string `query:"task" maxLength:"500" doc:"Only lines of this task"`
	}
	get(a, access.Viewer, quick(), "/runs/{run}/logs", "listLogs", "What scripts and plugins printed: the run's own lines first, then those of its tasks",
		func(ctx context.Context, s sees, q *logsQuery) (List[event.Log], error) {
			d, err := a.run(ctx, s, q.Run)
			if err != nil {
				return List[event.Log]{}, err
			}
			return a.logs(ctx, s, d, q.Page, q.Task)
		})
	get(a, access.Viewer, quick(), "/pending", "listPending", "What is not undone, and what forbids quiesces", func(ctx context.Context, s sees, _ *struct{}) (Pending, error) {
		p := a.Reads.Owed(ctx)
		if s.All() {
			return Pending{Pending: p}, nil
		}
		out := Pending{Pending: report.Pending{ExitCode: p.ExitCode, Owed: []report.Owed{}, Stops: seenStops(s, "", p.Stops)}}
		out.Hidden = len(p.Stops) - len(out.Stops)
		for _, o := range p.Owed {
			if s.device(o.Plan, o.Device) {
				out.Owed = append(out.Owed, o)
			}
		}
		if p.Unknown != nil { // it may name hidden devices
			out.Unknown = &report.Failure{ExitCode: p.Unknown.ExitCode, Message: "More may have to be undone than can be listed. Somebody who sees all plans is told what."}
		}
		return out, nil
	})
}

// seenStops returns the stops that the caller may see. A hold concerns everybody.
func seenStops(s sees, plan string, all []report.Stop) []report.Stop {
	out := []report.Stop{}
	for _, x := range all {
		if x.Device == "" || s.device(plan, x.Device) {
			out = append(out, x)
		}
	}
	return out
}

// narrowed removes from a run what belongs to hidden devices. It also removes the texts
// about the run as a whole, which may name such a device. Its rooms belong to the plan
// and stay.
func narrowed(s sees, d report.RunDetail) (report.RunDetail, error) {
	mine := map[string]bool{}
	for t, err := range d.Details {
		if err != nil {
			return d, err
		}
		mine[t.Task] = s.device(d.Plan, t.Device)
	}
	staged := []report.Staged{}
	for _, x := range d.Staged {
		if mine[x.Task] {
			staged = append(staged, x)
		}
	}
	d.Staged, d.Stops, d.Only = staged, seenStops(s, d.Plan, d.Stops), ""
	d.History = slices.Clone(d.History)
	for i := range d.History {
		d.History[i] = wordless(d.History[i])
	}
	if d.Asked != nil {
		asked := startedFor(*d.Asked)
		d.Asked = &asked
	}
	if d.Restore != nil && !s.device(d.Plan, d.Restore.Device) {
		d.Restore = nil
	}
	return d, nil
}

// wordless returns a status without the texts that may name a device.
func wordless(st event.Status) event.Status {
	st.Message, st.Causes, st.Warnings = "", nil, nil
	return st
}

// startedFor returns a requested run without the texts that may name devices, for
// callers who see only a part of its plan.
func startedFor(st report.Started) report.Started {
	st.Only, st.Message = "", ""
	return st
}

// logs returns a page of the lines of a run. The cursor holds a task and the number of
// its lines that were given. That works because lines are only added at the end of a
// task.
func (a *api) logs(ctx context.Context, s sees, d report.RunDetail, p Page, task string) (List[event.Log], error) {
	out := List[event.Log]{Items: []event.Log{}}
	from, err := p.where("logs/" + d.ID + "/" + task)
	if err != nil {
		return out, err
	}
	device := map[string]string{}
	for t, err := range d.Details {
		if err != nil {
			return out, err
		}
		device[t.Task] = t.Device
	}
	if _, has := device[task]; task != "" && (!has || !s.device(d.Plan, device[task])) {
		return out, notThere("task", task)
	}
	whole, err := s.wholeRun(d)
	if err != nil {
		return out, err
	}
	shown := func(of string) bool { return of == "" && whole || of != "" && s.device(d.Plan, device[of]) }
	passed := p.Cursor == ""
	line := 0
	var of string
	for l, err := range a.Reads.Logs(ctx, runner.LogsRequest{Run: d.ID, Task: task}) {
		if err != nil {
			return out, missing(err)
		}
		if l.Task != of {
			if of == from.After && !passed { // the task has no more lines than were given
				passed = true
			}
			of, line = l.Task, 0
		}
		line++
		if !passed {
			passed = of == from.After && line == from.Line
			continue
		}
		if len(out.Items) == p.Limit {
			out.Next = from.String()
			break
		}
		if shown(of) {
			out.Items = append(out.Items, l)
		}
		from.After, from.Line = of, line
	}
	return out, nil
}
