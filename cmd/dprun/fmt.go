package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// formatter is what fmt was asked to do.
type formatter struct {
	check, diff, recursive bool
	stdin                  io.Reader
}

func (a *app) fmtCommand() *cobra.Command {
	f := &formatter{stdin: a.stdin}
	c := &cobra.Command{
		Use:   "fmt [FILE|DIR|-]...",
		Short: "Write plan files in the usual form",
		Long: "Rewrites plan files (*.hcl) in the usual form and lists those that it changed. Without an argument it does so for the current\n" +
			"directory; - formats standard input to standard output. A file with a syntax error is left alone.\n\n" +
			"With --check or --diff nothing is written. Exit codes: 0, 1 with --check when a file is not in the usual form, 10 for a syntax error.",
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error { return f.run(ctx, a, v, args) }),
	}
	c.Flags().BoolVar(&f.check, "check", false, "only list the files that would change, and end with 1 if there are any")
	c.Flags().BoolVar(&f.diff, "diff", false, "only show what would change")
	c.Flags().BoolVar(&f.recursive, "recursive", false, "also do the directories below")
	return c
}

func (f *formatter) run(ctx context.Context, a *app, v view.View, args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	var problems diag.List
	changed := false
	for _, arg := range args {
		files := []string{arg}
		if arg != "-" {
			var err error
			if files, err = planFiles(arg, f.recursive); err != nil {
				problems = append(problems, unreadable(arg, err))
				continue
			}
		}
		for _, name := range files {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r, ds := f.one(name)
			problems = append(problems, ds...)
			if r != nil {
				changed = changed || r.Changed
				v.Format(*r)
			}
		}
	}
	v.Diagnostics(problems)
	switch {
	case problems.HasErrors():
		return a.told(v, report.Failure{Message: "not every file could be read as a plan file; what could is done", ExitCode: runner.ExitInvalid})
	case f.check && changed:
		return a.told(v, report.Failure{Message: "a file is not in the usual form", ExitCode: exitFailed})
	}
	return nil
}

// one formats one file, or standard input.
func (f *formatter) one(name string) (*report.Format, diag.List) {
	shown := name
	var src []byte
	var err error
	if name == "-" {
		shown = "<stdin>"
		src, err = io.ReadAll(f.stdin)
	} else {
		src, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, diag.List{unreadable(shown, err)}
	}
	if _, ds := hclsyntax.ParseConfig(src, shown, hcl.InitialPos); ds.HasErrors() {
		return nil, syntaxErrors(ds, src)
	}
	out := hclwrite.Format(src)
	r := &report.Format{File: shown, Changed: !bytes.Equal(src, out)}
	switch {
	case f.diff:
		if r.Changed {
			r.Diff = string(diff.Diff(shown, src, shown+" (formatted)", out))
		}
	case f.check:
	case name == "-":
		text := string(out)
		r.Text = &text
	case r.Changed:
		if err := replace(name, out); err != nil {
			return nil, diag.List{unreadable(shown, err)}
		}
	}
	return r, nil
}

// planFiles lists what is to be formatted at a path: the file itself, or the
// *.hcl files of the directory. What begins with a dot is left alone.
func planFiles(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if filepath.Ext(path) != ".hcl" {
			return nil, errors.New("it is no plan file: its name does not end in .hcl")
		}
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && name != path
		switch {
		case d.IsDir() && name != path && (hidden || !recursive):
			return fs.SkipDir
		case d.IsDir() || hidden || filepath.Ext(name) != ".hcl":
			return nil
		}
		files = append(files, name)
		return nil
	})
	return files, err
}

// replace puts new contents in a file's place, whole or not at all.
func replace(name string, contents []byte) (err error) {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(contents)
	if err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), keepOwner(tmp, info), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), target)
}

func unreadable(name string, err error) diag.Diagnostic {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return diag.Diagnostic{Severity: diag.Error, Code: diag.FileUnreadable, Summary: "File cannot be formatted", Detail: fmt.Sprintf("%s: %v.", name, err)}
}

// syntaxErrors makes diagnostics of what the parser found.
func syntaxErrors(ds hcl.Diagnostics, src []byte) diag.List {
	var out diag.List
	for _, d := range ds {
		n := diag.Diagnostic{Severity: diag.Error, Code: diag.Syntax, Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			n.Severity = diag.Warning
		}
		if s := d.Subject; s != nil {
			n.Range = &diag.Range{Filename: s.Filename, Start: diag.Pos(s.Start), End: diag.Pos(s.End)}
			n.Snippet = diag.NewSnippet(src, *n.Range)
		}
		out = append(out, n)
	}
	return out.Sorted()
}
