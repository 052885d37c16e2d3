package plan_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// FuzzParse feeds plan text to the whole language: whatever it is, the answer
// is a plan or diagnostics that can be drawn.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/invalid/*.hcl", "testdata/valid/full/*.hcl"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		src := plan.Sources{Files: []plan.Source{{Name: "plan.hcl", Text: text}}}
		file, parsed := plan.Parse(src, "0.1.0")
		file.RequiredTypes()
		_, compiled := plan.Compile(file, plan.Inputs{Schemas: schemas(), Files: fstest.MapFS{}, Dir: "/plans"})
		for _, d := range append(parsed, compiled...) {
			if d.Summary == "" || d.Code == "" {
				t.Errorf("an empty diagnostic: %+v", d)
			}
			diag.Text(d, diag.Style{Color: true, Width: 80})
		}
		hclwrite.Format(text)
	})
}
