package plan_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

var (
	wantLine = regexp.MustCompile(`# want: (\S+) "((?:[^"\\]|\\.)*)"(?: suggest (\S+))?`)
	wantAt   = regexp.MustCompile(`# want-at: (\S+:\d+) (\S+) (.*)`)
	wantBare = regexp.MustCompile(`# want-bare: (\S+)`)
	envArg   = regexp.MustCompile(`# env: (\w+)=(.*)`)
	varArg   = regexp.MustCompile(`# var: (\w+)=(.*)`)
)

// expectation is one diagnostic as a fixture announces it.
type expectation struct{ place, code, text, suggestion string }

type noSecrets struct{}

func (noSecrets) ReadSecret(plan.SecretRef) (string, error) { return "", errors.New("no such file") }

// plugin is the plugins' own check: it has opinions about some values.
func plugin(rs []plan.ValidateRequest) [][]schema.Diagnostic {
	out := make([][]schema.Diagnostic, len(rs))
	for i, r := range rs {
		if r.Kind != "source" || r.Activity != "" {
			continue
		}
		if r.Config.GetAttr("password").IsKnown() {
			panic("a plugin's check was given a secret")
		}
		if r.Config.GetAttr("host").RawEquals(cty.StringVal("reject")) {
			out[i] = append(out[i], schema.Diagnostic{Severity: schema.SeverityError, Summary: "Unlucky host", Detail: "Not this one.", Path: []string{"host"}})
		}
		if r.Config.GetAttr("username").RawEquals(cty.StringVal("advise")) {
			out[i] = append(out[i], schema.Diagnostic{Severity: schema.SeverityWarning, Summary: "Unlucky user", Detail: "Rather not.", Path: []string{"username"}})
		}
	}
	return out
}

// unreadable finds every file but those that are called missing.
func unreadable(path string, _ schema.Format) error {
	if filepath.Base(path) == "missing" {
		return fmt.Errorf("%s does not exist", path)
	}
	return nil
}

func fixtureFS(t *testing.T, entry fs.DirEntry) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	root := filepath.Join("testdata/invalid", entry.Name())
	names := []string{""}
	if entry.IsDir() {
		names = nil
		list := need.Value(os.ReadDir(root))(t)
		for _, e := range list {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		b := need.Value(os.ReadFile(filepath.Join(root, name)))(t)
		if name == "" {
			name = "plan.hcl"
		}
		fsys[name] = &fstest.MapFile{Data: b}
	}
	return fsys
}

func TestWrongPlansGetTheirDiagnosticAtItsLine(t *testing.T) {
	t.Parallel()
	entries := need.Value(os.ReadDir("testdata/invalid"))(t)
	var mu sync.Mutex
	// See TestLoad…, lockfile_test.go; SecretFileOpen is the runner's.
	seen := map[diag.Code]bool{diag.FileUnreadable: true, diag.NoPlanFile: true, diag.InvalidLock: true, diag.PluginNotLocked: true, diag.SecretFileOpen: true}
	t.Run("fixtures", func(t *testing.T) {
		for _, entry := range entries {
			t.Run(entry.Name(), func(t *testing.T) {
				t.Parallel()
				for _, code := range checkFixture(t, fixtureFS(t, entry)) {
					mu.Lock()
					seen[code] = true
					mu.Unlock()
				}
			})
		}
	})
	for _, e := range diag.Catalogue() {
		if !seen[e.Code] {
			t.Errorf("no fixture for %s", e.Code)
		}
	}
}

func checkFixture(t *testing.T, fsys fstest.MapFS) []diag.Code {
	var want []expectation
	in := plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans", Now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Unreadable: unreadable}
	expectNoPlan := false
	for name, file := range fsys {
		lines := bufio.NewScanner(bytes.NewReader(file.Data))
		for n := 1; lines.Scan(); n++ {
			line := lines.Text()
			if m := wantLine.FindStringSubmatch(line); m != nil {
				want = append(want, expectation{fmt.Sprintf("%s:%d", name, n), m[1], strings.ReplaceAll(m[2], `\"`, `"`), m[3]})
			}
			if m := wantAt.FindStringSubmatch(line); m != nil {
				want = append(want, expectation{m[1], m[2], m[3], ""})
			}
			if m := wantBare.FindStringSubmatch(line); m != nil {
				want = append(want, expectation{"", m[1], "", ""})
				expectNoPlan = expectNoPlan || m[1] == string(diag.NoPlan)
			}
			if m := varArg.FindStringSubmatch(line); m != nil {
				in.Vars.Args = append(in.Vars.Args, plan.VarArg{Name: m[1], Value: m[2]})
			}
			if m := envArg.FindStringSubmatch(line); m != nil {
				in.Vars.Env = map[string]string{m[1]: m[2]}
			}
			if line == "# plugin" {
				in.Validate = plugin
			}
			if line == "# secrets" {
				in.Secrets = noSecrets{}
			}
		}
	}
	src, ds := plan.Load(fsys, ".", "")
	f, parsed := plan.Parse(src, "0.1.0")
	_, compiled := plan.Compile(f, in)
	var codes []diag.Code
	var got []expectation
	for _, d := range append(append(ds, parsed...), compiled...) {
		if d.Code == diag.NoPlan && !expectNoPlan {
			continue
		}
		codes = append(codes, d.Code)
		e := expectation{code: string(d.Code), suggestion: d.Suggestion}
		if d.Range != nil {
			e.place = fmt.Sprintf("%s:%d", d.Range.Filename, d.Range.Start.Line)
			if d.Snippet == nil {
				t.Errorf("no snippet for %s", d.Error())
			}
		}
		// The announced text and suggestion are filled in when they agree.
		for _, w := range want {
			if w.place == e.place && w.code == e.code {
				if strings.Contains(d.Summary+" "+d.Detail, w.text) && e.text == "" {
					e.text = w.text
				}
				if w.suggestion == "" {
					e.suggestion = ""
				}
			}
		}
		if d.Detail == "" {
			t.Errorf("no detail: %s", d.Error())
		}
		got = append(got, e)
	}
	byText := func(a, b expectation) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(want, byText)
	slices.SortFunc(got, byText)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(expectation{})); diff != "" {
		t.Errorf("%s\n%s%s", diff, render(parsed), render(compiled))
	}
	return codes
}

func TestLoadSaysWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"empty/.dprun.lock.hcl": {}, "empty/x.dprunvars.hcl": {}, "one/a.hcl": {}, "one/b.hcl": {}, "one/c.auto.dprunvars.hcl": {}}
	for name, want := range map[string]diag.Code{"absent": diag.FileUnreadable, "empty": diag.NoPlanFile} {
		if _, ds := plan.Load(fsys, name, ""); len(ds) != 1 || ds[0].Code != want {
			t.Errorf("Load(%s): %v", name, ds)
		}
	}
	src, ds := plan.Load(fsys, "one", "")
	if len(ds) > 0 || len(src.Files) != 2 || src.Files[0].Name != "a.hcl" || len(src.AutoVars) != 1 {
		t.Errorf("%+v %v", src, ds)
	}
	src, _ = plan.Load(fsys, "one/b.hcl", "")
	if len(src.Files) != 1 || src.Files[0].Name != "b.hcl" || len(src.AutoVars) != 1 {
		t.Errorf("%+v", src)
	}
}
