package plan

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyfunction "github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/inventory"
	"github.com/dprun/dprun/plan/secret"
)

// function explains the errors of our own functions, which know more than the
// text of a diagnostic. It returns false for any other error.
func (s *sink) function(d *hcl.Diagnostic, call hclsyntax.FunctionCallDiagExtra) bool {
	err := call.FunctionCallError()
	var r hcl.Range
	if d.Subject != nil {
		r = *d.Subject
	}
	var wrong inventory.Errors
	var unreadable *secret.ReadError
	switch {
	case errors.As(err, &wrong):
		for _, e := range wrong {
			at := &diag.Range{Filename: e.File, Start: diag.Pos{Line: max(1, e.Line), Column: 1, Byte: -1}, End: diag.Pos{Line: max(1, e.Line), Column: 2, Byte: -1}}
			if e.Range != nil {
				at = e.Range
			}
			said := *e
			said.File = s.env.shown(e.File)
			made := s.add(diag.InvalidInventory, r, "%s", said.Error())
			made.Range, made.Related = at, related("The inventory is read here.", r)
		}
		return true
	case errors.As(err, &unreadable):
		s.add(diag.SecretUnreadable, r, "%s.", capital(unreadable.Error()))
		return true
	case errors.Is(err, function.ErrSecretArgument):
		s.add(diag.SecretShown, r, "%s.", capital(function.ErrSecretArgument.Error()))
		return true
	case err != nil:
		var arg ctyfunction.ArgError
		text := err.Error()
		if errors.As(err, &arg) {
			text = arg.Error()
		}
		s.add(diag.FunctionCall, r, "%s cannot be called like this: %s.", call.CalledFunctionName(), strings.TrimSuffix(text, "."))
		return true
	}
	return false
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// scopeOf says where a name of the language can be used, for the message to
// somebody who used it elsewhere.
func scopeOf(name string) string {
	switch name {
	case "each":
		return "`each` is known only in a block that has for_each, and in the blocks inside it."
	case "run", "stamp", "artifact", "status", "domain":
		return "`" + name + "` is known only in arguments that are evaluated for each task: a destination's path, the config of scripts and activities, and an activity's domains."
	case "plan", "activity", "device":
		return "`" + name + "` is not known here. In arguments that are evaluated for each task it is the current one. Elsewhere it refers to definitions, and only plans can refer to them."
	case "retention":
		return "Only the argument `retention` of plans and destinations can refer to a retention."
	case "pattern", "window", "script", "destination":
		return "References to a " + name + " are allowed only in plans and activities."
	}
	return ""
}

// reference says which step of a reference leads nowhere. It returns false if
// it cannot tell.
func (s *sink) reference(d *hcl.Diagnostic, r hcl.Range) bool {
	var t hcl.Traversal
	base := cty.NilVal
	switch e := d.Expression.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		t = e.Traversal
	case *hclsyntax.IndexExpr:
		vars := e.Collection.Variables()
		if len(vars) != 1 {
			return false
		}
		v, diags := e.Collection.Value(d.EvalContext)
		key, keyDiags := e.Key.Value(d.EvalContext)
		if diags.HasErrors() || keyDiags.HasErrors() || !key.IsKnown() {
			return false
		}
		base, t = v, append(hcl.Traversal{vars[0][0]}, vars[0][1:]...)
		return s.missing(base, hcl.TraverseIndex{Key: key, SrcRange: e.Key.Range()}, t, r)
	default:
		return false
	}
	root := t.RootName()
	for c := d.EvalContext; c != nil && base == cty.NilVal; c = c.Parent() {
		if v, ok := c.Variables[root]; ok {
			base = v
		}
	}
	if base == cty.NilVal {
		if text := scopeOf(root); text != "" {
			s.add(diag.NotInScope, r, "%s", text)
			return true
		}
		var names []string
		for c := d.EvalContext; c != nil; c = c.Parent() {
			for name := range c.Variables {
				names = append(names, name)
			}
		}
		s.unknownName(diag.UnknownReference, r, root, names, "There is nothing called %q. A text is written in quotes.", root)
		return true
	}
	for i, step := range t[1:] {
		next, diags := step.(interface {
			TraversalStep(cty.Value) (cty.Value, hcl.Diagnostics)
		}).TraversalStep(base)
		if diags.HasErrors() {
			return s.missing(base, step, t[:i+1], r)
		}
		base = next
	}
	return false
}

// missing reports that a value lacks an attribute or key.
func (s *sink) missing(base cty.Value, step hcl.Traverser, sofar hcl.Traversal, r hcl.Range) bool {
	given := ""
	switch step := step.(type) {
	case hcl.TraverseAttr:
		given = step.Name
	case hcl.TraverseIndex:
		key, _ := step.Key.Unmark()
		if !key.IsKnown() || key.IsNull() || key.Type() != cty.String {
			return false
		}
		given = key.AsString()
	default:
		return false
	}
	base, marks := base.Unmark()
	if len(marks) > 0 || !base.IsKnown() || base.IsNull() {
		return false
	}
	var names []string
	switch {
	case base.Type().IsObjectType():
		for name := range base.Type().AttributeTypes() {
			names = append(names, name)
		}
	case base.Type().IsMapType():
		for it := base.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			names = append(names, k.AsString())
		}
	default:
		return false
	}
	whole := traversalText(sofar)
	if s.env.isMistaken(whole + "." + given) {
		return true // its block's type was reported
	}
	switch whole {
	case "var":
		s.unknownName(diag.UnknownReference, r, given, names, "There is no variable %q. Declare it with a `variable` block.", given)
	case "local":
		s.unknownName(diag.UnknownReference, r, given, names, "There is no local value %q. Define it in a `locals` block.", given)
	case "pattern", "window", "retention", "script", "destination", "device", "activity":
		s.unknownName(diag.UnknownReference, r, given, names, "There is no %s %q.", whole, given)
	default:
		s.unknownName(diag.UnknownReference, r, given, names, "%s has no %q.", whole, given)
	}
	return true
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() && !step.Key.IsMarked() {
				b.WriteString(`["` + step.Key.AsString() + `"]`)
			} else {
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}
