package skeleton_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/skeleton"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestWhatIsWrittenKeepsEveryRule builds the plugins against this tree, and runs
// their own tests. Nothing is downloaded.
func TestWhatIsWrittenKeepsEveryRule(t *testing.T) {
	t.Parallel()
	root := need.Value(filepath.Abs("../.."))(t)
	for kind, wants := range map[string]string{"destination": "store/overwrite", "hook": "hook/deadline"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "mine")
			names := need.Value(skeleton.Write(dir, skeleton.Plugin{Kind: kind, Name: "mine_too", Go: "1.26.0", Version: "v0.0.0", Replace: root}))(t)
			if !slices.Contains(names, ".github/workflows/ci.yml") || !slices.Contains(names, "README.md") || !slices.Contains(names, "main_test.go") {
				t.Errorf("it writes %q", names)
			}
			run := func(args ...string) string {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			if out := run("gofmt", "-l", "."); out != "" {
				t.Errorf("gofmt would change %s", out)
			}
			run("go", "vet", "./...")
			out := run("go", "test", "-count=1", "-v", "./...")
			if !strings.Contains(out, "--- PASS: TestConformance/"+wants) || strings.Contains(out, "not asked: the plugin is") {
				t.Errorf("its test does not look at every rule:\n%s", out)
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("mine"), 0o600))
	if names, err := skeleton.Write(dir, skeleton.Plugin{Kind: "hook", Name: "mine"}); err == nil || len(names) > 0 {
		t.Errorf("it wrote %q into a directory that is not empty, %v", names, err)
	}
	entries := need.Value(os.ReadDir(dir))(t)
	if text := need.Value(os.ReadFile(filepath.Join(dir, "README.md")))(t); string(text) != "mine" || len(entries) != 1 {
		t.Errorf("it left %v, %q", entries, text)
	}
}
