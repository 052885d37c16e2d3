package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
)

// locals evaluates local values, each after those that it needs.
type locals struct {
	c      *compiler
	vars   cty.Value
	exprs  map[string]*hclsyntax.Attribute
	values map[string]cty.Value
	path   []string // the values being evaluated
}

func (c *compiler) compileLocals(vars cty.Value) cty.Value {
	l := &locals{c: c, vars: vars, exprs: map[string]*hclsyntax.Attribute{}, values: map[string]cty.Value{}}
	for _, b := range c.file.blocks["locals"] {
		for _, n := range b.Body.Blocks {
			c.add(diag.UnknownBlock, n.TypeRange, "A locals block holds only lines of the form name = value.")
		}
		for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
			attr := b.Body.Attributes[name]
			if before := l.exprs[name]; before != nil {
				c.add(diag.DuplicateDefinition, attr.NameRange, "The local value %q is defined already.", name).Related = related("The first one is here.", before.NameRange)
				continue
			}
			l.exprs[name] = attr
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.exprs)) {
		l.resolve(name)
	}
	return cty.ObjectVal(l.values)
}

func (l *locals) resolve(name string) {
	attr := l.exprs[name]
	if attr == nil {
		return // an unknown name; evaluating the reference reports it
	}
	if _, done := l.values[name]; done {
		return
	}
	if at := slices.Index(l.path, name); at >= 0 {
		circle := append(slices.Clone(l.path[at:]), name)
		l.c.add(diag.ReferenceCycle, l.exprs[name].NameRange, "Local values refer to each other in a circle: local.%s.", strings.Join(circle, " → local."))
		for _, n := range l.path[at:] {
			l.values[n] = cty.DynamicVal
		}
		return
	}
	l.path = append(l.path, name)
	used := map[string]cty.Value{}
	for _, t := range attr.Expr.Variables() {
		if t.RootName() != "local" || len(t) < 2 {
			continue
		}
		if other := stepName(t[1]); other != "" {
			l.resolve(other)
			if v, ok := l.values[other]; ok {
				used[other] = v
			}
		}
	}
	l.path = l.path[:len(l.path)-1]
	if _, done := l.values[name]; done {
		return // part of a cycle
	}
	ctx := child(l.c.base)
	// All names are listed, to tell a misspelt one from one that comes later.
	for n := range l.exprs {
		if _, ok := used[n]; !ok {
			used[n] = cty.DynamicVal
		}
	}
	ctx.Variables = map[string]cty.Value{"var": l.vars, "local": cty.ObjectVal(used)}
	v, ok := l.c.eval(attr.Expr, ctx)
	if !ok {
		v = cty.DynamicVal
	}
	l.values[name] = v
}
