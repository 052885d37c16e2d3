package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// imported lists the modules that packages of this one import themselves,
// their tests included, and where each lies.
func imported(t *testing.T) map[string]string {
	t.Helper()
	list := func(args ...string) []byte {
		out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return out
	}
	const module = "github.com/dprun/dprun"
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
		if p.Module != nil && p.Module.Path != module && direct[p.ImportPath] {
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
	found := imported(t)
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
