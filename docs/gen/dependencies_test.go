package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"github.com/dprun/dprun/testfixtures/need"
)

// The modules of this repository, by directory. What only benchmarks need is no
// dependency of the product.
const (
	productModule = "github.com/dprun/dprun"
	benchModule   = productModule + "/testfixtures/bench"
	s3Module      = "example.com/dprun-plugin-s3"
)

var modules = map[string]string{productModule: "../..", benchModule: "../../testfixtures/bench", s3Module: "../../examples/plugins/s3"}

// imported lists the modules of others that packages of one of ours import
// themselves, their tests included, and where each lies.
func imported(t *testing.T, module string) map[string]string {
	t.Helper()
	list := func(args ...string) []byte {
		cmd := exec.Command("go", append([]string{"list"}, args...)...)
		cmd.Dir = modules[module]
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return out
	}
	direct := map[string]bool{}
	for p := range strings.Lines(string(list("-f", `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`, module+"/..."))) {
		direct[strings.TrimSpace(p)] = true
	}
	found := map[string]string{}
	d := json.NewDecoder(strings.NewReader(string(list("-deps", "-test", "-json=ImportPath,Module", module+"/..."))))
	for {
		var p struct {
			ImportPath string
			Module     *struct{ Path, Dir string }
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil && modules[p.Module.Path] == "" && direct[p.ImportPath] {
			found[p.Module.Path] = p.Module.Dir
		}
	}
}

// licence recognises a licence by its words.
func licence(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "LICEN[SC]E*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no licence in %s", dir)
	}
	b := need.Value(os.ReadFile(names[0]))(t)
	text := strings.Join(strings.Fields(string(b)), " ")
	switch {
	case strings.Contains(text, "Mozilla Public License"):
		return "MPL-2.0"
	case strings.Contains(text, "Apache License"):
		return "Apache-2.0"
	case strings.Contains(text, "Permission is hereby granted, free of charge"):
		return "MIT"
	case strings.Contains(text, "Redistribution and use") && strings.Contains(strings.ToLower(text), "endorse or promote"):
		return "BSD-3-Clause"
	case strings.Contains(text, "Redistribution and use"):
		return "BSD-2-Clause"
	}
	return "unknown"
}

func TestEveryDependencyIsExplained(t *testing.T) {
	t.Parallel()
	page := need.Value(os.ReadFile("../dependencies.md"))(t)
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*\\| ([^|]+) \\| [^|]+ \\|$")
	explained := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		explained[m[1]] = m[2]
	}
	found := imported(t, productModule)
	maps.Copy(found, imported(t, benchModule))
	maps.Copy(found, imported(t, s3Module))
	for module, dir := range found {
		said, ok := explained[module]
		if !ok {
			t.Errorf("%s is imported and not explained", module)
			continue
		}
		if is := licence(t, dir); is != said {
			t.Errorf("the licence of %s is %s, and the page says %s", module, is, said)
		}
	}
	for module := range explained {
		if found[module] == "" {
			t.Errorf("%s is explained and not imported", module)
		}
	}
}

func TestWhatOnlyBenchmarksImportIsNoDependencyOfTheProduct(t *testing.T) {
	t.Parallel()
	for module, dir := range modules {
		file := filepath.Join(dir, "go.mod")
		parsed := need.Value(modfile.Parse(file, need.Value(os.ReadFile(file))(t), nil))(t)
		found := imported(t, module)
		for _, r := range parsed.Require {
			if path := r.Mod.Path; !r.Indirect && modules[path] == "" && found[path] == "" {
				t.Errorf("%s requires %s, which none of its packages imports", file, path)
			}
		}
	}
	if module := "github.com/willscott/go-nfs-client"; imported(t, benchModule)[module] == "" {
		t.Errorf("the benchmarks do not import %s: this test does not see their module", module)
	}
}
