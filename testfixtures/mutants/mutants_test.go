package mutants_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/mutants"
	"github.com/dprun/dprun/testfixtures/need"
)

// The test's program is every mutant's too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "__mutant" {
		mutants.Main(append(os.Args, "")[2])
	}
	os.Exit(inMemory(m.Run))
}

// inMemory runs the tests with temporary files in memory where the system has
// a place for that: they make some ten thousand.
func inMemory(run func() int) int {
	dir, err := os.MkdirTemp("/dev/shm", "dprun-mutants-")
	if err == nil {
		defer os.RemoveAll(dir)
		_ = os.Setenv("TMPDIR", dir)
	}
	return run()
}

// subject is a mutant, or the correct plugin.
func subject(t *testing.T, kind schema.Kind, mutant string) conformance.Subject {
	t.Helper()
	s := conformance.Subject{
		Start:   conformance.InProcess(mutants.Plugin(mutant, false), mutants.Options(mutant)...),
		Process: conformance.ProgramInClear(os.Args[0], "__mutant", mutant),
		Kind:    kind, Type: mutants.Name, Ordinary: 120_000, Large: 3 << 20,
	}
	if mutants.OnTheWire(mutant) {
		s.Process = nil // it would be the correct one
	}
	if kind == schema.KindSource {
		s.Config = cty.ObjectVal(map[string]cty.Value{"device": cty.StringVal("gw1"), "token": cty.StringVal("a-secret-token")})
		s.Work = &conformance.Work{Activity: "snapshot", Domain: mutants.Domain, Quiesce: true, Restore: true}
		return s
	}
	if kind == schema.KindHook {
		script := func(text string) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{"script": cty.StringVal(text), "token": cty.StringVal("a-secret-token")})
		}
		s.Config, s.Fails, s.Hangs = script("echo done"), script("exit 3"), script("sleep 100 & sleep 100")
		return s
	}
	s.Config = cty.ObjectVal(map[string]cty.Value{
		"directory": cty.StringVal(t.TempDir()), "token": cty.StringVal("a-secret-token"),
		"limits": cty.ObjectVal(map[string]cty.Value{"rate": cty.NumberIntVal(2)}),
	})
	return s
}

// failed runs every case, and gives the rules that did not hold and those that
// were not asked.
func failed(t *testing.T, s conformance.Subject) (failed, notAsked []string) {
	t.Helper()
	conformance.Run(t.Context(), conformance.Cases(s), func(r conformance.Result) {
		if !r.Passed {
			failed = append(failed, r.ID)
			t.Logf("%s: %v", r.ID, r.Log)
		}
		if r.NotAsked != "" {
			notAsked = append(notAsked, r.ID)
		}
	})
	return failed, notAsked
}

func TestEachMutantFailsTheOneRuleThatItBreaks(t *testing.T) {
	t.Parallel()
	free := make(chan struct{}, 16) // more than there are processors: much of a case is waiting
	var wg sync.WaitGroup
	for _, m := range mutants.All() {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if got, _ := failed(t, subject(t, m.Kind, m.Name)); !slices.Equal(got, []string{m.Fails}) {
				t.Errorf("%s: %s; found by %q, want %q alone", m.Name, m.Wrong, got, m.Fails)
			}
		})
	}
	wg.Wait()
}

func TestTheMendedPluginPassesAndEveryRuleIsAskedOfIt(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.Kind{schema.KindDestination, schema.KindHook, schema.KindSource} {
		if bad, notAsked := failed(t, subject(t, kind, "")); len(bad)+len(notAsked) > 0 && (len(bad) > 0 || !slices.Equal(notAsked, unasked[kind])) {
			t.Errorf("the correct %s fails %q, and is not asked %q", kind, bad, notAsked)
		}
	}
}

// unasked are the rules that cannot be asked of the correct plugin.
var unasked = map[schema.Kind][]string{schema.KindHook: {"config/values"}, schema.KindSource: {"config/values"}}

func TestTheMendedProgramPassesWithNothingWithinTheTest(t *testing.T) {
	t.Parallel()
	s := subject(t, schema.KindDestination, "")
	s.Start, s.Process = conformance.Program(os.Args[0], "__mutant"), nil
	if bad, notAsked := failed(t, s); len(bad) > 0 || !slices.Equal(notAsked, []string{"leaks/goroutines"}) {
		t.Errorf("the correct program fails %q, and is not asked %q", bad, notAsked)
	}
}

func TestADestinationThatOnlyStoresConforms(t *testing.T) {
	t.Parallel()
	s := subject(t, schema.KindDestination, "")
	s.Start, s.Process = conformance.InProcess(mutants.Narrow()), nil
	if bad, _ := failed(t, s); len(bad) > 0 {
		t.Errorf("it fails %q", bad)
	}
}

// A plugin that is wrong in the worst way is tried where backups are already.
func TestNothingIsClearedUpThatTheSuiteHasNotStored(t *testing.T) {
	t.Parallel()
	s := subject(t, schema.KindDestination, mutants.ListsAll)
	backup := filepath.Join(s.Config.GetAttr("directory").AsString(), "backup.zip")
	need.Done(t, os.WriteFile(backup, []byte("the only copy"), 0o600))
	cases := slices.DeleteFunc(conformance.Cases(s), func(c conformance.Case) bool { return c.ID != "check/report" && c.ID != "list/sorted" })
	conformance.Run(t.Context(), cases, func(r conformance.Result) {
		if r.Passed {
			t.Errorf("%s: nobody is told that the list is wrong", r.ID)
		}
	})
	need.Value(os.Stat(backup))(t)
}

func TestEveryRuleHasAMutant(t *testing.T) {
	t.Parallel()
	all := mutants.All()
	for _, r := range conformance.Rules() {
		if !slices.ContainsFunc(all, func(m mutants.Mutant) bool { return m.Fails == r.ID }) {
			t.Errorf("no mutant shows that %s finds anything", r.ID)
		}
	}
}
