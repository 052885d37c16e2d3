package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/schema"
)

// WayBack is a plan with one activity in place of its own: an export of one
// domain of a device as it is. It has no window, no scripts and no quiesce; what
// it makes is stored as the plan's own sets are.
func (c *Config) WayBack(p *Plan, d *Device, export schema.Activity, domain string) *Plan {
	made := *p
	made.Window, made.PreScript, made.PostScript, made.ErrorPolicy = nil, nil, nil, Halt
	names := &hclsyntax.TupleConsExpr{Exprs: []hclsyntax.Expression{&hclsyntax.LiteralValueExpr{Val: cty.StringVal(domain)}}}
	ctx := &hcl.EvalContext{}
	made.Activities = []*Activity{{Name: "way-back", Type: export.Name, Schema: export, Devices: []*Device{d}, ErrorPolicy: Halt, Quiesce: quiesceNone, Range: p.Range,
		domains: c.env.lazyExpr(names, ctx),
		config:  c.env.lazyConfig(c.env.decoder(d.Type+" activity "+export.Name, export.Config), &hclsyntax.Block{Body: &hclsyntax.Body{}}, ctx)}}
	return &made
}
