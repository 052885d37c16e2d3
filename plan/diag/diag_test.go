package diag_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/diag"
)

func TestCatalogueExplainsEveryCodeOnce(t *testing.T) {
	t.Parallel()
	seen := map[diag.Code]bool{}
	for _, e := range diag.Catalogue() {
		if seen[e.Code] {
			t.Errorf("%s is there twice", e.Code)
		}
		seen[e.Code] = true
		for _, text := range []string{e.Meaning, e.Cause, e.Fix} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is not a sentence", e.Code, text)
			}
		}
		if e.Summary == "" || strings.HasSuffix(e.Summary, ".") || e.Severity != diag.Error && e.Severity != diag.Warning {
			t.Errorf("%s: %+v", e.Code, e)
		}
		if got, ok := diag.Lookup(e.Code); !ok || got != e {
			t.Errorf("%s is not found", e.Code)
		}
	}
	if _, ok := diag.Lookup("nonsense"); ok {
		t.Error("an unknown code is explained")
	}
}

func TestSuggestFindsWhatWasMeant(t *testing.T) {
	t.Parallel()
	names := []string{"devices", "domains", "depends_on", "tls", "env", "port"}
	for given, want := range map[string]string{"device": "devices", "domain": "domains", "dependson": "depends_on", "tsl": "tls", "tln": "tls", "ten": "", "cert": "", "evn": "env", "zzz": "", "": "", "x": ""} {
		if got := diag.Suggest(given, names); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestTextCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	src := []byte("a = \"\x1b[2J\"\té b\n")
	r := diag.Range{Filename: "x\x1b.hcl", Start: diag.Pos{Line: 1, Column: 1}, End: diag.Pos{Line: 1, Column: 2, Byte: 1}}
	d := diag.Diagnostic{Severity: diag.Warning, Code: "c", Summary: "s\x1b", Detail: "a detail that is long enough to be wrapped", Range: &r, Snippet: diag.NewSnippet(src, r),
		Related: &diag.Related{Message: "there", Range: r}, Suggestion: "y"}
	got := diag.Text(d, diag.Style{Width: 24})
	if strings.ContainsRune(got, '\x1b') {
		t.Errorf("%q", got)
	}
	if !strings.Contains(got, "  a detail that is long\n  enough to be wrapped\n") {
		t.Error(got)
	}
	if coloured := diag.Text(d, diag.Style{Color: true}); !strings.Contains(coloured, "\x1b[1;33mWarning:") {
		t.Errorf("%q", coloured)
	}
}

func TestJSONFormIsStable(t *testing.T) {
	t.Parallel()
	r := diag.Range{Filename: "x.hcl", Start: diag.Pos{Line: 2, Column: 1, Byte: 4}, End: diag.Pos{Line: 2, Column: 3, Byte: 6}}
	b, err := json.Marshal(diag.Diagnostic{Severity: diag.Error, Code: diag.Syntax, Summary: "s", Detail: "d", Range: &r, Snippet: diag.NewSnippet([]byte("abc\ndef\n"), r)})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"severity":"error","code":"syntax-error","summary":"s","detail":"d","range":{"filename":"x.hcl","start":{"line":2,"column":1,"byte":4},"end":{"line":2,"column":3,"byte":6}},"snippet":{"code":"def","start_line":2,"highlight_start":0,"highlight_end":2}}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

func TestListIsSortedAndSaidOnce(t *testing.T) {
	t.Parallel()
	at := func(file string, b int) *diag.Range { return &diag.Range{Filename: file, Start: diag.Pos{Byte: b}} }
	l := diag.List{{Severity: diag.Warning, Range: at("b", 1)}, {Severity: diag.Error, Range: at("a", 9)}, {Severity: diag.Error, Range: at("a", 2)}, {Severity: diag.Error}, {Severity: diag.Error, Range: at("a", 2)}}
	var got []int
	for _, d := range l.Sorted() {
		if d.Range == nil {
			got = append(got, -1)
			continue
		}
		got = append(got, d.Range.Start.Byte)
	}
	if diff := cmp.Diff([]int{-1, 2, 9, 1}, got); diff != "" {
		t.Error(diff)
	}
	if !l.HasErrors() || l[:1].HasErrors() || l[:1].Err() != nil || l.Err() == nil {
		t.Error("errors and warnings are mixed up")
	}
}
