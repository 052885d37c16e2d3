package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/sdk/schema"
)

// secretGiven refuses plain text in place of a secret. Only marked values are
// kept out of the journal and of all output, so an argument that a plugin calls
// sensitive must be marked.
func (s *sink) secretGiven(a *schema.Attribute, v cty.Value, e hclsyntax.Expression, ctx *hcl.EvalContext) {
	if v.IsMarked() {
		return
	}
	bare, known := unmarked(v)
	switch {
	case !bare:
	case known:
		s.hideLiterals(e)
		s.add(diag.SecretLiteral, e.Range(), "The argument %q is a secret, but this is plain text: everything in a plan, an inventory or a file that is read with file() is shown and stored. "+
			"Put the secret alone into a file that only the user of dprun can read, and write %s. secret_env, secret_command and a sensitive variable do as well.", a.Name, s.instead(a, e))
	case ofTheRun(e.Variables()):
		if _, uses := secret.Uses(e, ctx); !uses {
			s.add(diag.SecretLiteral, e.Range(), "The argument %q is a secret, but this refers to something that becomes known during the run, where it is shown and stored. Write %s.", a.Name, s.instead(a, e))
		}
	}
}

// unmarked reports whether a value has a part that is not marked, and whether
// such a part is known.
func unmarked(v cty.Value) (bare, known bool) {
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		switch {
		case e.IsMarked() || e.IsKnown() && e.IsNull():
			return false, nil
		case !e.IsKnown():
			bare = true
		case e.Type().IsPrimitiveType():
			bare, known = true, true
		}
		return true, nil
	})
	return bare, known
}

// ofTheRun reports whether a reference is to something that only a run knows.
func ofTheRun(vars []hcl.Traversal) bool {
	return slices.ContainsFunc(vars, func(t hcl.Traversal) bool {
		return slices.Contains([]string{"run", "status", "domain", "stamp", "artifact"}, t.RootName())
	})
}

// instead returns the argument written as a reference.
func (s *sink) instead(a *schema.Attribute, e hclsyntax.Expression) string {
	file := a.Name
	switch {
	case a.Type.IsMapType():
		file = "NAME"
	case !same(e.Variables()):
		file = "${each.key}." + a.Name
	}
	from := `"/etc/dprun/` + file + `"`
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && call.Name == "file" && len(call.Args) == 1 {
			r := call.Args[0].Range()
			if text := s.env.text(r.Filename); r.End.Byte <= len(text) {
				from = string(text[r.Start.Byte:r.End.Byte])
			}
		}
		return nil
	})
	if a.Type.IsMapType() {
		return fmt.Sprintf("%s = { NAME = secret_file(%s) }", a.Name, from)
	}
	return fmt.Sprintf("%s = secret_file(%s)", a.Name, from)
}

// hideLiterals keeps the literal texts of an expression out of snippets, except
// those that say where to read.
func (s *sink) hideLiterals(e hclsyntax.Expression) {
	places := map[hclsyntax.Node]bool{}
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.FunctionCallExpr:
			if len(n.Args) > 0 && (slices.Contains([]string{"file", "templatefile", "inventory"}, n.Name) || strings.HasPrefix(n.Name, "secret_")) {
				_ = hclsyntax.VisitAll(n.Args[0], func(n hclsyntax.Node) hcl.Diagnostics {
					places[n] = true
					return nil
				})
			}
		case *hclsyntax.ObjectConsKeyExpr:
			places[n.Wrapped] = true
		case *hclsyntax.TemplateExpr:
			if !places[n] {
				s.env.hide(n.Range())
			}
		case *hclsyntax.LiteralValueExpr:
			if !places[n] && n.Val.Type() != cty.Bool {
				s.env.hide(n.Range())
			}
		}
		return nil
	})
}

// sensitive evaluates the value given to a sensitive variable. The value cannot
// be marked before it is known, so an error is reported without its reason.
func (s *sink) sensitive(name string, e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	s.hideLiterals(e)
	v, ds := e.Value(ctx)
	if !ds.HasErrors() {
		return v, true
	}
	for _, d := range ds {
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && secret.Unreadable(call.FunctionCallError()) {
			s.hcl(hcl.Diagnostics{d}, false)
			return cty.DynamicVal, false
		}
	}
	s.add(diag.InvalidVariable, e.Range(), "The value of the sensitive variable %q cannot be evaluated. The reason is not shown, because it could hold the value.", name)
	return cty.DynamicVal, false
}
