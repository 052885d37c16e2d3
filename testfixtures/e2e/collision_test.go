package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestSetsOfOneMillisecondAreNotTakenForEachOther: two runs whose tasks start
// in the same millisecond have the same stamp, and with a path that does not
// tell them apart their sets go to one place. The first keeps it. The other one
// fails, though every byte were the same, and keeps its files in staging.
func TestSetsOfOneMillisecondAreNotTakenForEachOther(t *testing.T) {
	t.Parallel()
	plan := func(name, device, activity string) string {
		return `
destination "file" "one" {
  path     = "sets"
  min_free = "1%"
  config { directory = "backups" }
}
plan "` + name + `" {
  destinations = [destination.file.one]
  activity "` + activity + `" "x" {
    devices = ["` + device + `"]
` + map[string]string{"export_domain": `    domains = ["app01"]`}[activity] + `
  }
}
`
	}
	for name, c := range map[string]struct {
		second, activity string
	}{
		"the same content":                {"a", "export_domain"},
		"another device's content":        {"b", "export_domain"},
		"the same content of all domains": {"a", "export_all_domains"},
		"another device's of all domains": {"b", "export_all_domains"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "a", AppDomains: 1}, {Name: "b", AppDomains: 1}}})
			apply := func(plan string) *report.Result {
				s.write("plan.hcl", devices+plan)
				return s.run(func(r *runner.Runner) (*report.Result, error) {
					return r.Apply(t.Context(), s.request())
				})
			}
			if res := apply(plan("first", "a", c.activity)); res.ExitCode != 0 {
				t.Fatalf("the first run: exit %d, %+v", res.ExitCode, res.Summary)
			}
			before := contents(t, s.dir+"/backups")
			if len(before) != 2 {
				t.Fatalf("the first run stored %v", files(t, s.dir+"/backups"))
			}
			s.clock = manualclock.New(night) // the same millisecond again
			res := apply(plan("second", c.second, c.activity))
			if res.ExitCode != 1 || len(res.Summary.Tasks) != 1 {
				t.Fatalf("the second run: exit %d, %+v", res.ExitCode, res.Summary)
			}
			task := res.Summary.Tasks[0]
			if !strings.Contains(task.Message, "there already") || !strings.Contains(task.Message, "sets/") {
				t.Errorf("%s: %s: want what stands there already", task.Code, task.Message)
			}
			after := contents(t, s.dir+"/backups")
			for f, was := range before {
				if after[f] != was {
					t.Errorf("%s is not what the first run stored", f)
				}
			}
			if len(after) != len(before) {
				t.Errorf("beside the first run's set there is more: %v", files(t, s.dir+"/backups"))
			}
			if staged := files(t, s.dir+"/state/staging"); !slices.ContainsFunc(staged, func(f string) bool { return strings.HasSuffix(f, ".zip") }) {
				t.Errorf("what the second run captured is not in staging: %v", staged)
			}
		})
	}
}

// contents are the files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range files(t, dir) {
		b := need.Value(os.ReadFile(filepath.Join(dir, f)))(t)
		out[f] = string(b)
	}
	return out
}
