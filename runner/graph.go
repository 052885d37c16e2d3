package runner

import (
	"context"

	"github.com/dprun/dprun/runner/graph"
	"github.com/dprun/dprun/runner/report"
)

// GraphRequest asks for the steps of a run.
type GraphRequest struct {
	Source Source
	Plan   string
	Only   string
}

// Graph gives the steps of a run and what waits for what, as far as that is
// known without contacting anything. It gives nothing and no error when the
// diagnostics say what is wrong with the plan.
func (r *Runner) Graph(ctx context.Context, q GraphRequest) (*report.Graph, *report.Result, error) {
	res := &report.Result{}
	_, p, spec, err := r.foresee(ctx, PreviewRequest{Source: q.Source, Plan: q.Plan, Only: q.Only, Offline: true}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	g := graph.Of(spec)
	return &g, res, nil
}
