package plan

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/plan/diag"
)

// Source is one file with its text. Its name is relative to the plan's directory.
type Source struct {
	Name string
	Text []byte
}

// Sources are the files of a plan, in order of their names.
type Sources struct {
	Files []Source
	// AutoVars are the *.auto.dprunvars.hcl files beside them.
	AutoVars []Source
	// At is the directory of the files as diagnostics show it; they put it
	// before the names. Empty: names are shown without a directory.
	At string `json:"-"`
}

const (
	planSuffix     = ".hcl"
	varsSuffix     = ".dprunvars.hcl"
	autoVarsSuffix = ".auto.dprunvars.hcl"
)

// Load reads one plan file, or all plan files of a directory: those that end in
// .hcl, are not variable files and do not begin with a dot. name is relative to
// fsys, "." for its root. The names of the files read are relative to the
// directory of the plan, and so are the plan's paths and functions. at is the
// path of the root of fsys as diagnostics show it.
func Load(fsys fs.FS, name, at string) (Sources, Diagnostics) {
	var s Sources
	var ds Diagnostics
	unreadable := func(what string, err error) {
		what = filepath.Join(at, filepath.FromSlash(what))
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		ds = append(ds, diag.Diagnostic{Severity: diag.Error, Code: diag.FileUnreadable,
			Summary: "File cannot be read", Detail: "Read " + what + ": " + err.Error() + ". Check the path and the permissions."})
	}
	read := func(dir, file string) (Source, bool) {
		b, err := fs.ReadFile(fsys, path.Join(dir, file))
		if err != nil {
			unreadable(path.Join(dir, file), err)
			return Source{}, false
		}
		return Source{Name: file, Text: b}, true
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		unreadable(name, err)
		return s, ds
	}
	dir, only := name, ""
	if !info.IsDir() {
		dir, only = path.Dir(name), path.Base(name)
		if f, ok := read(dir, only); ok {
			s.Files = append(s.Files, f)
		}
	}
	s.At = filepath.Join(at, filepath.FromSlash(dir))
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil && only == "" {
		unreadable(dir, err)
		return s, ds
	}
	for _, e := range entries {
		file := e.Name()
		switch {
		case e.IsDir() || strings.HasPrefix(file, "."):
		case strings.HasSuffix(file, autoVarsSuffix):
			if f, ok := read(dir, file); ok {
				s.AutoVars = append(s.AutoVars, f)
			}
		case only == "" && IsFile(file):
			if f, ok := read(dir, file); ok {
				s.Files = append(s.Files, f)
			}
		}
	}
	if len(s.Files) == 0 && !ds.HasErrors() {
		ds = append(ds, diag.Diagnostic{Severity: diag.Error, Code: diag.NoPlanFile, Summary: "No plan file",
			Detail: "The directory " + s.At + " holds no file that ends in .hcl. Give the plan file, or the directory that holds it."})
	}
	return s, ds
}

// IsVariables reports whether a file holds values of variables, by its name.
func IsVariables(name string) bool { return strings.HasSuffix(name, varsSuffix) }

// IsFile reports whether a file of a directory is a plan file, by its name.
func IsFile(name string) bool {
	return strings.HasSuffix(name, planSuffix) && !IsVariables(name)
}
