package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// tools are the programs that tests of the documentation build, once.
var tools = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "dprun-docs-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := tools(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func build(pkg, name string, more ...string) (string, error) {
	dir, err := tools()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, name)
	cmd := exec.Command("go", append(append([]string{"build"}, more...), "-o", out, pkg)...)
	cmd.Dir = "../.."
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{pkg, string(text), err}
	}
	return out, nil
}

type buildError struct {
	what, output string
	err          error
}

func (e *buildError) Error() string {
	return "build " + e.what + ": " + e.err.Error() + "\n" + e.output
}

// dprun is the program itself.
var dprun = sync.OnceValues(func() (string, error) { return build("./cmd/dprun", "dprun") })

// poster is the program that stands whole in docs/writing-plugins.md. It is
// compiled as a package of the module that is not on disk.
var poster = sync.OnceValues(func() (string, error) {
	page, err := os.ReadFile("../writing-plugins.md")
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(page)
	if m == nil {
		return "", os.ErrNotExist
	}
	dir, err := tools()
	if err != nil {
		return "", err
	}
	text, overlay := filepath.Join(dir, "poster.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(text, m[1], 0o600); err != nil {
		return "", err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples", "plugins", "poster", "main.go"): text}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, body, 0o600); err != nil {
		return "", err
	}
	return build("./examples/plugins/poster", "dprun-plugin-poster", "-overlay", overlay)
})

// described is what a plugin's program says of itself.
func described(t *testing.T, program func() (string, error)) schema.Plugin {
	t.Helper()
	file := need.Value(program())(t)
	out := need.Value(exec.Command(file, "describe").Output())(t)
	var s schema.Plugin
	need.Done(t, json.Unmarshal(out, &s))
	return s
}

func TestTheDocumentedPluginIsInUsualForm(t *testing.T) {
	t.Parallel()
	for _, f := range fences(t, "go") {
		if f.fragment {
			continue
		}
		cmd := exec.Command("gofmt", "-d")
		cmd.Stdin = strings.NewReader(f.text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}

// TestFragmentsOfGoStandInTheExamples: what the documentation cites of the
// example plugins is what stands there.
func TestFragmentsOfGoStandInTheExamples(t *testing.T) {
	t.Parallel()
	var sources string
	for _, name := range []string{"main.go", "main_test.go"} {
		sources += readExample(t, filepath.Join("plugins", "memdir", name))
	}
	n := 0
	for _, f := range fences(t, "go") {
		if !f.fragment {
			continue
		}
		n++
		if !strings.Contains(sources, strings.TrimRight(f.text, "\n")) {
			t.Errorf("%s is not in examples/plugins/memdir:\n%s", f, f.text)
		}
	}
	if n == 0 {
		t.Error("no fragment of Go was found")
	}
}
