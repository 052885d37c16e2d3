package runner

import (
	"context"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// ValidatePosted checks a plan that somebody has sent, as [Plugins.Validate] does one
// that stands in a file, and looks at nothing but the text: no file is read or looked
// for, no environment, and functions that read secrets are errors. What it takes is not
// bounded: a short text can ask for much memory, so it belongs into a process of its own.
func (p *Plugins) ValidatePosted(ctx context.Context, name string, text []byte) (report.Posted, error) {
	var out report.Posted
	file, ds := plan.Parse(plan.Sources{Files: []plan.Source{{Name: name, Text: text}}}, p.version)
	if !ds.HasErrors() {
		schemas, err := p.schemas(ctx, file.RequiredTypes())
		if err != nil {
			return out, &Error{ExitPlugin, err}
		}
		c, more := plan.Compile(file, plan.Inputs{Schemas: schemas, Dir: "/", Now: time.Now(),
			Validate: func(reqs []plan.ValidateRequest) [][]schema.Diagnostic { return p.validate(ctx, reqs) }})
		if ds = append(ds, more...); !ds.HasErrors() {
			countHeld(&out.Validation, c)
		}
	}
	out.Diagnostics = ds.Sorted()
	out.Valid, out.Errors = !ds.HasErrors(), errorsIn(ds)
	out.Warnings = len(ds) - out.Errors
	return out, nil
}
