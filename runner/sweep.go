package runner

import (
	"context"
	"time"

	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/report"
)

// SweepRequest asks to remove temporary files at a plan's destinations.
type SweepRequest struct {
	Source    Source
	Plan      string // the plan's name; empty: the only one of the file
	OlderThan time.Duration
}

// Sweep removes temporary files of stores that did not end well, whoever made
// them. It looks at everything that stands at the plan's destinations; no
// device is contacted. It gives nothing and no error when the diagnostics say
// what is wrong with the plan.
func (r *Runner) Sweep(ctx context.Context, q SweepRequest) ([]report.Swept, *report.Result, error) {
	res := &report.Result{}
	loaded, p, err := r.load(ctx, q.Source, q.Plan, Only{}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	host := r.startUnlockedHost()
	defer func() { _ = host.Close() }()
	exec := r.beside(loaded, p, execute.Options{Run: "sweep", Plugins: host})
	defer exec.Close()
	out := make([]report.Swept, 0, len(p.Destinations))
	for _, d := range p.Destinations {
		s := report.Swept{Destination: d.Address, Removed: []string{}}
		removed, err := exec.SweepAll(ctx, d.Address, q.OlderThan)
		s.Removed = append(s.Removed, removed...)
		if err != nil {
			s.Error = err.Error()
			res.ExitCode = graverExit(res.ExitCode, 1)
		}
		out = append(out, s)
		if ctx.Err() != nil {
			return out, res, ctx.Err()
		}
	}
	return out, res, nil
}
