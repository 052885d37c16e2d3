package plan

import (
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/window"
)

// target is the value of a reference to a definition. Expressions can choose,
// list and pass it on, but cannot look inside.
type target struct {
	kind string
	path string
	item any
}

// newTargetType makes the type of references. Capsule types are compared by
// identity, so a compilation makes it only once.
func newTargetType() cty.Type { return cty.Capsule("reference", reflect.TypeFor[target]()) }

// bindReferences makes the contexts in which expressions can refer to
// definitions.
func (c *compiler) bindReferences() {
	ty := c.targets
	c.plans, c.tasks = child(c.root), child(c.root)
	pattern := namespace(c.patterns, "pattern", ty)
	c.tasks.Variables = map[string]cty.Value{"pattern": pattern}
	c.plans.Variables = map[string]cty.Value{
		"pattern":     pattern,
		"window":      namespace(c.windows, "window", ty),
		"script":      namespace(c.scripts, "script", ty),
		"destination": namespace(c.destinations, "destination", ty),
		"device":      cty.EmptyObjectVal,
	}
	if c.refersTo("device") {
		c.plans.Variables["device"] = namespace(c.devices, "device", ty)
	}
}

// refersTo reports whether any plan refers to a kind of definition. Otherwise
// making an object of ten thousand devices would be wasted.
func (c *compiler) refersTo(root string) bool {
	return slices.ContainsFunc(c.file.blocks["plan"], func(b *hclsyntax.Block) bool { return refersInLists(b.Body, root) })
}

func refersInLists(b *hclsyntax.Body, root string) bool {
	for name, attr := range b.Attributes {
		if name == "devices" || name == "device" || name == "for_each" {
			if slices.ContainsFunc(attr.Expr.Variables(), func(t hcl.Traversal) bool { return t.RootName() == root }) {
				return true
			}
		}
	}
	return slices.ContainsFunc(b.Blocks, func(n *hclsyntax.Block) bool {
		return (n.Type == "activity" || n.Type == "drill") && refersInLists(n.Body, root)
	})
}

// namespace makes the object of all definitions of a kind, by name or by type and
// name. Each is a reference or, with for_each, an object of references by key.
func namespace(ds definitions, kind string, ty cty.Type) cty.Value {
	flat := map[string]cty.Value{}
	typed := map[string]map[string]cty.Value{}
	for _, path := range ds.order {
		d := ds.byPath[path]
		v := d.value(kind, path, ty)
		if first, second, two := strings.Cut(path, "."); two {
			if typed[first] == nil {
				typed[first] = map[string]cty.Value{}
			}
			typed[first][second] = v
		} else {
			flat[path] = v
		}
	}
	for name, group := range typed {
		flat[name] = cty.ObjectVal(group)
	}
	return cty.ObjectVal(flat)
}

func (d *definition) value(kind, path string, ty cty.Type) cty.Value {
	if !d.known {
		return cty.DynamicVal
	}
	if !d.keyed {
		item, ok := d.items[""]
		if !ok {
			return cty.DynamicVal // it is wrong, which was reported
		}
		return cty.CapsuleVal(ty, &target{kind, path, item})
	}
	keys := make(map[string]cty.Value, len(d.items))
	for key, item := range d.items {
		keys[key] = cty.CapsuleVal(ty, &target{kind, path + `["` + key + `"]`, item})
	}
	return cty.ObjectVal(keys)
}

// element is one member of a list of references and texts.
type element struct {
	target *target // nil: a text
	text   string
	rng    hcl.Range
}

// elements flattens the value of a list argument. A collection of references,
// such as all instances of a for_each, becomes its members.
func (s *sink) elements(attr *hclsyntax.Attribute, ctx *hcl.EvalContext, what string) ([]element, bool) {
	// In a list that is written out, each member has its own range.
	if list, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok {
		var all []element
		complete := true
		for _, e := range list.Exprs {
			v, ok := s.eval(e, ctx)
			if !ok {
				complete = false
				continue
			}
			found, known := s.flatten(v, e.Range(), attr.Name, what)
			all = append(all, found...)
			complete = complete && known
		}
		return all, complete
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok {
		return nil, false
	}
	return s.flatten(v, attr.Expr.Range(), attr.Name, what)
}

func (s *sink) flatten(v cty.Value, r hcl.Range, name, what string) ([]element, bool) {
	if v.IsMarked() {
		s.add(diag.SecretShown, r, "%q contains a secret, but it is printed and stored. Use a value that is not secret.", name)
		return nil, false
	}
	if !v.IsKnown() {
		return nil, false
	}
	if v.IsNull() {
		s.add(diag.WrongType, r, "An element of %q is null; it takes %s.", name, what)
		return nil, false
	}
	ty := v.Type()
	switch {
	case ty.IsCapsuleType() && ty.EncapsulatedType() == reflect.TypeFor[target]():
		return []element{{target: v.EncapsulatedValue().(*target), rng: r}}, true
	case ty == cty.String:
		return []element{{text: v.AsString(), rng: r}}, true
	case v.CanIterateElements():
		all, complete := []element(nil), true
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			found, known := s.flatten(e, r, name, what)
			all = append(all, found...)
			complete = complete && known
		}
		return all, complete
	}
	s.add(diag.WrongType, r, "%q takes %s.", name, what)
	return nil, false
}

// one evaluates an argument that refers to a single definition.
func one[T any](s *sink, body *hclsyntax.Body, name string, ctx *hcl.EvalContext, kind string) (T, bool) {
	var none T
	attr := body.Attributes[name]
	if attr == nil {
		return none, false
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok || v.IsKnown() && v.IsNull() {
		return none, false
	}
	found, ok := s.flatten(v, attr.Expr.Range(), name, "a reference such as "+sample(kind))
	if !ok {
		return none, false
	}
	if len(found) != 1 || found[0].target == nil {
		s.add(diag.WrongReference, attr.Expr.Range(), "%q takes one reference such as %s.", name, sample(kind))
		return none, false
	}
	item, ok := found[0].target.item.(T)
	if !ok {
		s.add(diag.WrongReference, attr.Expr.Range(), "%q takes a reference such as %s, but this refers to %s.", name, sample(kind), indefinite(found[0].target.kind))
		return none, false
	}
	return item, true
}

func sample(kind string) string {
	switch kind {
	case "window":
		return "window.night"
	case "script":
		return "script.exec.drain"
	case "destination":
		return "destination.nfs.vault"
	case "device":
		return "device.datapower.lab"
	}
	return kind + ".name"
}

func (s *sink) window(body *hclsyntax.Body, ctx *hcl.EvalContext) *window.Window {
	w, _ := one[*window.Window](s, body, "window", ctx, "window")
	return w
}

// stepName returns the text of an attribute or index step; empty for other
// steps.
func stepName(step hcl.Traverser) string {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.IsKnown() && !step.Key.IsNull() && step.Key.Type() == cty.String {
			return step.Key.AsString()
		}
	}
	return ""
}
