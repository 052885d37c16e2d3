package runner

import (
	"context"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// ValidatePosted checks the text of a plan that somebody has sent, as
// [Plugins.Validate] checks a file. It uses only the text: it reads no file and
// no environment, and functions that read secrets are errors. Its memory use has
// no limit, and a short text can need much, so the caller must run it in a
// process of its own.
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
