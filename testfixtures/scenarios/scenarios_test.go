// Package scenarios holds one scenario for every status code of a task, those
// of the reference product's table and dprun's own, and plays them end to end.
package scenarios

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	hook "github.com/dprun/dprun/plugins/exec"
	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/plugins/sftp"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/plugins/wrong"
	"github.com/dprun/dprun/testfixtures/scenario"
)

var matrix = flag.Bool("matrix", false, "print one line for each code of the table, and how many were reached")

// results are what the matrix shows.
var results struct {
	sync.Mutex
	byCode map[string][]result
}

type result struct {
	file    string
	reached bool // with nothing else amiss
}

func bundled() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{"datapower": datapower.Plugin, "exec": hook.Plugin, "file": file.Plugin, "nfs": nfs.Plugin, "sftp": sftp.Plugin,
		"wrong": wrong.Plugin}
}

// TestMain serves the bundled plugins when the test binary is started as one.
func TestMain(m *testing.M) {
	pluginhost.ServeBundled(os.Args[1:], bundled())
	results.byCode = map[string][]result{}
	need.AtOnce(2)
	need.Signals()
	exit := m.Run()
	if *matrix && !printMatrix() && exit == 0 {
		exit = 1
	}
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(exit)
}

// built is the dprun program, built once where a scenario needs it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func dprun() (string, error) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "dprun-scenarios-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "dprun"), "github.com/dprun/dprun/cmd/dprun").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build dprun: %w: %s", err, out)
		}
	})
	return filepath.Join(built.dir, "dprun"), built.err
}

func TestEveryScenarioEndsAsItSays(t *testing.T) {
	t.Parallel()
	all := need.Value(scenario.LoadAll("."))(t)
	for _, s := range all {
		t.Run(strings.TrimSuffix(s.File, ".txtar"), func(t *testing.T) {
			t.Parallel()
			r := result{file: s.File}
			defer func() {
				results.Lock()
				defer results.Unlock()
				results.byCode[s.Code] = append(results.byCode[s.Code], r)
			}()
			if s.About == "" {
				t.Error("the file does not say what happens")
			}
			o := scenario.Play(t, s, scenario.Options{Bundled: bundled(), Dprun: dprun})
			if *golden.Update && !t.Failed() {
				need.Done(t, s.Update(o))
				need.Done(t, os.WriteFile(s.File, need.Value(s.Text())(t), 0o644))
			}
			for _, d := range s.Differences(o) { // also of what -update does not write
				t.Error(d)
			}
			r.reached = !t.Failed()
		})
	}
}

// TestEveryFileHasTheFormThatUpdateWrites: the header shows the site, and no
// history repeats the usual beginning.
func TestEveryFileHasTheFormThatUpdateWrites(t *testing.T) { // alone: -update also writes the files that are played
	for _, s := range need.Value(scenario.LoadAll("."))(t) {
		text := string(need.Value(s.Text())(t))
		switch now := string(need.Value(os.ReadFile(s.File))(t)); {
		case text == now:
		case *golden.Update:
			need.Done(t, os.WriteFile(s.File, []byte(text), 0o644))
		default:
			t.Errorf("%s: go test ./testfixtures/scenarios -run Form -update changes it (-now +then):\n%s", s.File, cmp.Diff(now, text))
		}
	}
}

// table is the reference product's codes, in the order of its table.
func table() []string { return taskCodes(status.OriginReference) }

// own is dprun's own codes of tasks.
func own() []string { return taskCodes(status.OriginOwn) }

func taskCodes(o status.Origin) []string {
	var out []string
	for _, e := range status.Catalogue() {
		if e.Origin == o && e.Level == status.LevelTask {
			out = append(out, string(e.Code))
		}
	}
	return out
}

func TestEveryTaskCodeHasAScenario(t *testing.T) {
	t.Parallel()
	all := need.Value(scenario.LoadAll("."))(t)
	for _, code := range append(table(), own()...) {
		if !slices.ContainsFunc(all, func(s *scenario.Scenario) bool { return s.Code == code }) {
			t.Errorf("%s has no scenario", code)
		}
	}
	for _, s := range all {
		if _, ok := status.Lookup(status.Code(s.Code)); !ok {
			t.Errorf("%s: %s is no status code", s.File, s.Code)
		}
	}
}

// printMatrix prints what was played, a line for each code of the table and
// then of dprun's own, and reports whether all of the table were reached.
func printMatrix() bool {
	results.Lock()
	defer results.Unlock()
	codes := table()
	var missing []string
	for _, code := range codes {
		word, files := verdict(code)
		if word != reached {
			missing = append(missing, code)
		}
		fmt.Printf("%-72s %-12s %s\n", code, word, files)
	}
	ownReached := 0
	for _, code := range own() {
		word, files := verdict(code)
		if word == reached {
			ownReached++
		}
		fmt.Printf("%-72s %-12s %s\n", code, word, files)
	}
	fmt.Printf("of dprun's own task codes, %d of %d\n", ownReached, len(own()))
	if len(missing) > 0 {
		fmt.Printf("missing: %s\n", strings.Join(missing, " "))
	}
	fmt.Printf("%d of %d codes reached\n", len(codes)-len(missing), len(codes))
	return len(missing) == 0
}

const reached = "reached"

// verdict says how the scenarios of a code ended, and which they are.
func verdict(code string) (word, files string) {
	found := results.byCode[code]
	if len(found) == 0 {
		return "NO SCENARIO", "-"
	}
	word = reached
	var names []string
	for _, r := range found {
		names = append(names, r.file)
		if !r.reached {
			word = "FAILED"
		}
	}
	slices.Sort(names)
	return word, strings.Join(names, ", ")
}
