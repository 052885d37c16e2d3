package runner

import (
	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/signing"
)

// keysOf gives the keys of a plan's signing block; nil: it has none, or there is no plan. What is wrong
// with them is found before anything is contacted.
func (r *Runner) keysOf(loaded *Loaded, p *plan.Plan) (*signing.Keys, error) {
	if p == nil {
		return nil, nil
	}
	keys, err := record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact).Signing()
	if err != nil {
		return nil, errorf(ExitInvalid, "plan %s: %w", p.Name, err)
	}
	return keys, nil
}
