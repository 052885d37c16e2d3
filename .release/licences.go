package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\..*)?$`)

// licences holds, word for word, the licence files of Go itself and of every
// module that the program holds on one of the platforms.
func licences(platforms []platform) ([]byte, error) {
	dirs := map[string]string{} // module@version -> where it lies
	for _, p := range platforms {
		out, err := run(p.env(), "go", "list", "-deps", "-json=Module", "./cmd/dprun")
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			var pkg struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if m := pkg.Module; m != nil && !m.Main {
				dirs[m.Path+" "+m.Version] = m.Dir
			}
		}
	}
	root, err := run(nil, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(string(root)), "\n")
	dirs["Go "+version] = goroot
	var b strings.Builder
	b.WriteString("The program dprun holds these libraries. Their licences follow, word for word.\n")
	var names []string
	for name := range dirs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		texts, err := licenceTexts(dirs[name])
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			return nil, fmt.Errorf("%s has no licence file in %s: look what it may be used for, before it is handed on", name, dirs[name])
		}
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), name, strings.Join(texts, "\n\n"))
	}
	return []byte(b.String()), nil
}

// licenceTexts are the licence files of a module, which lie in its directory.
func licenceTexts(dir string) (texts []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"))
	}
	return texts, nil
}
