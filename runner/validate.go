package runner

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/graph"
	"github.com/dprun/dprun/runner/report"
)

// Validate checks a plan as far as that is possible without contacting anything,
// and counts what it holds. The error, an *[Error], says that a plugin is missing
// or broken; the diagnostics say what is wrong with the plan.
func (p *Plugins) Validate(ctx context.Context, src Source) (report.Validation, plan.Diagnostics, error) {
	loaded, ds, err := Load(ctx, src, p)
	if err != nil {
		return report.Validation{}, ds, err
	}
	v := report.Validation{Valid: !ds.HasErrors(), Errors: errorsIn(ds)}
	v.Warnings = len(ds) - v.Errors
	if v.Valid {
		countHeld(&v, loaded.Config)
	}
	return v, ds, nil
}

// Invalid returns the error for a plan that cannot be used. The caller shows the
// diagnostics.
func Invalid(l diag.List) *Error {
	n := errorsIn(l)
	with := "`dprun validate`"
	if slices.ContainsFunc(l, func(d diag.Diagnostic) bool { return d.Code == diag.SecretUnreadable }) {
		with = "`dprun plan`, which reads its secrets too"
	}
	what := "errors"
	if n <= 1 {
		n, what = 1, "error"
	}
	return errorf(ExitInvalid, "the plan is not valid (%d %s): nothing of it was contacted; correct it, and check it with %s", n, what, with)
}

func errorsIn(l diag.List) (n int) {
	for _, d := range l {
		if d.Severity == diag.Error {
			n++
		}
	}
	return n
}

// countHeld counts the parts of a plan file.
func countHeld(v *report.Validation, c *plan.Config) {
	v.Devices = len(c.Devices)
	labels := map[report.LabelCount]int{}
	groups := map[string]int{}
	for _, d := range c.Devices {
		for k, value := range d.Labels {
			labels[report.LabelCount{Label: k, Value: value}]++
		}
		if d.Group != "" {
			groups[d.Group]++
		}
	}
	for l, n := range labels {
		l.Devices = n
		v.Labels = append(v.Labels, l)
	}
	slices.SortFunc(v.Labels, func(a, b report.LabelCount) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Value, b.Value))
	})
	if len(groups) > 0 {
		v.Groups = groups
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if groups[g] == 1 {
			v.Single = append(v.Single, g)
		}
	}
	for _, p := range c.Plans {
		devices := map[string]bool{}
		for _, a := range p.Activities {
			for _, d := range a.Devices {
				devices[d.Name] = true
			}
		}
		v.Plans = append(v.Plans, report.PlanCount{Plan: p.Name, Activities: len(p.Activities), Destinations: len(p.Destinations), Devices: len(devices)})
	}
}

// GraphRequest asks for the steps of a run.
type GraphRequest struct {
	Source Source
	Plan   string
	Only   string
}

// Graph returns the steps of a run and their dependencies, as far as they are
// known without contacting anything. It returns neither a graph nor an error if
// the diagnostics say that the plan is wrong.
func (r *Runner) Graph(ctx context.Context, q GraphRequest) (*report.Graph, *report.Result, error) {
	res := &report.Result{}
	_, p, spec, err := r.foresee(ctx, PreviewRequest{Source: q.Source, Plan: q.Plan, Only: q.Only, Offline: true}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	g := graph.Of(spec)
	return &g, res, nil
}
