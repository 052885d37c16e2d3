package function

import (
	"errors"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan/inventory"
)

// inventoryFunc is inventory(path, key, type). The type is a type expression,
// not a value, so that argument is not evaluated.
func inventoryFunc(f Files) function.Function {
	read := func(args []cty.Value) (cty.Value, error) {
		closure := customdecode.ExpressionClosureFromVal(args[2])
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(closure.Expression)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(2, "%s", first(diags))
		}
		name, src, err := f.read(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		if f.Remember != nil {
			f.Remember(name, inventory.WithoutMark(src)) // positions do not count it
		}
		v, err := inventory.Read(name, src, args[1].AsString(), inventory.Type{Type: ty, Defaults: defaults})
		var wrong inventory.Errors
		if errors.As(err, &wrong) {
			return cty.NilVal, wrong
		}
		if err == nil && f.Empty != nil && v.LengthInt() == 0 {
			f.Empty(name)
		}
		return v, err
	}
	// Only the type expression gives the type of the result, and reading the
	// file twice for it would be a waste, so the type stays open.
	return function.New(&function.Spec{
		Description: "Reads a CSV, JSON or YAML file of devices, by key.",
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "key", Type: cty.String},
			{Name: "type", Type: customdecode.ExpressionClosureType},
		},
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return read(args) },
	})
}
