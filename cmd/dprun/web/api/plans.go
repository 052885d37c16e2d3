package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// PlanPath names a plan that is served.
type PlanPath struct {
	Plan string `path:"plan" minLength:"1" maxLength:"200" doc:"Its name"`
	File string `query:"file" maxLength:"1000" doc:"The file that it stands in; needed where two have a plan of that name"`
}

// plansFor returns the plans, without texts that may name devices and plans hidden from
// the caller.
func (a *api) plansFor(ctx context.Context, s sees) ([]report.ServedPlan, error) {
	all, err := a.Desk.Plans(ctx)
	if !s.All() {
		all = report.PlansFor(all, s.Whole)
	}
	return all, err
}

// served returns a plan that the caller may see.
func (a *api) served(ctx context.Context, s sees, q PlanPath) (found report.ServedPlan, err error) {
	all, err := a.plansFor(ctx, s)
	if err != nil {
		return found, err
	}
	n := 0
	for _, p := range all {
		if p.Plan == q.Plan && (q.File == "" || p.File == q.File) && s.Plan(p.Plan) {
			found, n = p, n+1
		}
	}
	switch n {
	case 0:
		return found, notThere("plan", q.Plan)
	case 1:
		return found, nil
	}
	return found, problemOf(http.StatusUnprocessableEntity, "Several files have a plan "+quoted(q.Plan)+".", "Say which one is meant, with file.")
}

// Covered says which subjects of a plan have a good backup, with all subjects.
type Covered struct {
	report.Coverage
	Subjects []report.CoverageSubject `json:"subjects"`
}

func (a *api) plans() {
	get(a, access.Viewer, quick(), "/plans", "listPlans", "The plans that are served, and the files that do not validate", func(ctx context.Context, s sees, _ *struct{}) (List[report.ServedPlan], error) {
		out := List[report.ServedPlan]{Items: []report.ServedPlan{}}
		all, err := a.plansFor(ctx, s)
		for _, p := range all {
			if p.Plan == "" && s.All() || p.Plan != "" && s.Plan(p.Plan) {
				out.Items = append(out.Items, p)
			}
		}
		return out, err
	})
	get(a, access.Viewer, quick(), "/plans/{plan}", "getPlan", "One plan", func(ctx context.Context, s sees, q *PlanPath) (report.ServedPlan, error) {
		return a.served(ctx, s, *q)
	})
	get(a, access.Viewer, quick(), "/overview", "getOverview", "What is down because of us, what runs and comes next, what has no young enough backup, what failed, and whether all that is true",
		func(ctx context.Context, s sees, _ *struct{}) (report.Overview, error) {
			if s.All() {
				return a.Desk.OverviewFor(ctx, nil), nil
			}
			return a.Desk.OverviewFor(ctx, func(plan, device string) bool {
				if device == "" {
					return s.Plan(plan)
				}
				return s.device(plan, device)
			}), nil
		})
	type coverageQuery struct {
		PlanPath
		MaxAge string `query:"max_age" maxLength:"20" doc:"How old the last good backup may be, such as 26h; absent: as old as it likes"`
	}
	get(a, access.Viewer, compiles(), "/plans/{plan}/coverage", "getCoverage", "What of a plan has a good backup that is young enough", func(ctx context.Context, s sees, q *coverageQuery) (Covered, error) {
		var most time.Duration
		if q.MaxAge != "" {
			var err error
			if most, err = time.ParseDuration(q.MaxAge); err != nil || most < 0 {
				return Covered{}, problemOf(http.StatusUnprocessableEntity, "max_age is no time: "+quoted(q.MaxAge)+".", "Write it such as 26h.")
			}
		}
		p, source, err := a.source(ctx, s, q.PlanPath)
		if err != nil {
			return Covered{}, err
		}
		return with(a, func(f Fresh) (Covered, error) {
			c, res, err := f.Coverage(ctx, runner.CoverageRequest{Source: source, Plan: p.Plan, MaxAge: most})
			if err != nil || c == nil {
				return Covered{}, a.unmade(ctx, s, p, res, err)
			}
			return coveredFor(s, *c), nil
		})
	})
	type previewQuery struct {
		PlanPath
		Only []string `query:"only" maxItems:"50" doc:"What narrows it, as --only of the command line: device=NAME, domain=NAME and so on"`
	}
	preview := func(method string, least access.Role, p pace, id, summary string, offline bool) {
		register(a, least, p, huma.Operation{Method: method, Path: Base + "/plans/{plan}/preview", OperationID: id, Summary: summary, Tags: []string{"plans"}, DefaultStatus: http.StatusOK},
			func(ctx context.Context, s sees, q *previewQuery) (*Reply[report.Preview], error) {
				p, source, err := a.source(ctx, s, q.PlanPath)
				if err == nil && !offline && !s.Whole(p.Plan) {
					err = notThere("plan", q.Plan)
				}
				if err != nil {
					return nil, err
				}
				return with(a, func(f Fresh) (*Reply[report.Preview], error) {
					v, res, err := f.Preview(ctx, runner.PreviewRequest{Source: source, Plan: p.Plan, Only: strings.Join(q.Only, ","), Offline: offline})
					if err != nil || v == nil {
						return nil, a.unmade(ctx, s, p, res, err)
					}
					out := *v
					if !s.Whole(p.Plan) {
						out.Tasks, out.TooShort, out.Unusable = nil, "", nil // they may name hidden devices
						for _, t := range v.Tasks {
							if s.device(p.Plan, t.Device) {
								out.Tasks = append(out.Tasks, t)
							}
						}
					}
					return &Reply[report.Preview]{out}, nil
				})
			})
	}
	preview(http.MethodGet, access.Viewer, compiles(), "getPreview", "What a run would do, as far as the plan alone tells: nothing is contacted", true)
	type validateRequest struct {
		Body struct {
			Text string `json:"text" maxLength:"262144" doc:"The text of one plan file"`
		}
	}
	register(a, access.Viewer, compiles(), huma.Operation{Method: http.MethodPost, Path: Base + "/validate", OperationID: "validate", Summary: "Check the text of a plan", Tags: []string{"validate"},
		Description:  "Nothing but the text is looked at: functions that read files or secrets are errors in it, and files that it names are not looked for.",
		MaxBodyBytes: 512 << 10, DefaultStatus: http.StatusOK},
		func(ctx context.Context, _ sees, q *validateRequest) (*Reply[report.Posted], error) {
			found, err := a.Check(ctx, q.Body.Text)
			return &Reply[report.Posted]{found}, err
		})
	preview(http.MethodPost, access.Operator, contacts(), "makePreview", "What a run would do now: devices and destinations are asked, and no secret is told", false)
}

// source returns a plan that the caller may see, and its text as it was checked.
func (a *api) source(ctx context.Context, s sees, q PlanPath) (p report.ServedPlan, src runner.Source, err error) {
	if p, err = a.served(ctx, s, q); err == nil {
		src, err = a.Desk.Source(p.File)
	}
	return p, src, err
}

// with calls do with a Runner of its own: the plugins that a plan locks, and the
// secrets that are removed from texts, belong to one plan at a time.
func with[T any](a *api, do func(Fresh) (T, error)) (out T, err error) {
	f, err := a.Open()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(f)
}

// unmade says why there is no report. It gives the reason only to callers who may see
// everything in the plan's file.
func (a *api) unmade(ctx context.Context, s sees, p report.ServedPlan, res *report.Result, err error) error {
	if err == nil {
		err = runner.Invalid(res.Diagnostics)
	}
	if !s.All() && runner.CodeOf(err) != 0 {
		all, unknown := a.Desk.Plans(ctx)
		if unknown != nil || slices.ContainsFunc(all, func(o report.ServedPlan) bool { return o.File == p.File && !s.Whole(o.Plan) }) {
			of := problemOf(http.StatusUnprocessableEntity, "The plan "+quoted(p.Plan)+" cannot be looked at.", "Ask somebody who may see all of its file: he is told why.")
			of.ExitCode = runner.CodeOf(err)
			return of
		}
	}
	if e := new(runner.Error); errors.As(err, &e) && res != nil && res.Diagnostics.HasErrors() {
		p := problemOf(http.StatusUnprocessableEntity, e.Error(), "Mend what the diagnostics say.")
		p.ExitCode, p.Diagnostics = e.ExitCode, res.Diagnostics
		return p
	}
	return err
}

// coveredFor removes what the caller may not see, and counts the rest.
func coveredFor(s sees, c report.Coverage) Covered {
	out := Covered{Coverage: c, Subjects: []report.CoverageSubject{}}
	if s.Whole(c.Plan) {
		out.Subjects = append(out.Subjects, c.Subjects...)
		return out
	}
	for _, x := range c.Subjects {
		if s.device(c.Plan, x.Device) {
			out.Subjects = append(out.Subjects, x)
		}
	}
	out.Coverage.Subjects = out.Subjects
	out.Count()
	return out
}
