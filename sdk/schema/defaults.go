package schema

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// ApplyDefaults completes a value. It adds missing arguments and blocks as null
// (a list of blocks as an empty list) and replaces null arguments by their
// defaults, in nested blocks too. A single block that is absent stays null;
// unknown values and marks stay as they are.
func (b Block) ApplyDefaults(v cty.Value) (cty.Value, error) {
	v, marks := v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return v.WithMarks(marks), nil
	}
	if !v.Type().IsObjectType() {
		return cty.NilVal, fmt.Errorf("a block is an object, not %s", v.Type().FriendlyName())
	}
	out := make(map[string]cty.Value, len(b.Attributes)+len(b.Blocks))
	for _, a := range b.Attributes {
		out[a.Name] = cty.NullVal(a.Type.Type)
		if v.Type().HasAttribute(a.Name) {
			out[a.Name] = v.GetAttr(a.Name)
		}
		if u, m := out[a.Name].Unmark(); u.IsNull() && a.Default != "" {
			d, err := a.defaultValue()
			if err != nil {
				return cty.NilVal, err
			}
			out[a.Name] = d.WithMarks(m)
		}
	}
	for _, n := range b.Blocks {
		if !v.Type().HasAttribute(n.Name) {
			out[n.Name] = cty.NullVal(n.Block.ImpliedType())
			if n.Nesting == NestingList {
				out[n.Name] = cty.ListValEmpty(n.Block.ImpliedType())
			}
			continue
		}
		inner, err := n.applyDefaults(v.GetAttr(n.Name))
		if err != nil {
			return cty.NilVal, fmt.Errorf("block %q: %w", n.Name, err)
		}
		out[n.Name] = inner
	}
	return cty.ObjectVal(out).WithMarks(marks), nil
}

func (n Nested) applyDefaults(v cty.Value) (cty.Value, error) {
	if n.Nesting == NestingSingle {
		return n.Block.ApplyDefaults(v)
	}
	v, marks := v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.LengthInt() == 0 {
		return v.WithMarks(marks), nil
	}
	var list []cty.Value
	for _, e := range v.AsValueSlice() {
		e, err := n.Block.ApplyDefaults(e)
		if err != nil {
			return cty.NilVal, err
		}
		list = append(list, e)
	}
	return cty.ListVal(list).WithMarks(marks), nil
}
