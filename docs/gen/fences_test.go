package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// fence is one fenced block of a page. Blocks of HCL are complete plans, or
// with the word "fragment" parts of one. Another second word names the file
// that the block is.
type fence struct {
	page     string
	file     string
	line     int
	language string
	fragment bool
	text     string
}

var languages = []string{"cron", "go", "hcl", "json", "mermaid", "sh", "text"}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.page, f.line) }

func fences(t *testing.T, language string) []fence {
	t.Helper()
	var found []fence
	for name, page := range written(t) {
		var open *fence
		n := 0
		for line := range strings.Lines(page) {
			n++
			info, marked := strings.CutPrefix(strings.Trim(line, " \n"), "```")
			switch {
			case marked && open == nil:
				words := strings.Fields(info)
				open = &fence{page: filepath.Base(name), line: n}
				if len(words) > 0 {
					open.language, open.fragment = words[0], slices.Contains(words[1:], "fragment")
					if !slices.Contains(languages, open.language) {
						t.Errorf("%s: no test looks at blocks of %q; there are %v", open, open.language, languages)
					}
				}
				if len(words) > 1 && !open.fragment {
					open.file = words[1]
				}
			case marked:
				if open.language == language {
					found = append(found, *open)
				}
				open = nil
			case open != nil:
				open.text += line
			}
		}
		if open != nil {
			t.Errorf("%s: the block is not closed", open)
		}
	}
	slices.SortFunc(found, func(a, b fence) int { return strings.Compare(a.String(), b.String()) })
	return found
}

const examples = "../../examples"

// compile compiles a plan as `dprun validate` does, with the bundled plugins'
// schemas and their own checks; files are those of the examples.
func compile(t *testing.T, name, text string) (*plan.Config, plan.Diagnostics) {
	t.Helper()
	dir := need.Value(filepath.Abs(examples))(t)
	f, ds := plan.Parse(plan.Sources{Files: []plan.Source{{Name: name, Text: []byte(text)}}}, "0.1.0")
	types := offered()
	if strings.Contains(text, `"poster"`) {
		for _, x := range described(t, poster).Hooks {
			types.Hooks[x.Name] = x
		}
	}
	cfg, more := plan.Compile(f, plan.Inputs{Schemas: types, Files: os.DirFS(dir), Dir: dir, Validate: asked})
	return cfg, append(ds, more...)
}

func offered() plan.Schemas {
	s := plan.Schemas{Sources: map[string]schema.SourceType{}, Destinations: map[string]schema.DestinationType{}, Hooks: map[string]schema.HookType{}}
	for _, p := range schemas() {
		for _, x := range p.Sources {
			s.Sources[x.Name] = x
		}
		for _, x := range p.Destinations {
			s.Destinations[x.Name] = x
		}
		for _, x := range p.Hooks {
			s.Hooks[x.Name] = x
		}
	}
	return s
}

func asked(requests []plan.ValidateRequest) [][]schema.Diagnostic {
	out := make([][]schema.Diagnostic, len(requests))
	for i, r := range requests {
		kind := schema.Kind(r.Kind)
		if r.Activity != "" {
			kind = schema.KindActivity
		}
		for _, p := range bundled() {
			if slices.Contains(p.Schema().Types(schema.Kind(r.Kind)), r.Type) {
				ds, err := p.Validate(kind, r.Type, r.Activity, r.Config)
				if err != nil {
					ds = []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Cannot validate", Detail: err.Error()}}
				}
				out[i] = ds
			}
		}
	}
	return out
}

func said(ds plan.Diagnostics) string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString("\n" + diag.Text(d, diag.Style{}))
	}
	return b.String()
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	b := need.Value(os.ReadFile(filepath.Join(examples, name)))(t)
	return string(b)
}

func TestExamplePlansAreValid(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full.hcl", "nightly.hcl"} {
		text := readExample(t, name)
		cfg, ds := compile(t, name, text)
		if len(ds) > 0 {
			t.Errorf("%s:%s", name, said(ds))
		}
		if len(cfg.Plans) != 1 || len(cfg.Devices) != 7 {
			t.Errorf("%s: %d plans and %d devices", name, len(cfg.Plans), len(cfg.Devices))
		}
		if string(hclwrite.Format([]byte(text))) != text {
			t.Errorf("%s is not as `dprun fmt` writes it", name)
		}
	}
}

// TestPlansInTheDocumentationAreValid: a complete plan has neither errors nor
// warnings. A fragment of whole blocks is valid in examples/full.hcl, where it
// takes the place of what has the same name; any other fragment is at least HCL.
func TestPlansInTheDocumentationAreValid(t *testing.T) {
	t.Parallel()
	full := readExample(t, "full.hcl")
	all := fences(t, "hcl")
	if len(all) < 15 {
		t.Fatalf("only %d blocks of HCL were found", len(all))
	}
	for _, f := range all {
		if string(hclwrite.Format([]byte(f.text))) != f.text {
			t.Errorf("%s is not as `dprun fmt` writes it:\n%s", f, hclwrite.Format([]byte(f.text)))
		}
		if !f.fragment {
			if _, ds := compile(t, "plan.hcl", f.text); len(ds) > 0 {
				t.Errorf("%s:%s", f, said(ds))
			}
			continue
		}
		text, whole := graft(t, f, full)
		if !whole {
			continue
		}
		_, ds := compile(t, "plan.hcl", text)
		if ds.HasErrors() {
			t.Errorf("%s:%s", f, said(ds))
		}
	}
}

// graft puts a fragment's blocks into a plan. It answers false for a fragment
// of something smaller, and reports one that is no HCL.
func graft(t *testing.T, f fence, into string) (string, bool) {
	t.Helper()
	body := parse(t, f.String(), f.text)
	if body == nil || len(body.Attributes) > 0 {
		return "", false
	}
	top := []string{"dprun", "variable", "locals", "device", "pattern", "window", "retention", "script", "destination", "plan"}
	taken := map[string]bool{}
	for _, b := range body.Blocks {
		if !slices.Contains(top, b.Type) {
			return "", false
		}
		taken[b.Type+" "+strings.Join(b.Labels, " ")] = b.Type != "locals"
	}
	base := parse(t, "full.hcl", into)
	out := f.text
	for _, b := range base.Blocks {
		if !taken[b.Type+" "+strings.Join(b.Labels, " ")] {
			out += "\n" + into[b.TypeRange.Start.Byte:b.CloseBraceRange.End.Byte] + "\n"
		}
	}
	return out, true
}

func parse(t *testing.T, name, text string) *hclsyntax.Body {
	t.Helper()
	parsed, ds := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	if ds.HasErrors() {
		t.Errorf("%s: %v", name, ds)
		return nil
	}
	return parsed.Body.(*hclsyntax.Body)
}
