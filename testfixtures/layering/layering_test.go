// Package layering asserts that imports run one way.
package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/dprun/dprun/"

// rules says for each room which other rooms of the module its packages may
// import, directly or through others. A room is a path prefix; the longest
// that fits counts.
var rules = map[string][]string{
	"sdk/failure":        {"sdk/failure"},
	"sdk/schema":         {"sdk/schema"},
	"sdk":                {"sdk", "sdk/schema", "sdk/failure"},
	"plan":               {"plan", "sdk/schema"},
	"runner":             {"runner", "runner/lifecycle", "runner/event", "plan", "sdk", "sdk/schema", "sdk/failure"},
	"runner/event":       {"runner/event", "sdk", "sdk/schema", "sdk/failure"},
	"runner/lifecycle":   {"runner/lifecycle", "runner/event", "plan", "sdk", "sdk/schema", "sdk/failure"},
	"plugins":            {"plugins", "sdk", "sdk/schema", "sdk/failure"},
	"cmd":                {"cmd", "runner", "runner/lifecycle", "runner/event", "plan", "plugins", "sdk", "sdk/schema", "sdk/failure"},
	"examples":           {"examples", "sdk", "sdk/schema", "sdk/failure"},
	"testfixtures/dpsim": {"testfixtures/dpsim"},
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

// room is the longest rule that a package of the module falls under.
func room(path string) string {
	path = strings.TrimPrefix(path, module)
	best := ""
	for r := range rules {
		if (path == r || strings.HasPrefix(path, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range listed(t) {
		r := room(p.ImportPath)
		if r == "" {
			continue // test fixtures and documentation generators may import anything
		}
		seen[r] = true
		for _, d := range p.Deps {
			if !strings.HasPrefix(d, module) {
				continue
			}
			to := room(d)
			ok := false
			for _, may := range rules[r] {
				ok = ok || may == to
			}
			if !ok {
				t.Errorf("%s (room %s) depends on %s (room %q)", p.ImportPath, r, d, to)
			}
		}
		for _, h := range heavy[r] {
			for _, d := range p.Deps {
				if d == h || strings.HasPrefix(d, h+"/") {
					t.Errorf("%s (room %s) drags in %s", p.ImportPath, r, d)
				}
			}
		}
	}
	for r := range rules {
		if !seen[r] {
			t.Errorf("room %s has no package: is the rule out of date?", r)
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
