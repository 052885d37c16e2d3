package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestCommittedPagesAreUpToDate(t *testing.T) {
	t.Parallel()
	for _, p := range pages() {
		got, err := os.ReadFile(filepath.Join("..", p.file))
		if err != nil {
			t.Errorf("%v; run `go run ./docs/gen`", err)
			continue
		}
		want, err := p.content(got)
		if err != nil {
			t.Errorf("docs/%s: %v", p.file, err)
			continue
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("docs/%s is not what `go run ./docs/gen` writes (-generated +committed):\n%s", p.file, d)
		}
	}
}

func TestEveryBundledPluginIsOnItsPage(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	pluginsPage(&b, schemas()...)
	for _, p := range schemas() {
		var headings []string
		for _, s := range p.Sources {
			headings = append(headings, `device "`+s.Name+`"`)
			for _, a := range s.Activities {
				headings = append(headings, `activity "`+a.Name+`"`)
			}
		}
		for _, d := range p.Destinations {
			headings = append(headings, `destination "`+d.Name+`"`)
		}
		for _, h := range p.Hooks {
			headings = append(headings, `script "`+h.Name+`"`)
		}
		if len(headings) == 0 {
			t.Errorf("plugin %s offers nothing", p.Name)
		}
		for _, h := range headings {
			if !strings.Contains(b.String(), "\n### "+h+"\n") {
				t.Errorf("no section %q", h)
			}
			if _, shown := texts[strings.ReplaceAll(h, `"`, "")]; !shown {
				t.Errorf("no example of %s", h)
			}
		}
	}
}

func TestEveryDiagnosticHasATableRowAndAnAnchor(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	diagnosticsPage(&b, diag.Catalogue())
	for _, e := range diag.Catalogue() {
		c := string(e.Code)
		if strings.Count(b.String(), "\n| ["+c+"](#"+c+") |") != 1 || strings.Count(b.String(), "\n## "+c+"\n") != 1 {
			t.Errorf("%s is not once in the table and once a heading", c)
		}
	}
}

func TestEveryFunctionIsDescribed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	functionsPage(&b, functions())
	if n := strings.Count(b.String(), "\n| `"); n != len(functions()) {
		t.Errorf("%d rows for %d functions", n, len(functions()))
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("no description: %s", line)
		}
	}
	for name := range undescribed {
		if _, ok := functions()[name]; !ok {
			t.Errorf("%s is described and is no function", name)
		}
	}
}

func TestEveryCodeHasATableRowAndAnAnchor(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	statusCodes(&b, status.Catalogue())
	page := b.String()
	for _, e := range status.Catalogue() {
		c := string(e.Code)
		if n := strings.Count(page, "\n| ["+c+"](#"+strings.ToLower(c)+") |"); n != 1 {
			t.Errorf("%s stands in %d tables, want 1", c, n)
		}
		if n := strings.Count(page, "\n### "+c+"\n"); n != 1 {
			t.Errorf("%s has %d headings, want 1", c, n)
		}
	}
}

// TestEveryCodeThatIsNotWellIsInOneList: somebody looks for a code in the lists
// on top of the page.
func TestEveryCodeThatIsNotWellIsInOneList(t *testing.T) {
	t.Parallel()
	in := map[status.Code]int{}
	for _, l := range statusLists() {
		for _, c := range l.codes {
			in[c]++
			if _, ok := status.Lookup(c); !ok {
				t.Errorf("%s: %s is no code", l.title, c)
			}
		}
	}
	for _, e := range status.Catalogue() {
		want := 1
		if e.Class == status.ClassInterim || e.Class == status.ClassSuccess {
			want = 0
		}
		if in[e.Code] != want {
			t.Errorf("%s is in %d lists, want %d", e.Code, in[e.Code], want)
		}
	}
}

func TestPhasesDrawRunsTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []int
		want string
	}{
		{[]int{0}, "0"},
		{[]int{6, 8}, "6, 8"},
		{[]int{1, 2}, "1, 2"},
		{[]int{0, 3, 4, 5, 6, 7, 8}, "0, 3–8"},
	} {
		if got := phases(c.in); got != c.want {
			t.Errorf("phases(%v) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestPluginsPageTellsWhatASchemaSays(t *testing.T) {
	t.Parallel()
	least, most := 60.0, 600.0
	p := schema.Plugin{
		Name: "vault", Doc: "Stores in a vault.", Env: []string{"VAULT_ADDR"},
		Sources: []schema.SourceType{{Name: "box", Activities: []schema.Activity{{
			Name: "copy", Scope: schema.ScopeDomain, Quiesce: []string{"domain"}, Exclusive: true,
		}}}},
		Destinations: []schema.DestinationType{{Name: "vault", Config: schema.Block{
			Attributes: []schema.Attribute{
				{Name: "host", Type: schema.Type{Type: cty.String}, Required: true, Doc: "The server.\nBy name."},
				{Name: "mode", Type: schema.Type{Type: cty.String}, OneOf: []string{"a", "b"}, Default: "a|b"},
				{Name: "wait", Type: schema.Type{Type: cty.String}, Format: schema.FormatDuration, Min: &least, Max: &most},
				{Name: "tags", Type: schema.Type{Type: cty.Map(cty.List(cty.Bool))}, Deprecated: "use labels."},
				{Name: "key", Type: schema.Type{Type: cty.String}, Sensitive: true},
			},
			ExactlyOne: [][]string{{"key", "tags"}},
			Blocks:     []schema.Nested{{Name: "tls", Nesting: schema.NestingSingle}},
		}}},
		Hooks: []schema.HookType{{Name: "call"}},
	}
	var b bytes.Buffer
	pluginsPage(&b, p)
	page := b.String()
	for _, want := range []string{
		"## Plugin vault\n\nStores in a vault.\n",
		"`VAULT_ADDR`",
		"### device \"box\"\n",
		"### activity \"copy\"\n",
		"One task for every device and domain. `quiesce`: `none`, `domain`. Takes the device alone.\n",
		"### destination \"vault\"\n",
		"| `host` | string | required | The server. By name. |\n",
		"| `mode` | string | `a\\|b` | One of `a`, `b`. |\n",
		"| `wait` | duration |  | From 60 s to 600 s. |\n",
		"| `tags` | map(list(bool)) |  | Deprecated: use labels. |\n",
		"| `key` | string |  | Sensitive. |\n",
		"Exactly one of `key`, `tags`.\n",
		"Block `tls`, at most once.\n\n`config.tls` takes no arguments.\n",
		"### script \"call\"\n\n`config` takes no arguments.\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// TestEveryBundledPluginHasAJSONSchema: it is valid by the draft that it names.
func TestEveryBundledPluginHasAJSONSchema(t *testing.T) {
	t.Parallel()
	for _, p := range schemas() {
		c := jsonschema.NewCompiler()
		text := need.Value(p.JSONSchema())(t)
		need.Done(t, c.AddResource("plugin.json", need.Value(jsonschema.UnmarshalJSON(bytes.NewReader(text)))(t)))
		if s, err := c.Compile("plugin.json"); err != nil || s.DraftVersion != 2020 {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
