package plan_test

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
)

// compile compiles one plan text with the files beside it.
func compile(t testing.TB, text string, files map[string]string, change ...func(*plan.Inputs)) (*plan.Config, plan.Diagnostics) {
	t.Helper()
	fsys := fstest.MapFS{"plan.hcl": {Data: []byte(text)}}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	src, ds := plan.Load(fsys, ".", "")
	if ds.HasErrors() {
		t.Fatal(ds.Err())
	}
	f, parsed := plan.Parse(src, "0.1.0")
	in := plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans"}
	for _, c := range change {
		c(&in)
	}
	cfg, compiled := plan.Compile(f, in)
	return cfg, append(parsed, compiled...)
}

func render(ds plan.Diagnostics) string {
	var s string
	for _, d := range ds {
		s += diag.Text(d, diag.Style{}) + "\n"
	}
	return s
}

func TestFullExampleCompiles(t *testing.T) {
	t.Parallel()
	fsys := os.DirFS("testdata/valid/full")
	src, _ := plan.Load(fsys, ".", "")
	f, ds := plan.Parse(src, "0.1.0")
	cfg, more := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans"})
	if ds = append(ds, more...); len(ds) > 0 {
		t.Fatal(render(ds))
	}
	if len(cfg.Plans) != 1 || len(cfg.Devices) != 7 {
		t.Fatalf("%d plans, %d devices", len(cfg.Plans), len(cfg.Devices))
	}
}

// without leaves out the diagnostics of one code.
