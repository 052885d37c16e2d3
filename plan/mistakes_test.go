package plan_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
)

// What is said of a typical mistake is a text that somebody reads at night:
// it says what is wrong, where, why, and what to do. It is kept whole, so that
// a change of it is seen.
func TestTypicalMistakesAreToldInFull(t *testing.T) {
	t.Parallel()
	dirs := need.Value(os.ReadDir("testdata/mistakes"))(t)
	for _, d := range dirs {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata/mistakes", d.Name())
			fsys := os.DirFS(dir)
			src, _ := plan.Load(fsys, ".", "")
			f, ds := plan.Parse(src, "0.1.0")
			_, compiled := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans"})
			var got string
			for _, d := range append(ds, compiled...) {
				got += diag.Text(d, diag.Style{Width: 100}) + "\n"
			}
			golden.Same(t, filepath.Join(dir, "said.txt"), got)
		})
	}
}
