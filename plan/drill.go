package plan

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/sdk/schema"
)

// Drill says which sets of a plan are imported on a gateway that serves only
// this purpose, to prove that they can be restored.
type Drill struct {
	Name     string
	Device   *Device // nil: it is wrong, which was reported
	Identity string  // of the device, as it reports it
	Devices  pattern.Set
	Domains  pattern.Set
	Sample   int           // largest number of sets in one drill
	MaxAge   time.Duration // a set that was proven is drilled again only after this time
	Range    Range
}

// DrillLabel is the label of a drill gateway. Its value is "yes".
const DrillLabel = "drill"

func (c *compiler) compileDrills(p *Plan, b *hclsyntax.Block, ctx *hcl.EvalContext) {
	for _, n := range b.Body.Blocks {
		if n.Type != "drill" || len(n.Labels) != 1 {
			continue
		}
		d := &Drill{Name: n.Labels[0], Range: *rangeOf(n.DefRange())}
		if before := slices.IndexFunc(p.Drills, func(o *Drill) bool { return o.Name == d.Name }); before >= 0 {
			c.add(diag.DuplicateDefinition, n.DefRange(), "The plan has a drill %q already.", d.Name).Related = related("The first one is here.", hclRange(p.Drills[before].Range))
			continue
		}
		d.Device, _ = one[*Device](&c.sink, n.Body, "device", ctx, "device")
		d.Identity, _ = c.text(n.Body, "identity", ctx)
		if attr := n.Body.Attributes["identity"]; attr != nil && d.Identity == "" && allKnown(n.Body, ctx) {
			c.add(diag.InvalidValue, attr.Expr.Range(), "\"identity\" names the device that receives the import, as `dprun check` shows it. It must not be empty.")
		}
		d.Devices, d.Domains = c.globs(n.Body, "devices", ctx), c.globs(n.Body, "domains", ctx)
		d.Sample = c.whole(n.Body, "sample", ctx, 3, 1)
		d.MaxAge = c.duration(n.Body, "max_age", ctx, 30*24*time.Hour, time.Hour)
		p.Drills = append(p.Drills, d)
		c.drills = append(c.drills, drillAt{d, n.Body.Attributes["device"]})
	}
}

// globs reads a list of globs; without it, everything matches.
func (c *compiler) globs(b *hclsyntax.Body, name string, ctx *hcl.EvalContext) pattern.Set {
	match := []string{"*"}
	if texts := c.texts(b, name, ctx); texts != nil {
		if match = texts; len(match) == 0 {
			c.add(diag.InvalidValue, b.Attributes[name].Expr.Range(), "%q needs at least one name or glob, such as [\"*\"]. Leave it out for everything.", name)
		}
	}
	return pattern.Set{{Match: match}}
}

// drillAt is a drill and the place where it names its device.
type drillAt struct {
	*Drill
	device *hclsyntax.Attribute
}

// checkDrills refuses a drill gateway that is used for anything else: an import
// there must not touch anything that somebody needs.
func (c *compiler) checkDrills() {
	failed := c.failed() // a wrong restore block counts as none
	for _, d := range c.drills {
		if d.Device == nil {
			continue
		}
		refuse := func(format string, args ...any) *diag.Diagnostic {
			return c.add(diag.DrillDevice, d.device.Expr.Range(), format, append([]any{d.Device.Name}, args...)...)
		}
		if value, has := d.Device.Labels[DrillLabel]; !has || value != "yes" {
			_ = refuse("The device %q has no label drill = \"yes\", with which its owner allows drills on it. To allow them, write labels = { drill = \"yes\" } in its block.")
		}
		if d.Device.Restore == cty.NilVal && !failed {
			_ = refuse("The device %q has no restore block. That block names the account that drills log in with: the one that makes backups needs no right to import.")
		}
		if d.Device.Group != "" {
			_ = refuse("The device %q belongs to the group %q, so others stand in for it. A drill needs a gateway that serves nobody.", d.Device.Group)
		}
		for _, p := range c.cfg.Plans {
			for _, a := range p.Activities {
				if slices.Contains(a.Devices, d.Device) {
					refuse("The device %[1]q is backed up by the activity %[2]q of the plan %[3]q. A drill needs a gateway that is in no activity. If a glob brought it there, use a pattern with except = [%[1]q].",
						a.Name, p.Name).Related = related("The activity is here.", hclRange(a.Range))
				}
			}
		}
	}
}

// WayBack returns a plan whose only activity is an export of one domain of a
// device as it is. The plan has no window, no scripts and no quiesce. Its sets
// are stored like the original plan's own.
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
