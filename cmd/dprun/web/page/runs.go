package page

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

const (
	rowsShown  = 50   // rows of a list; the rest is behind a link
	tasksShown = 1000 // tasks of a run; the command line shows all
)

// runsPage is a list of runs.
type runsPage struct {
	Plan string
	Runs []report.Run
	Next string // the cursor of the next page; empty: this is the last one
}

func (p *pages) runs(r *http.Request, who access.Sight) (answer, error) {
	v := runsPage{Plan: r.FormValue("plan")}
	for run, err := range p.Reads.Runs(r.Context(), runner.RunsRequest{Plan: v.Plan, After: r.FormValue("after")}) {
		if err != nil {
			return answer{}, err
		}
		if !who.Plan(run.Plan) {
			continue
		}
		if len(v.Runs) == rowsShown {
			v.Next = at("/runs", "plan", v.Plan, "after", v.Runs[rowsShown-1].ID)
			break
		}
		v.Runs = append(v.Runs, run)
	}
	return answer{Title: "Runs", page: "runs.html", Data: v, Events: events}, nil
}

// runPage shows one run.
type runPage struct {
	report.RunDetail
	Tasks     []report.Task // failures first, then tasks under way
	Omitted   int
	Ended     int
	Good      int
	Advice    []advice
	Served    bool // this server runs it and can cancel it
	Cancelled bool // somebody has asked to cancel it
}

// advice says what to do about a code with which tasks ended.
type advice struct {
	Code  string
	Tasks int
	Text  string
}

func (p *pages) run(r *http.Request, who access.Sight) (answer, error) {
	v, err := p.runDetail(r.Context(), who, r.PathValue("run"))
	if runner.CodeOf(err) == runner.ExitUsage { // the run was asked for but has not begun, or never will
		s, unknown := p.Desk.Started(r.Context(), r.PathValue("run"))
		if unknown == nil && who.Plan(s.Plan) {
			if !who.Whole(s.Plan) && s.Message != "" { // it may name a hidden device
				s.Message = "Somebody who may see all of the plan is told why."
			}
			return answer{Title: "Run of " + s.Plan, page: "started.html", Data: s, Events: events}, nil
		}
	}
	if err != nil {
		return answer{}, err
	}
	a := answer{Title: "Run of " + v.Plan, page: "run.html", Data: v}
	if !v.Final {
		a.Events = at(events, "run", v.ID)
	}
	return a, nil
}

func (p *pages) runDetail(ctx context.Context, who access.Sight, ref string) (v runPage, err error) {
	if v.RunDetail, err = p.Reads.Run(ctx, ref); err != nil {
		return v, err
	}
	if !who.Plan(v.Plan) {
		return v, notFound("there is no run " + ref)
	}
	whole := who.Whole(v.Plan)
	byCode := map[string]int{}
	if v.Details != nil {
		for t, err := range v.Details {
			if err != nil {
				return v, err
			}
			if !who.Device(v.Plan, t.Device) {
				whole = false // also if the plan had other devices at that time
				continue
			}
			if t.Final {
				v.Ended++
			}
			switch e, _ := status.Lookup(status.Code(t.Code)); {
			case !t.Final:
			case e.Class == status.ClassSuccess:
				v.Good++
			case !e.Neutral:
				byCode[t.Code]++
			}
			if len(v.Tasks) == tasksShown && rank(t) == 2 {
				v.Omitted++
				continue
			}
			v.Tasks = append(v.Tasks, t)
		}
	}
	if !whole { // texts about the whole run may name hidden devices
		v.History, v.Only, v.Staged, v.Restore = nil, "", nil, nil
		v.Stops = slices.DeleteFunc(v.Stops, func(s report.Stop) bool { return !who.Device(v.Plan, s.Device) })
	}
	slices.SortStableFunc(v.Tasks, func(a, b report.Task) int { return cmp.Compare(rank(a), rank(b)) })
	for code, n := range byCode {
		v.Advice = append(v.Advice, advice{code, n, adviceFor(code)})
	}
	slices.SortFunc(v.Advice, func(a, b advice) int { return cmp.Or(b.Tasks-a.Tasks, cmp.Compare(a.Code, b.Code)) })
	plans, err := p.Desk.Plans(ctx)
	v.Served = slices.ContainsFunc(plans, func(s report.ServedPlan) bool { return s.Running == v.ID })
	return v, err
}

// rank orders tasks: failures, tasks under way, the rest.
func rank(t report.Task) int {
	e, _ := status.Lookup(status.Code(t.Code))
	switch {
	case e.Bad():
		return 0
	case !t.Final && len(t.History) > 1:
		return 1
	}
	return 2
}

// lastOf returns the last entry of a history.
func lastOf(history []event.Status) (s event.Status) {
	if len(history) > 0 {
		s = history[len(history)-1]
	}
	return s
}
