package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
)

// VarInputs are the values given to variables. Later fields take precedence
// over earlier ones, and all of them over defaults and the *.auto.dprunvars.hcl
// files.
type VarInputs struct {
	Files []Source          // --var-file, in order
	Env   map[string]string // DPRUN_VAR_name by name; names that the plan does not declare are ignored
	Args  []VarArg          // --var, in order
}

// VarArg is one --var NAME=VALUE.
type VarArg struct{ Name, Value string }

// variable is one declared variable.
type variable struct {
	block     *hclsyntax.Block
	ty        cty.Type
	defaults  *typeexpr.Defaults
	sensitive bool
	nullable  bool // null is a valid value; otherwise null means the default
	value     cty.Value
}

// given is one value for a variable.
type given struct {
	value  cty.Value
	text   string
	isText bool
	origin string
	rng    hcl.Range
	// refused is set if the value must not be given this way, which was reported.
	refused bool
}

func (c *compiler) compileVariables() map[string]cty.Value {
	declared := map[string]*variable{}
	var order []string
	for _, b := range c.file.blocks["variable"] {
		name := b.Labels[0]
		if before := declared[name]; before != nil {
			c.add(diag.DuplicateDefinition, b.DefRange(), "The variable %q is declared already.", name).Related = related("The first one is here.", before.block.DefRange())
			continue
		}
		declared[name] = c.declare(b)
		order = append(order, name)
	}
	values := c.givenValues(declared)
	all := map[string]cty.Value{}
	for _, name := range order {
		v := declared[name]
		v.value = c.variableValue(name, v, values[name])
		all[name] = v.value
	}
	ctx := child(c.base)
	ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(all)}
	c.cfg.Variables = map[string]cty.Value{}
	for _, name := range order {
		c.validateVariable(name, declared[name], ctx)
		if !all[name].ContainsMarked() && !declared[name].sensitive {
			c.cfg.Variables[name] = all[name]
		}
	}
	return all
}

func (c *compiler) declare(b *hclsyntax.Block) *variable {
	v := &variable{block: b, ty: cty.DynamicPseudoType, nullable: true}
	if attr := b.Body.Attributes["type"]; attr != nil {
		ty, defaults, ds := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		c.hcl(ds, false)
		if !ds.HasErrors() {
			v.ty, v.defaults = ty, defaults
		}
	}
	if sensitive, ok := c.shown(b.Body, "sensitive", c.base, cty.Bool); ok {
		v.sensitive = sensitive.True()
	}
	if nullable, ok := c.shown(b.Body, "nullable", c.base, cty.Bool); ok {
		v.nullable = nullable.True()
	}
	c.text(b.Body, "description", c.base)
	return v
}

// givenValues picks the value of highest precedence for each variable.
func (c *compiler) givenValues(declared map[string]*variable) map[string]given {
	values := map[string]given{}
	for _, f := range c.in.Vars.Files {
		c.env.given[f.Name] = true
	}
	for _, files := range [][]Source{c.file.autos, c.in.Vars.Files} {
		for _, f := range files {
			c.env.remember(f.Name, f.Text)
			parsed, ds := hclsyntax.ParseConfig(f.Text, f.Name, hcl.InitialPos)
			if ds.HasErrors() && slices.ContainsFunc(slices.Collect(maps.Values(declared)), func(v *variable) bool { return v.sensitive }) {
				c.env.hide(hcl.Range{Filename: f.Name, End: hcl.Pos{Byte: len(f.Text)}}) // any line may hold a secret
			}
			c.hcl(ds, true)
			if parsed == nil {
				continue
			}
			body := parsed.Body.(*hclsyntax.Body)
			for _, b := range body.Blocks {
				c.add(diag.UnknownBlock, b.TypeRange, "A variable file holds only lines of the form name = value.")
			}
			for name, attr := range body.Attributes {
				if declared[name] == nil {
					c.unknownName(diag.UnusedVariableValue, attr.NameRange, name, slices.Sorted(maps.Keys(declared)), "The plan declares no variable %q, so this line has no effect.", name)
					continue
				}
				read := c.eval
				if declared[name].sensitive {
					read = func(e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) { return c.sensitive(name, e, ctx) }
				}
				v, ok := read(attr.Expr, c.base)
				if !ok {
					v = cty.DynamicVal
				}
				values[name] = given{value: v, origin: f.Name, rng: attr.Expr.Range()}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.in.Vars.Env)) {
		if declared[name] != nil {
			values[name] = given{text: c.in.Vars.Env[name], isText: true, origin: "DPRUN_VAR_" + name}
		}
	}
	for _, arg := range c.in.Vars.Args {
		if declared[arg.Name] == nil {
			c.addBare(diag.UndeclaredVariable, "--var sets %q, which the plan does not declare.", arg.Name)
			c.list[len(c.list)-1].Suggestion = diag.Suggest(arg.Name, slices.Sorted(maps.Keys(declared)))
			continue
		}
		if declared[arg.Name].sensitive {
			c.addBare(diag.SecretShown, "--var gives the sensitive variable %q, but every user of this machine can see the arguments of a command. Set DPRUN_VAR_%s in the environment of dprun, or write the line %s = … into a file that only its user can read and give it with --var-file.", arg.Name, arg.Name, arg.Name)
			values[arg.Name] = given{refused: true}
			continue
		}
		values[arg.Name] = given{text: arg.Value, isText: true, origin: "--var " + arg.Name}
	}
	return values
}

func (c *compiler) variableValue(name string, v *variable, g given) cty.Value {
	unknown := cty.UnknownVal(v.ty.WithoutOptionalAttributesDeep())
	if g.refused {
		return c.env.secrets.Variable(name, unknown)
	}
	val := g.value
	at := g.rng
	if g.isText {
		at = v.block.DefRange()
		parsed, err := parseText(g.text, v.ty)
		if err != nil {
			c.add(diag.InvalidVariable, at, "The value that %s gives cannot be understood: %v. The variable's type is %s.", g.origin, err, typeexpr.TypeString(v.ty))
			return unknown
		}
		val = parsed
	}
	isNull := func() bool { return val.IsKnown() && val.IsNull() }
	attr := v.block.Body.Attributes["default"]
	if g.origin == "" || !v.nullable && attr != nil && isNull() {
		if attr == nil {
			ways := "with --var " + name + "=VALUE, in a variable file, or as DPRUN_VAR_" + name
			if v.sensitive {
				ways = "as DPRUN_VAR_" + name + " in the environment, or in a file with --var-file"
			}
			c.add(diag.MissingVariable, v.block.DefRange(), "The variable %q has no default and no value. Give it one %s.", name, ways)
			return unknown
		}
		g, at = given{}, attr.Expr.Range()
		var ok bool
		if !v.sensitive {
			val, ok = c.eval(attr.Expr, c.base)
		} else if val, ok = c.sensitive(name, attr.Expr, c.base); ok {
			if _, known := unmarked(val); known {
				c.add(diag.SecretLiteral, at, "The default of the sensitive variable %q is plain text in the plan. Remove it and set DPRUN_VAR_%s, or give the variable in a file with --var-file, or write default = secret_file(\"/etc/dprun/%s\").", name, name, name)
			}
		}
		if !ok {
			return unknown
		}
	}
	if !v.nullable && isNull() {
		c.add(diag.InvalidVariable, at, "The value of the variable %q is null, but its nullable is false. Give it a value, or a default that replaces null.", name)
		return unknown
	}
	if v.defaults != nil && !val.IsNull() && val.IsKnown() {
		val = v.defaults.Apply(val)
	}
	converted, err := convert.Convert(val, v.ty)
	if err != nil {
		origin := ""
		if g.isText {
			origin = " that " + g.origin + " gives"
		}
		why := err.Error()
		if v.sensitive || containsMarked(val) {
			why = "it is to be " + typeexpr.TypeString(v.ty) + ", and is not shown because it is secret"
		}
		c.add(diag.InvalidVariable, at, "The value of the variable %q%s is not of its type: %s.", name, origin, why)
		return unknown
	}
	if v.sensitive {
		c.byValue = c.byValue || !converted.ContainsMarked()
		converted = c.env.secrets.Variable(name, converted)
	}
	return converted
}

// parseText reads a value from the environment or --var. For a variable of type
// text it is that text, otherwise an expression without references.
func parseText(text string, ty cty.Type) (cty.Value, error) {
	if ty == cty.String || ty == cty.DynamicPseudoType {
		return cty.StringVal(text), nil
	}
	expr, ds := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	if ds.HasErrors() {
		return cty.NilVal, fmt.Errorf("it is not an expression")
	}
	v, ds := expr.Value(nil)
	if ds.HasErrors() {
		return cty.NilVal, fmt.Errorf("it is not a plain value")
	}
	return v, nil
}

func (c *compiler) validateVariable(name string, v *variable, ctx *hcl.EvalContext) {
	for _, b := range v.block.Body.Blocks {
		condition, message := b.Body.Attributes["condition"], b.Body.Attributes["error_message"]
		if b.Type != "validation" || condition == nil || message == nil {
			continue
		}
		result, ok := c.eval(condition.Expr, ctx)
		if !ok {
			continue
		}
		result, _ = result.UnmarkDeep()
		result, err := convert.Convert(result, cty.Bool)
		if err != nil || result.IsNull() {
			c.add(diag.WrongType, condition.Expr.Range(), "The condition of a validation must be true or false.")
			continue
		}
		if !result.IsKnown() || result.True() {
			continue
		}
		text := "The value breaks a rule of the variable."
		if m, ok := c.shown(b.Body, "error_message", ctx, cty.String); ok {
			text = m.AsString()
		}
		c.add(diag.InvalidVariable, v.block.DefRange(), "The value of the variable %q is not allowed: %s", name, text).Related = related("The rule is here.", condition.Expr.Range())
	}
}
