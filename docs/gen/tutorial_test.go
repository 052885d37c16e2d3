package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

const tutorial = "plugin-tutorial.md"

// tutorialScript is the page as one script: its commands, and its Go written to
// the file that the block names.
func tutorialScript(t *testing.T) string {
	t.Helper()
	var page []fence
	for _, language := range []string{"sh", "go"} {
		for _, f := range fences(t, language) {
			if f.page == tutorial {
				page = append(page, f)
			}
		}
	}
	slices.SortFunc(page, func(a, b fence) int { return a.line - b.line })
	script := "set -e\ntrap 'test -z \"$simulator\" || kill \"$simulator\" 2>/dev/null || true' EXIT\n"
	for _, f := range page {
		switch {
		case f.language == "sh":
			script += f.text
		case f.file == "":
			t.Errorf("%s does not say which file it is", f)
		default:
			script += "cat > " + f.file + " <<'END OF FILE'\n" + f.text + "END OF FILE\n"
		}
	}
	return script
}

// TestTheTutorialEndsWithAPlanThatUsesThePlugin runs every command of the page,
// in its order, in one shell. Nothing is downloaded.
func TestTheTutorialEndsWithAPlanThatUsesThePlugin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	need.Done(t, os.Mkdir(bin, 0o700))
	need.Done(t, os.Symlink(need.Value(dprun())(t), filepath.Join(bin, "dprun")))
	need.Done(t, os.Symlink(need.Value(build("./testfixtures/dpsim/cmd/dpsim", "dpsim"))(t), filepath.Join(bin, "dpsim")))
	work := filepath.Join(dir, "work")
	need.Done(t, os.Mkdir(work, 0o700))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", tutorialScript(t))
	cmd.Dir, cmd.Env = work, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "DPRUN_STATE_DIR="+filepath.Join(dir, "state"),
		"DPRUN_SOURCE="+need.Value(filepath.Abs("../.."))(t), "GOFLAGS=", "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stored := map[string]int{}
	need.Done(t, filepath.WalkDir(filepath.Join(work, "backups"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info := need.Value(d.Info())(t)
			stored[filepath.Ext(name)+" "+info.Mode().String()]++
		}
		return err
	}))
	if stored[".zip -r--------"] != 2 || stored[".json -r--------"] != 3 || len(stored) != 2 {
		t.Errorf("it stored %v\n%s", stored, out)
	}
	for _, want := range []string{"plugins.example.com/tutorial/vault", "2 of 2 tasks succeeded", "persisted.zip: whole"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

// TestADestinationOverThePackageStoreIsShort: the tutorial's plugin, whole, with
// its imports.
func TestADestinationOverThePackageStoreIsShort(t *testing.T) {
	t.Parallel()
	for _, f := range fences(t, "go") {
		if f.page == tutorial && f.file == "main.go" {
			if n := strings.Count(f.text, "\n"); n > 80 {
				t.Errorf("%s has %d lines, more than 80", f, n)
			}
			return
		}
	}
	t.Error("the tutorial has no main.go")
}
