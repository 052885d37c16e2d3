// Package skeleton writes the files of a new plugin. They compile and follow every rule
// for plugins; tests build and run them.
package skeleton

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
)

//go:embed destination hook all:both
var templates embed.FS

// Plugin describes the plugin to write.
type Plugin struct {
	Kind    string // destination or hook
	Name    string
	Go      string // version of the language
	Version string // of dprun to build it with, for go.mod: "v1.2.0"; empty: the newest
	Replace string // directory with dprun's source to build it with; empty: none
}

// source reads from dprun's source which modules it needs, so that a plugin that is
// built with it needs no others and no network.
func (p Plugin) source() (requires []string, sums []byte, err error) {
	if p.Replace == "" {
		return nil, nil, nil
	}
	file := filepath.Join(p.Replace, "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	mod, err := modfile.ParseLax(file, text, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range mod.Require {
		requires = append(requires, r.Mod.Path+" "+r.Mod.Version)
	}
	sums, err = os.ReadFile(filepath.Join(p.Replace, "go.sum"))
	return requires, sums, err
}

// words are the words of the README for a kind and one of its rules.
var words = map[string]struct{ Noun, Rule string }{
	"destination": {"destinations", "store/overwrite"},
	"hook":        {"scripts", "hook/deadline"},
}

// Write creates a directory and writes the files into it. It refuses a directory that
// exists and is not empty. It returns the files' names below the directory, in order.
func Write(dir string, p Plugin) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is there and is not empty; nothing was written. Give another directory with --dir, or remove it", dir)
	}
	requires, sums, err := p.source()
	if err != nil {
		return nil, fmt.Errorf("read dprun's source; nothing was written: %w", err)
	}
	if sums != nil {
		names = append(names, "go.sum")
		if err := create(filepath.Join(dir, "go.sum"), sums); err != nil {
			return names, err
		}
	}
	for _, from := range []string{"both", p.Kind} {
		err := fs.WalkDir(templates, from, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(name, from+"/"), ".tmpl"))
			return write(filepath.Join(dir, filepath.FromSlash(names[len(names)-1])), name, p, requires)
		})
		if err != nil {
			return names, err
		}
	}
	slices.Sort(names)
	return names, nil
}

// write writes one file from its template.
func write(file, from string, p Plugin, requires []string) error {
	text, err := templates.ReadFile(from)
	if err != nil {
		return err
	}
	t, err := template.New(from).Delims("[[", "]]").Parse(string(text))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	data := struct {
		Plugin
		Noun, Rule string
		Requires   []string
	}{p, words[p.Kind].Noun, words[p.Kind].Rule, requires}
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	return create(file, b.Bytes())
}

// create writes a file that does not exist yet.
func create(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = to.Write(text)
	return errors.Join(err, to.Close())
}
