package sdk_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// TestEveryExportedNameIsDocumented: every type, function, method, field,
// constant and variable that a plugin's author sees has a comment of its own, or
// is named by that of its type, of its group or of the field right before it.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	set := token.NewFileSet()
	seen := 0
	need.Done(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "proto" || d.Name() == "internal"): // generated; not for authors
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		r := reader{t: t, set: set}
		for _, d := range need.Value(parser.ParseFile(set, name, nil, parser.ParseComments))(t).Decls {
			r.declaration(d)
		}
		seen += r.seen
		return nil
	}))
	if seen < 400 {
		t.Errorf("only %d names were found", seen)
	}
}

type reader struct {
	t    *testing.T
	set  *token.FileSet
	seen int
}

// name reports a name that none of some comments is about: the first is its own.
func (r *reader) name(id *ast.Ident, of string, own *ast.CommentGroup, others ...*ast.CommentGroup) {
	if !id.IsExported() {
		return
	}
	r.seen++
	if strings.TrimSpace(own.Text()) != "" {
		return
	}
	for _, c := range others {
		if regexp.MustCompile(`\b` + id.Name + `\b`).MatchString(c.Text()) {
			return
		}
	}
	r.t.Errorf("%s: %s%s has no comment", r.set.Position(id.Pos()), of, id.Name)
}

func either(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

func (r *reader) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || exported(d.Recv.List[0].Type) {
			r.name(d.Name, "", d.Doc)
		}
	case *ast.GenDecl:
		var before *ast.CommentGroup
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				r.name(s.Name, "", either(s.Doc, d.Doc))
				if s.Name.IsExported() {
					r.members(s, either(s.Doc, d.Doc))
				}
			case *ast.ValueSpec:
				own := either(s.Doc, s.Comment)
				if len(d.Specs) == 1 {
					own = either(own, d.Doc)
				}
				for _, id := range s.Names {
					r.name(id, "", own, d.Doc, before)
				}
				before = either(own, before)
			}
		}
	}
}

// members looks at the fields or the methods of a type.
func (r *reader) members(s *ast.TypeSpec, doc *ast.CommentGroup) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	var before *ast.CommentGroup
	for _, f := range list.List {
		own := either(f.Doc, f.Comment)
		for _, id := range f.Names {
			r.name(id, s.Name.Name+".", own, doc, before)
		}
		before = either(own, before)
	}
}

func exported(receiver ast.Expr) bool {
	switch x := receiver.(type) {
	case *ast.StarExpr:
		return exported(x.X)
	case *ast.IndexExpr:
		return exported(x.X)
	case *ast.Ident:
		return x.IsExported()
	}
	return true
}
