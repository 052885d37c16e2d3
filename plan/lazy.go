package plan

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/pattern"

	"github.com/dprun/dprun/plan/diag"
)

// lazyConfig is a config block that is evaluated for each task.
type lazyConfig struct {
	env     *environment
	decoder *decoder
	block   *hclsyntax.Block // the block that holds the config
	ctx     *hcl.EvalContext
	roots   roots
	uses    deviceUses
	script  bool
}

// lazyExpr is an argument that is evaluated for each task.
type lazyExpr struct {
	env  *environment
	expr hclsyntax.Expression
	ctx  *hcl.EvalContext
	// roots are the names that the expression uses.
	roots roots
}

func (e *environment) lazyConfig(d *decoder, b *hclsyntax.Block, ctx *hcl.EvalContext) lazyConfig {
	vars := variablesOf(nested(b.Body, "config"))
	return lazyConfig{env: e, decoder: d, block: b, ctx: ctx, roots: rootsOf(vars), uses: everythingOf(vars)}
}

func (e *environment) lazyExpr(expr hclsyntax.Expression, ctx *hcl.EvalContext) *lazyExpr {
	return &lazyExpr{env: e, expr: expr, ctx: ctx, roots: rootsOf(expr.Variables())}
}

func (l lazyConfig) decode(s *sink, scope Scope) (cty.Value, *configured, bool) {
	if l.decoder == nil {
		return cty.DynamicVal, &configured{}, false // its type is not known, which was reported
	}
	ctx := child(l.ctx)
	ctx.Variables = scope.variables(l.roots)
	v, at, ok := s.decodeConfig(l.decoder, l.block, ctx)
	return v, at, s.secretsHidden(l, v, at) && ok
}

// decodeAnywhere checks a config that no task uses. Everything that a task
// would provide is unknown.
func (l lazyConfig) decodeAnywhere(s *sink) {
	v, at, _ := s.decodeConfig(l.decoder, l.block, anywhere(l.ctx))
	s.secretsHidden(l, v, at)
}

// anywhere returns a context in which every name of a task is unknown.
func anywhere(ctx *hcl.EvalContext) *hcl.EvalContext {
	made := child(ctx)
	made.Variables = map[string]cty.Value{}
	for _, name := range []string{"run", "status", "plan", "activity", "domain", "stamp", "artifact", "device"} {
		made.Variables[name] = cty.DynamicVal
	}
	return made
}

// secretsHidden refuses a secret in an argument of a script that is not made
// for secrets: it would end up in an argument vector or environment, which
// other users of the machine can read.
func (s *sink) secretsHidden(l lazyConfig, v cty.Value, at *configured) bool {
	hidden := true
	for _, a := range l.decoder.block.Attributes {
		if l.script && !a.Sensitive && v.GetAttr(a.Name).ContainsMarked() {
			s.add(diag.SecretShown, at.rangeAt([]string{a.Name}), "Others on the machine can see a script's %q. Pass secrets in an argument that is made for them, such as `secrets`.", a.Name)
			hidden = false
		}
	}
	return hidden
}

func (l lazyConfig) value(scope Scope) (cty.Value, Diagnostics) {
	s := &sink{env: l.env}
	v, _, _ := l.decode(s, scope)
	return v, s.done()
}

// ConfigFor returns the script's configuration for a task or plan.
func (s *Script) ConfigFor(scope Scope) (cty.Value, Diagnostics) { return s.config.value(scope) }

// ConfigFor returns the activity's configuration for a task.
func (a *Activity) ConfigFor(scope Scope) (cty.Value, Diagnostics) { return a.config.value(scope) }

// DomainsFor returns the globs for the domains of a device. For an activity on
// whole devices it is empty.
func (a *Activity) DomainsFor(scope Scope) (pattern.Set, Diagnostics) {
	if a.domains == nil {
		return nil, nil
	}
	s := &sink{env: a.domains.env}
	set := a.domains.patterns(s, scope)
	return set, s.done()
}

func (l *lazyExpr) patterns(s *sink, scope Scope) pattern.Set {
	ctx := child(l.ctx)
	ctx.Variables = scope.variables(l.roots)
	delete(ctx.Variables, "domain")
	delete(ctx.Variables, "stamp")
	delete(ctx.Variables, "artifact")
	delete(ctx.Variables, "status")
	var set pattern.Set
	found, _ := s.elements(&hclsyntax.Attribute{Name: "domains", Expr: l.expr}, ctx, "names, globs and patterns, such as [\"orders\", \"app_*\", pattern.apps]")
	for _, e := range found {
		if e.target == nil {
			set = append(set, pattern.Literal(e.text))
			continue
		}
		p, ok := e.target.item.(*Pattern)
		switch {
		case !ok:
			s.add(diag.WrongReference, e.rng, "\"domains\" takes names, globs and patterns, but this refers to %s.", indefinite(e.target.kind))
		case p.Labels != nil:
			made := s.add(diag.LabelsOfDomains, e.rng, "The pattern %q has labels, but domains have none. Use a pattern without labels.", p.Address)
			made.Related = &diag.Related{Message: "The pattern is here.", Range: p.Range}
		default:
			set = append(set, p.Pattern)
		}
	}
	return set
}

// deviceUses holds the parts of the device that an expression uses, besides its
// name and key. Of the devices that agree in all of them only one need be
// checked.
type deviceUses []hcl.Traversal

func usesOf(vars []hcl.Traversal) deviceUses {
	var uses deviceUses
	for _, t := range vars {
		if t.RootName() != "device" {
			continue
		}
		if len(t) > 1 {
			if name := stepName(t[1]); name == "name" || name == "key" || name == "type" || name == "label" {
				continue
			}
		}
		uses = append(uses, t)
	}
	return uses
}

// everythingOf is [usesOf] with the device's name and key. Devices that agree
// in it have the same values, including secrets.
func everythingOf(vars []hcl.Traversal) deviceUses {
	var uses deviceUses
	for _, t := range vars {
		if t.RootName() == "device" {
			uses = append(uses, t)
		}
	}
	return uses
}

// key returns the same text for devices whose used parts have the same values.
func (u deviceUses) key(d *Device) string {
	var b strings.Builder
	b.WriteString(d.Type)
	for _, t := range u {
		v := d.plain()
		ok := true
		for _, step := range t[1:] {
			next, ds := step.(interface {
				TraversalStep(cty.Value) (cty.Value, hcl.Diagnostics)
			}).TraversalStep(v)
			if ds.HasErrors() {
				ok = false
				break
			}
			v = next
		}
		b.WriteByte(0)
		switch {
		case !ok:
			b.WriteByte('!')
		case !v.IsMarked() && v.Type() == cty.String && v.IsKnown() && !v.IsNull():
			b.WriteString("s" + v.AsString())
		default:
			b.WriteString(v.GoString())
		}
	}
	return b.String()
}

// eachOf returns a context with only the `each` of another, so that a lazy
// argument keeps it without the references that its block had.
func eachOf(base, ctx *hcl.EvalContext) *hcl.EvalContext {
	for c := ctx; c != nil; c = c.Parent() {
		if v, ok := c.Variables["each"]; ok {
			made := child(base)
			made.Variables = map[string]cty.Value{"each": v}
			return made
		}
	}
	return base
}
