package page

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// plansPage shows all plans of the server.
type plansPage struct {
	Plans  []report.ServedPlan
	Broken int
}

func (p *pages) plans(r *http.Request, who access.Sight) (answer, error) {
	all, err := p.plansFor(r.Context(), who)
	v := plansPage{}
	for _, s := range all {
		if s.Plan == "" && !who.All() || s.Plan != "" && !who.Plan(s.Plan) {
			continue
		}
		if s.Broken != nil {
			v.Broken++
		}
		v.Plans = append(v.Plans, s)
	}
	return answer{Title: "Plans", page: "plans.html", Data: v, Events: events}, err
}

// plansFor returns the plans, without texts that may name devices and plans hidden from
// the person.
func (p *pages) plansFor(ctx context.Context, who access.Sight) ([]report.ServedPlan, error) {
	all, err := p.Desk.Plans(ctx)
	if !who.All() {
		all = report.PlansFor(all, who.Whole)
	}
	return all, err
}

// planPage shows one plan.
type planPage struct {
	report.ServedPlan
	Coverage    *report.Coverage
	Unknown     string    // why the coverage is unknown
	Diagnostics diag.List // of the file as it is served
	Preview     *report.Preview
	Out         []report.PreviewTask // the tasks of the preview that take something out of service
	Form        form
	whole       bool // nothing in its file is hidden from the person
}

// served returns the plan that a request is about.
func (p *pages) served(r *http.Request, who access.Sight) (v planPage, err error) {
	file, name := r.FormValue("file"), r.FormValue("plan")
	all, err := p.plansFor(r.Context(), who)
	i := slices.IndexFunc(all, func(s report.ServedPlan) bool { return s.File == file && s.Plan == name })
	switch {
	case err != nil:
		return v, err
	case i < 0 || name == "" && !who.All() || name != "" && !who.Plan(name):
		return v, notFound("there is no plan " + name + " in " + file)
	}
	v.ServedPlan = all[i]
	v.whole = who.All() || !slices.ContainsFunc(all, func(s report.ServedPlan) bool { return s.File == file && !who.Whole(s.Plan) })
	return v, nil
}

func (p *pages) plan(r *http.Request, who access.Sight) (answer, error) {
	v, err := p.served(r, who)
	if err != nil {
		return answer{}, err
	}
	a := answer{Title: "Plan " + v.Plan, page: "plan.html"}
	if v.Plan == "" {
		a.Title = "File " + v.File
		a.Data = v
		return a, nil
	}
	src, err := p.Desk.Source(v.File)
	if err != nil {
		return answer{}, err
	}
	err = p.fresh(r.Context(), p.slots, func(f Fresh) error {
		c, res, err := f.Coverage(r.Context(), runner.CoverageRequest{Source: src, Plan: v.Plan})
		if res != nil {
			v.Diagnostics = res.Diagnostics
		}
		if v.Coverage = c; err == nil && c == nil {
			return errors.New("the plan is not valid")
		}
		return err
	})
	if !who.All() { // texts about other files may name hidden devices and plans
		v.Diagnostics = slices.DeleteFunc(v.Diagnostics, func(d diag.Diagnostic) bool { return !v.whole || d.Range == nil || d.Range.Filename != v.File })
	}
	switch {
	case err != nil && !v.whole:
		v.Unknown = "somebody who may see all of it is told why"
	case err != nil:
		v.Unknown = err.Error()
	case !who.Whole(v.Plan):
		v.Coverage.Subjects = slices.DeleteFunc(v.Coverage.Subjects, func(s report.CoverageSubject) bool { return !who.Device(v.Plan, s.Device) })
		v.Coverage.Count()
	}
	a.Data = v
	return a, nil
}

// schedulesPage shows what is due, and the results of what was due.
type schedulesPage struct {
	Plans []report.ServedPlan // plans with a schedule, the next one first
	Past  report.Firings
}

func (p *pages) schedules(r *http.Request, who access.Sight) (answer, error) {
	v := schedulesPage{}
	var err error
	if v.Past, err = p.Reads.Firings(r.Context(), rowsShown); err != nil {
		return answer{}, err
	}
	if v.Past.Server != nil && !who.All() {
		v.Past.Server.Broken = nil
	}
	v.Past.Due = slices.DeleteFunc(v.Past.Due, func(f report.Firing) bool { return !who.Plan(f.Plan) })
	for i, f := range v.Past.Due {
		if !who.Whole(f.Plan) { // it may name hidden devices
			v.Past.Due[i].Message = ""
		}
	}
	all, err := p.Desk.Plans(r.Context())
	for _, s := range all {
		if who.Plan(s.Plan) && s.Next != nil {
			v.Plans = append(v.Plans, s)
		}
	}
	slices.SortStableFunc(v.Plans, func(a, b report.ServedPlan) int { return a.Next.Start.Compare(b.Next.Start) })
	return answer{Title: "Schedules", page: "schedules.html", Data: v, Events: events}, err
}

// evidencePage is a list of records.
type evidencePage struct {
	Records []report.EvidenceRecord
	More    bool
}

func (p *pages) evidence(_ *http.Request, who access.Sight) (answer, error) {
	v := evidencePage{}
	for e, err := range p.Reads.Evidence() {
		if err != nil {
			return answer{}, err
		}
		if !who.All() && !who.Whole(e.Plan) {
			continue
		}
		if v.More = len(v.Records) == 2*rowsShown; v.More {
			break
		}
		v.Records = append(v.Records, e)
	}
	return answer{Title: "Evidence", page: "evidence.html", Data: v}, nil
}
