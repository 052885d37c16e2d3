package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestACodeIsRenamedWhereverItStands(t *testing.T) {
	t.Parallel()
	old, longer := string(status.WaitingForPermit), string(status.WaitingForPermit)+"_SETTLE"
	before := map[string]string{
		"codes.go":                         `const W Code = "` + old + `"`,
		"scenarios/" + old + ".txtar":      "history = [\n  \"" + old + "\",\n]\n",
		"scenarios/" + old + ".late.txtar": "it is late\n",
		"docs/page.md":                     "`" + old + "`, not " + longer,
		"other.md":                         "nothing of it",
		"CHANGELOG.md":                     old + " is new",
		".git/packed":                      old,
		"bin/dprun":                        old,
		"program":                          "\x00" + old,
	}
	dir := t.TempDir()
	for name, text := range before {
		path := filepath.Join(dir, filepath.FromSlash(name))
		need.Done(t, os.MkdirAll(filepath.Dir(path), 0o700))
		need.Done(t, os.WriteFile(path, []byte(text), 0o600))
	}
	changed := need.Value(rename(dir, old, "EXECUTION_NEW"))(t)
	want := map[string]string{}
	for name, text := range before {
		switch name {
		case "codes.go", "docs/page.md":
			text = strings.Replace(text, old, "EXECUTION_NEW", 1)
		case "scenarios/" + old + ".txtar":
			name, text = "scenarios/EXECUTION_NEW.txtar", strings.Replace(text, old, "EXECUTION_NEW", 1)
		case "scenarios/" + old + ".late.txtar":
			name = "scenarios/EXECUTION_NEW.late.txtar"
		}
		want[name] = text
	}
	got := map[string]string{}
	need.Done(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			name, _ := filepath.Rel(dir, path)
			got[filepath.ToSlash(name)] = string(need.Value(os.ReadFile(path))(t))
		}
		return err
	}))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if len(changed) != 4 {
		t.Errorf("changed: %v, want 4 files", changed)
	}
}

func TestWhatOthersGoByIsNotRenamed(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"NO_SUCH_CODE", "X", "catalogue"},
		{string(status.ExecutionStarted), "X", "reference product"},
		{string(status.DomainVanished), "X", "end in it"},
		{string(status.WaitingForPermit), "with blanks", "written like a code"},
		{string(status.WaitingForPermit), string(status.Success), "another code"},
	} {
		if err := allowed(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s to %s: %v, want something about %q", c[0], c[1], err, c[2])
		}
	}
}
