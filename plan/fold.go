package plan

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/schema"
)

// folding holds what all instances of a block with for_each have in common,
// evaluated once: of thousands of rows of an inventory, most add little of
// their own. Expressions are pure, and an expression with an error is not
// folded, so the diagnostics about an instance are the same as without folding.
//
// It is made before the instances are decoded and does not change afterwards.
type folding struct {
	ctx    *hcl.EvalContext // without `each`
	exprs  map[hclsyntax.Expression]hclsyntax.Expression
	bodies map[*hclsyntax.Body]*foldedBody
}

// foldedBody is the body of a config block without its constant parts.
type foldedBody struct {
	values     map[string]cty.Value // the constant parts, and what is not set
	attributes hclsyntax.Attributes
	blocks     hclsyntax.Blocks
}

// fold evaluates what is the same for all instances of a block. d is nil if the
// type of its config is not known.
func (e *environment) fold(b *hclsyntax.Block, d *decoder, ctx *hcl.EvalContext) *folding {
	f := &folding{ctx: ctx, exprs: map[hclsyntax.Expression]hclsyntax.Expression{}, bodies: map[*hclsyntax.Body]*foldedBody{}}
	for _, name := range []string{"name", "labels", "group", "vars"} {
		if attr := b.Body.Attributes[name]; attr != nil {
			f.remember(attr.Expr)
		}
	}
	if config := nested(b.Body, "config"); config != nil && d != nil {
		f.body(e, d, config.Body)
	}
	return f
}

// body folds the body of a config block and of the blocks inside it. It leaves
// out the content of dynamic blocks, which has names of its own.
func (f *folding) body(env *environment, d *decoder, body *hclsyntax.Body) {
	folded := &foldedBody{values: make(map[string]cty.Value, len(d.absent)), attributes: hclsyntax.Attributes{}}
	for name, v := range d.absent {
		folded.values[name] = v
	}
	for name, attr := range body.Attributes {
		if a := d.attrs[name]; a != nil && same(attr.Expr.Variables()) {
			s := &sink{env: env}
			if v := s.decodeAttribute(d, a, attr, f.ctx); len(s.list) == 0 {
				folded.values[name] = v
				continue
			}
		}
		f.remember(attr.Expr)
		folded.attributes[name] = attr
	}
	changing := map[string]bool{}
	for _, b := range body.Blocks {
		name := b.Type
		if name == "dynamic" && len(b.Labels) == 1 {
			name = b.Labels[0]
		}
		changing[name] = changing[name] || b.Type == "dynamic" || d.blocks[name] == nil || !same(variablesOf(b))
	}
	for name, n := range d.blocks {
		if _, written := changing[name]; !written || changing[name] {
			continue
		}
		if v, ok := f.block(env, n, body); ok {
			folded.values[name] = v
		} else {
			changing[name] = true
		}
	}
	for _, b := range body.Blocks {
		if n := d.blocks[b.Type]; n != nil && changing[b.Type] {
			f.body(env, n.decoder, b.Body)
		}
		if b.Type == "dynamic" || changing[b.Type] {
			folded.blocks = append(folded.blocks, b)
		}
	}
	f.bodies[body] = folded
}

// block decodes all blocks of a name. It returns false if there is a diagnostic
// about one of them.
func (f *folding) block(env *environment, n *nestedDecoder, body *hclsyntax.Body) (cty.Value, bool) {
	s := &sink{env: env}
	only := &hclsyntax.Body{Blocks: slices.DeleteFunc(slices.Clone(body.Blocks), func(b *hclsyntax.Block) bool { return b.Type != n.Name })}
	absent := cty.NullVal(n.decoder.ty)
	if n.Nesting == schema.NestingList {
		absent = cty.ListValEmpty(n.decoder.ty)
	}
	d := &decoder{blocks: map[string]*nestedDecoder{n.Name: n}, absent: map[string]cty.Value{n.Name: absent}}
	v := s.decodeBody(d, only, f.ctx)[n.Name]
	return v, len(s.list) == 0
}

// remember folds an expression if it has constant parts.
func (f *folding) remember(e hclsyntax.Expression) {
	if folded := f.expr(e); folded != e {
		f.exprs[e] = folded
	}
}

// expr returns the expression with its constant parts replaced, or the same
// expression. It looks only into expressions whose parts are all evaluated, and
// evaluated in the scope of the whole.
func (f *folding) expr(e hclsyntax.Expression) hclsyntax.Expression {
	if _, done := e.(*hclsyntax.LiteralValueExpr); done {
		return e
	}
	if same(e.Variables()) {
		v, ds := e.Value(f.ctx)
		if ds.HasErrors() {
			return e
		}
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Range()}
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return f.expr(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return f.expr(e.Wrapped)
	case *hclsyntax.TemplateExpr:
		made := *e
		made.Parts = f.all(e.Parts)
		return &foldedTemplate{&made}
	case *hclsyntax.TupleConsExpr:
		made := *e
		made.Exprs = f.all(e.Exprs)
		return &made
	case *hclsyntax.ObjectConsExpr:
		made := *e
		made.Items = make([]hclsyntax.ObjectConsItem, len(e.Items))
		for i, item := range e.Items {
			made.Items[i] = hclsyntax.ObjectConsItem{KeyExpr: f.expr(item.KeyExpr), ValueExpr: f.expr(item.ValueExpr)}
		}
		return &made
	}
	return e
}

func (f *folding) all(list []hclsyntax.Expression) []hclsyntax.Expression {
	made := make([]hclsyntax.Expression, len(list))
	for i, e := range list {
		made[i] = f.expr(e)
	}
	return made
}

// same reports whether an expression with these references has the same value
// for all instances of a block.
func same(vars []hcl.Traversal) bool {
	return !slices.ContainsFunc(vars, func(t hcl.Traversal) bool { return t.RootName() == "each" })
}

// foldedTemplate is a template that is evaluated in a short way if all its
// parts are plain texts and whole numbers.
type foldedTemplate struct{ *hclsyntax.TemplateExpr }

// Value implements hclsyntax.Expression.
func (t *foldedTemplate) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	text := make([]byte, 0, 64)
	for _, part := range t.Parts {
		v, ds := part.Value(ctx)
		var ok bool
		if text, ok = appendPlain(text, v); !ok || len(ds) > 0 {
			return t.TemplateExpr.Value(ctx)
		}
	}
	return cty.StringVal(string(text)), nil
}

// appendPlain appends a text or a whole number as a template does. The general
// way to write a number takes noticeable time, because numbers have 512 bits.
func appendPlain(text []byte, v cty.Value) ([]byte, bool) {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() {
		return text, false
	}
	switch v.Type() {
	case cty.String:
		return append(text, v.AsString()...), true
	case cty.Number:
		f := v.AsBigFloat()
		n, accuracy := f.Int64()
		if accuracy != big.Exact || n == 0 && f.Signbit() {
			return text, false
		}
		return strconv.AppendInt(text, n, 10), true
	}
	return text, false
}
