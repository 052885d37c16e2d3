// Command rename gives an interim status code another name in the catalogue, in tests,
// scenarios and their file names, recorded journals and pages. It does not change what
// CHANGELOG.md says about the past.
//
//	go run ./testfixtures/scenario/rename OLD NEW
//
// It refuses the names of the reference product's table, and codes in which a task can
// end: other people's programs depend on them.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/status"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./testfixtures/scenario/rename OLD NEW")
		os.Exit(2)
	}
	files, err := rename(".", os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintf(os.Stderr, "rename %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("%d files changed. Now: go run ./docs/gen && go test ./testfixtures/scenarios\n", len(files))
}

// rename changes every file below root and returns those that it changed.
func rename(root, old, name string) ([]string, error) {
	if err := allowed(old, name); err != nil {
		return nil, err
	}
	word := regexp.MustCompile(`\b` + old + `\b`)
	var changed []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin"):
			return filepath.SkipDir
		case !d.Type().IsRegular() || d.Name() == "CHANGELOG.md":
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.IndexByte(body, 0) >= 0 { // no text
			return nil
		}
		to := filepath.Join(filepath.Dir(path), word.ReplaceAllString(d.Name(), name))
		after := word.ReplaceAll(body, []byte(name))
		if to == path && bytes.Equal(after, body) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		changed = append(changed, to)
		if err := os.WriteFile(path, after, info.Mode()); err != nil {
			return err
		}
		return os.Rename(path, to)
	})
	return changed, err
}

// allowed reports why a code cannot be renamed, or not to this.
func allowed(old, name string) error {
	e, ok := status.Lookup(status.Code(old))
	switch {
	case !ok:
		return fmt.Errorf("it is not in the catalogue")
	case e.Origin == status.OriginReference:
		return fmt.Errorf("its name is the reference product's")
	case e.Final():
		return fmt.Errorf("a task or a run can end in it, and programs of others go by it; see docs/compatibility.md")
	case !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(name):
		return fmt.Errorf("%q is not written like a code: capitals, digits, underscores", name)
	case slices.ContainsFunc(status.Catalogue(), func(e status.Entry) bool { return string(e.Code) == name }):
		return fmt.Errorf("%s is another code", name)
	}
	return nil
}
