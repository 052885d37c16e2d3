package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dprun/dprun/"

// rooms are beside the table: a room, which is a path prefix, and what its
// packages may depend on, directly or through others.
var rooms = map[string][]string{
	"examples":           {"examples", "sdk"},
	"testfixtures/dpsim": {"testfixtures/dpsim"},
	"plugins":            {"plugins", "sdk"},
}

// heavy is what the leaves and the language must not drag in.
var heavy = map[string][]string{
	"sdk/failure": {"google.golang.org/grpc", "github.com/hashicorp/go-plugin", "github.com/hashicorp/hcl"},
	"sdk/schema":  {"google.golang.org/grpc", "github.com/hashicorp/go-plugin", "github.com/hashicorp/hcl", "net/http", "os/exec"},
	"plan":        {"google.golang.org/grpc", "github.com/hashicorp/go-plugin", "net/http", "os/exec"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func listed(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var ps []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// in reports whether a path of the module is a room or below it.
func in(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// ours gives the packages of the module in a list, as paths in it.
func ours(imports []string) (out []string) {
	for _, i := range imports {
		if rel, ok := strings.CutPrefix(i, module); ok {
			out = append(out, rel)
		}
	}
	return out
}

func TestEveryPackageImportsOnlyWhatItsRowLists(t *testing.T) {
	t.Parallel()
	rows := map[string]Row{}
	for _, r := range Rows() {
		rows[r.Package] = r
	}
	seen := map[string]bool{}
	for _, p := range listed(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !slices.ContainsFunc([]string{"cmd", "plan", "runner", "plugins", "sdk"}, func(room string) bool { return in(path, room) }) {
			continue
		}
		row, known := rows[path]
		if !known {
			t.Errorf("%s has no row in table.go: say there what it holds and may import", path)
		}
		seen[path] = true
		for _, i := range ours(p.Imports) {
			if !slices.Contains(row.Imports, i) {
				t.Errorf("%s imports %s, which its row in table.go does not list", path, i)
			}
		}
	}
	for path := range rows {
		if !seen[path] {
			t.Errorf("there is no package %s: remove its row", path)
		}
	}
}

func TestImportsRunDownwards(t *testing.T) {
	t.Parallel()
	floors := map[string]int{}
	for _, r := range Rows() {
		for _, i := range r.Imports {
			if to, below := floors[i]; !below || to >= r.Floor {
				t.Errorf("%s (floor %d) may import %s, which is not on a lower floor", r.Package, r.Floor, i)
			}
		}
		if _, twice := floors[r.Package]; twice {
			t.Errorf("%s has two rows", r.Package)
		}
		floors[r.Package] = r.Floor
	}
}

func TestRoomsDependOnNothingElse(t *testing.T) {
	t.Parallel()
	for _, p := range listed(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for room, may := range rooms {
			for _, d := range ours(p.Deps) {
				if in(path, room) && !slices.ContainsFunc(may, func(m string) bool { return in(d, m) }) {
					t.Errorf("%s depends on %s", path, d)
				}
			}
		}
		for room, kept := range heavy {
			for _, d := range p.Deps {
				if in(path, room) && slices.ContainsFunc(kept, func(h string) bool { return in(d, h) }) {
					t.Errorf("%s drags in %s", path, d)
				}
			}
		}
	}
}

func TestPluginsImportOnlyTheSDKAsAThirdPartyWould(t *testing.T) {
	t.Parallel()
	for _, p := range listed(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"plugins/")
		if rel == p.ImportPath {
			continue
		}
		own, _, _ := strings.Cut(rel, "/")
		for _, d := range p.Deps {
			if strings.HasPrefix(d, module+"plugins/") && !strings.HasPrefix(d, module+"plugins/"+own) {
				t.Errorf("%s depends on another plugin: %s", p.ImportPath, d)
			}
		}
	}
}

// TestTheFastTestsCompileLittle: most of the time of `make test-fast` is the
// compiler's, on a fresh clone.
func TestTheFastTestsCompileLittle(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(makefile), "\nFAST = ")
	list, _, _ = strings.Cut(strings.ReplaceAll(list, "\\\n", ""), "\n")
	cmd := exec.Command("go", append([]string{"list", "-deps", "-test"}, strings.Fields(list)...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	compiled := strings.Fields(string(out))
	for _, d := range compiled {
		for _, h := range []string{"modernc.org", "github.com/danielgtaylor/huma", "github.com/pb33f", "github.com/coreos/go-oidc", "github.com/chromedp", "github.com/pkg/sftp", "github.com/wneessen/go-mail",
			"golang.org/x/tools", "golang.org/x/net/html", module + "runner/journal", module + "testfixtures/dpsim"} {
			if in(d, h) {
				t.Errorf("make test-fast compiles %s: take the package that needs it out of FAST", d)
			}
		}
	}
	for _, core := range []string{"plan", "plan/window", "runner/backups", "runner/engine", "runner/graph", "runner/lifecycle", "runner/retention", "runner/schedule", "runner/status", "cmd/dprun/view"} {
		if !slices.Contains(compiled, module+core+".test") {
			t.Errorf("make test-fast leaves %s out, which belongs to the core", core)
		}
	}
}
