package secret

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Uses reports whether any part of an expression involves a secret, and names
// the secrets that it found. Messages of the HCL library or of a function about
// such an expression may quote the secret, so they must not be shown. An
// expression that cannot be analysed counts as one that involves a secret.
func Uses(e hcl.Expression, ctx *hcl.EvalContext) (refs []string, uses bool) {
	node, ok := e.(hclsyntax.Expression)
	if !ok {
		return nil, true
	}
	found := map[string]bool{}
	note := func(v cty.Value) {
		if v == cty.NilVal || !v.ContainsMarked() {
			return
		}
		uses = true
		_, at := Reveal(v)
		for _, a := range at {
			found[a.Ref.String()] = true
		}
	}
	for _, t := range e.Variables() {
		note(along(t, ctx))
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.LiteralValueExpr:
			note(n.Val) // of an expression that was evaluated in part
		case *hclsyntax.FunctionCallExpr:
			v, ds := n.Value(ctx)
			if !ds.HasErrors() {
				note(v)
			}
			// The text of an error may quote a secret only if an argument of
			// the call is secret.
			uses = uses || n != e && strings.HasPrefix(n.Name, "secret_")
		}
		return nil
	})
	for ref := range found {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs, uses
}

// along follows a reference as far as it leads. If a part is secret, it is
// returned for the whole: everything beyond it is secret too.
func along(t hcl.Traversal, ctx *hcl.EvalContext) cty.Value {
	v := cty.NilVal
	for c := ctx; c != nil && v == cty.NilVal; c = c.Parent() {
		if root, ok := c.Variables[t.RootName()]; ok {
			v = root
		}
	}
	for _, step := range t[1:] {
		if v == cty.NilVal || v.IsMarked() {
			return v
		}
		by, ok := step.(interface {
			TraversalStep(cty.Value) (cty.Value, hcl.Diagnostics)
		})
		if !ok { // a splat may reach anything below
			return v
		}
		next, ds := by.TraversalStep(v)
		if ds.HasErrors() {
			return cty.NilVal
		}
		v = next
	}
	return v
}

// Withheld replaces a text that may quote a secret.
func Withheld(refs []string) string {
	if len(refs) == 0 {
		return "It involves a secret. The reason is not shown, because it could hold the secret. Check what kind of value is needed here, and the secret itself."
	}
	return "It works with " + strings.Join(refs, " and ") + ", so the reason is not shown, because it could hold the secret. Check what kind of value is needed here, and the secret itself."
}
