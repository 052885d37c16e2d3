package runner

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
	"syscall"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/report"
)

// FormatRequest asks to write plan files in the usual form.
type FormatRequest struct {
	// Paths are plan files, directories of them, or "-" for Stdin; none: the
	// current directory.
	Paths     []string
	Stdin     io.Reader
	Recursive bool // also in the directories below
	// With Check or Diff, Format writes nothing. With Check, a file that is not in
	// the usual form is an error. With Diff, Format shows the difference.
	Check, Diff bool
	// Found receives the result for each file as soon as it is known.
	Found func(report.Format)
}

// Format writes plan files in the usual form. The diagnostics name the files that
// are not valid plan files; Format leaves those unchanged. The error, an
// *[Error], says that there are such files, or that Check found one.
func Format(ctx context.Context, q FormatRequest) (plan.Diagnostics, error) {
	if len(q.Paths) == 0 {
		q.Paths = []string{"."}
	}
	var problems plan.Diagnostics
	changed := false
	for _, path := range q.Paths {
		files := []string{path}
		if path != "-" {
			var err error
			if files, err = planFiles(path, q.Recursive); err != nil {
				problems = append(problems, unformatted(path, err))
				continue
			}
		}
		for _, name := range files {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r, ds := q.one(name)
			problems = append(problems, ds...)
			if r != nil {
				changed = changed || r.Changed
				q.Found(*r)
			}
		}
	}
	switch {
	case problems.HasErrors():
		return problems, errorf(ExitInvalid, "some files are not valid plan files, and stay unchanged")
	case q.Check && changed:
		return problems, errorf(1, "a file is not in the usual form")
	}
	return problems, nil
}

// one formats one file, or standard input.
func (q FormatRequest) one(name string) (*report.Format, plan.Diagnostics) {
	shown := name
	var src []byte
	var err error
	if name == "-" {
		shown = "<stdin>"
		src, err = io.ReadAll(q.Stdin)
	} else {
		src, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, plan.Diagnostics{unformatted(shown, err)}
	}
	out, ds := plan.Format(shown, src)
	if ds.HasErrors() {
		return nil, ds
	}
	r := &report.Format{File: shown, Changed: !bytes.Equal(src, out)}
	switch {
	case q.Diff:
		if r.Changed {
			r.Diff = string(diff.Diff(shown, src, shown+" (formatted)", out))
		}
	case q.Check:
	case name == "-":
		text := string(out)
		r.Text = &text
	case r.Changed:
		if err := replace(name, out); err != nil {
			return nil, plan.Diagnostics{unformatted(shown, err)}
		}
	}
	return r, nil
}

// planFiles lists the files to format at a path: the file itself, or the *.hcl
// files of the directory. It leaves out names that begin with a dot.
func planFiles(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if filepath.Ext(path) != ".hcl" {
			return nil, errors.New("it is not a plan file: its name does not end in .hcl")
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

// replace replaces the content of a file, completely or not at all.
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

func unformatted(name string, err error) diag.Diagnostic {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return diag.Diagnostic{Severity: diag.Error, Code: diag.FileUnreadable, Summary: "File cannot be formatted", Detail: fmt.Sprintf("%s: %v.", name, err)}
}

// keepOwner gives a new file the owner of the file that it replaces. Only root
// can change an owner; for other users the owner is the same, or cannot be kept.
func keepOwner(f *os.File, old fs.FileInfo) error {
	sys, ok := old.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(sys.Uid), int(sys.Gid))
}
