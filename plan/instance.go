package plan

import (
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/inventory"
)

// maxInstances bounds the number of instances for which the same diagnostic
// about one place is reported.
const maxInstances = 20

// owner is the block that a config belongs to, with the instance of that block.
type owner struct {
	block *hclsyntax.Block
	key   cty.Value // of for_each; nil without it
}

// ownerOf returns the block and the instance whose config is evaluated in a
// context.
func ownerOf(b *hclsyntax.Block, ctx *hcl.EvalContext) owner {
	o := owner{block: b}
	if b.Body.Attributes["for_each"] == nil {
		return o
	}
	for c := ctx; c != nil; c = c.Parent() {
		if each, ok := c.Variables["each"]; ok {
			o.key = each.GetAttr("key")
			break
		}
	}
	return o
}

// address returns the instance as a reference would name it.
func (o owner) address() string {
	return o.block.Type + "." + strings.Join(o.block.Labels, ".") + `["` + o.key.AsString() + `"]`
}

// use is an expression that an instance evaluates.
type use struct {
	owner owner
	expr  hclsyntax.Expression
}

// named adds the instance to a diagnostic, if other instances may not have the
// same error.
func (s *sink) named(d *diag.Diagnostic, o owner, expr hclsyntax.Expression) {
	if expr == nil || o.key == cty.NilVal || same(expr.Variables()) {
		return
	}
	d.Instance = o.address()
	d.Detail = d.Instance + ": " + d.Detail
	s.env.use(d, use{o, expr})
}

// ofInstances limits diagnostics that many instances have at one place to the
// first instances. It also points to the line of the inventory that an instance
// comes from.
func (c *compiler) ofInstances(list diag.List) diag.List {
	type place struct {
		at   string
		code diag.Code
	}
	kept := make(diag.List, 0, len(list))
	seen, last := map[place]int{}, map[place]int{}
	for _, d := range list.Sorted() { // an instance may have the same diagnostic twice
		if d.Instance == "" || d.Range == nil {
			kept = append(kept, d)
			continue
		}
		p := place{d.Range.String(), d.Code}
		if seen[p]++; seen[p] > maxInstances {
			continue
		}
		if cell, ok := c.cell(c.env.used(&d)); ok {
			d.Related = &diag.Related{Message: "The value is used here.", Range: *d.Range}
			d.Range = &cell
		}
		kept = append(kept, d)
		last[p] = len(kept) - 1
	}
	for p, n := range seen {
		if n > maxInstances {
			kept[last[p]].Detail += fmt.Sprintf(" This place is wrong for %d more, which are not listed.", n-maxInstances)
		}
	}
	return kept
}

// cell returns the place in an inventory of the value that an expression uses.
func (c *compiler) cell(u use) (diag.Range, bool) {
	if u.expr == nil {
		return diag.Range{}, false
	}
	column := ""
	for _, t := range u.expr.Variables() {
		if t.RootName() != "each" {
			continue
		}
		if len(t) < 3 || stepName(t[1]) != "value" || column != "" {
			return diag.Range{}, false
		}
		column = stepName(t[2])
	}
	call := c.inventoryOf(u.owner.block.Body.Attributes["for_each"].Expr)
	if call == nil {
		return diag.Range{}, false
	}
	var texts [2]string
	for i := range texts {
		v, ds := call.Args[i].Value(c.root)
		if v, _ = v.Unmark(); ds.HasErrors() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
			return diag.Range{}, false
		}
		texts[i] = v.AsString()
	}
	name := path.Clean(strings.TrimPrefix(texts[0], "./"))
	return inventory.Find(name, c.env.text(name), texts[1], u.owner.key.AsString(), column)
}

// inventoryOf returns the call of inventory() that an expression consists of,
// directly or as a local value.
func (c *compiler) inventoryOf(e hclsyntax.Expression) *hclsyntax.FunctionCallExpr {
	for range len(c.file.blocks["locals"]) + 1 { // bounded, because local values may refer to each other in a cycle
		switch is := e.(type) {
		case *hclsyntax.ParenthesesExpr:
			e = is.Expression
		case *hclsyntax.FunctionCallExpr:
			if is.Name == "inventory" && len(is.Args) >= 2 {
				return is
			}
			return nil
		case *hclsyntax.ScopeTraversalExpr:
			if e = c.localExpr(is.Traversal); e == nil {
				return nil
			}
		default:
			return nil
		}
	}
	return nil
}

func (c *compiler) localExpr(t hcl.Traversal) hclsyntax.Expression {
	if t.RootName() != "local" || len(t) != 2 {
		return nil
	}
	for _, b := range c.file.blocks["locals"] {
		if attr := b.Body.Attributes[stepName(t[1])]; attr != nil {
			return attr.Expr
		}
	}
	return nil
}
