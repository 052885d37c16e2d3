package function

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/inventory"
	"github.com/dprun/dprun/plan/secret"
)

// Files says where functions read files: below a root at the plan's directory.
// Remember, if set, is called with every file that was read as an inventory, so
// that a diagnostic can show its lines. Dir is the absolute path of the
// directory. It is stored with references to secrets, because the working
// directory may be another one when they are read again.
type Files struct {
	FS       fs.FS
	Dir      string
	Remember func(name string, src []byte)
	// Empty, if set, is called for every inventory without a record.
	Empty func(name string)
}

func (f Files) absolute(name string) string {
	if filepath.IsAbs(name) || f.Dir == "" {
		return name
	}
	return filepath.Join(f.Dir, filepath.FromSlash(name))
}

// read reads a file below the plan's directory.
func (f Files) read(name string) (string, []byte, error) {
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	switch {
	case f.FS == nil:
		return "", nil, fmt.Errorf("file %q cannot be read here", name)
	case path.IsAbs(name) || !fs.ValidPath(clean):
		return "", nil, fmt.Errorf("file %q lies outside the plan's directory; functions read files only below it", name)
	}
	b, err := fs.ReadFile(f.FS, clean)
	if err != nil {
		return clean, nil, fmt.Errorf("read file %q: %w", name, reason(err))
	}
	return clean, b, nil
}

// reason removes the path that errors of package fs repeat.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f Files) text(name string) (string, error) {
	_, b, err := f.read(name)
	if err != nil {
		return "", err
	}
	if at, is := inventory.NotUTF8(b); is {
		return "", fmt.Errorf("file %q is not UTF-8 text: line %d, column %d holds another byte; save it as UTF-8", name, at.Line, at.Column)
	}
	return string(inventory.WithoutMark(b)), nil
}

func fileFunc(f Files) function.Function {
	return function.New(&function.Spec{
		Description: "Reads a text file below the plan's directory.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := f.text(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(text), nil
		},
	})
}

func fileExistsFunc(f Files) function.Function {
	return function.New(&function.Spec{
		Description: "Tells whether a regular file exists below the plan's directory.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			clean := path.Clean(strings.TrimPrefix(name, "./"))
			if f.FS == nil || path.IsAbs(name) || !fs.ValidPath(clean) {
				return cty.NilVal, function.NewArgErrorf(0, "file %q lies outside the plan's directory", name)
			}
			info, err := fs.Stat(f.FS, clean)
			if errors.Is(err, fs.ErrNotExist) {
				return cty.False, nil
			}
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "look at file %q: %v", name, reason(err))
			}
			return cty.BoolVal(info.Mode().IsRegular()), nil
		},
	})
}

func templateFileFunc(f Files, inner map[string]function.Function) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		name, nameMarks := args[0].Unmark()
		vars, varsMarks := args[1].Unmark()
		if !name.IsKnown() || !vars.IsKnown() {
			return cty.DynamicVal.WithMarks(nameMarks, varsMarks), nil
		}
		if vars.IsNull() || !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "the variables of a template are an object")
		}
		text, err := f.text(name.AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(text), name.AsString(), hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(0, "template %s: %s", name.AsString(), first(diags))
		}
		ctx := &hcl.EvalContext{Functions: inner, Variables: vars.AsValueMap()}
		v, diags := expr.Value(ctx)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(1, "template %s: %s", name.AsString(), firstShown(diags))
		}
		return v.WithMarks(nameMarks, varsMarks), nil
	}
	return function.New(&function.Spec{
		Description: "Reads a template below the plan's directory and fills it in.",
		Params: []function.Parameter{
			{Name: "path", Type: cty.String, AllowMarked: true},
			{Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args)
			if err != nil {
				return cty.DynamicPseudoType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}

// firstShown is [first] without texts that may quote a secret that the template
// reads.
func firstShown(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Expression == nil {
			continue
		}
		if refs, uses := secret.Uses(d.Expression, d.EvalContext); uses {
			text := secret.Withheld(refs)
			if d.Subject != nil {
				text = fmt.Sprintf("line %d: %s", d.Subject.Start.Line, text)
			}
			return text
		}
		break
	}
	return first(diags)
}

func first(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if d.Subject != nil {
				return fmt.Sprintf("line %d: %s; %s", d.Subject.Start.Line, d.Summary, d.Detail)
			}
			return d.Summary + "; " + d.Detail
		}
	}
	return "unknown error"
}
