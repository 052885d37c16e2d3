package plan

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/sdk/schema"
)

// Retention says which sets are kept. A rule of zero keeps nothing.
type Retention struct {
	Address     string // "standard"
	KeepLast    int
	KeepDaily   int
	KeepWeekly  int
	KeepMonthly int
	KeepWithin  time.Duration
	Timezone    string // an IANA zone
	Range       Range
}

// RetentionAt returns the rules for keeping the sets of a plan at a
// destination: the destination's own, otherwise the plan's. Nil: all sets are
// kept. It is also nil if the destination cannot list, read and delete.
func (p *Plan) RetentionAt(d *Destination) *Retention {
	if d.keepsAll {
		return nil
	}
	if d.Retention != nil {
		return d.Retention
	}
	return p.Retention
}

func (c *compiler) compileRetentions() {
	c.each("retention", &c.retentions, c.root, func(b *hclsyntax.Block, path string, i instance) any {
		before := len(c.list)
		r := &Retention{Address: i.address(path), Timezone: "UTC", Range: *rangeOf(b.DefRange())}
		r.KeepLast = c.whole(b.Body, "keep_last", i.ctx, 0, 0)
		r.KeepDaily = c.whole(b.Body, "keep_daily", i.ctx, 0, 0)
		r.KeepWeekly = c.whole(b.Body, "keep_weekly", i.ctx, 0, 0)
		r.KeepMonthly = c.whole(b.Body, "keep_monthly", i.ctx, 0, 0)
		r.KeepWithin = c.duration(b.Body, "keep_within", i.ctx, 0, 0)
		if zone, ok := c.text(b.Body, "timezone", i.ctx); ok {
			r.Timezone = zone
			if _, err := (window.Window{Timezone: zone}).Compile(); err != nil {
				c.add(diag.InvalidValue, b.Body.Attributes["timezone"].Expr.Range(),
					"%q is not the name of a zone in the IANA database. Write one such as \"Europe/Berlin\" or \"UTC\".", zone).Suggestion = window.NearZone(zone)
			}
		}
		if len(c.list) == before && r.KeepLast+r.KeepDaily+r.KeepWeekly+r.KeepMonthly == 0 && r.KeepWithin == 0 && allKnown(b.Body, i.ctx) {
			c.add(diag.RetentionKeepsNothing, b.DefRange(), "The retention %q keeps nothing but the newest set of everything. Give it at least one of keep_last, keep_daily, keep_weekly, keep_monthly and keep_within.", r.Address)
		}
		return r
	})
}

// allKnown reports whether each argument has a value. A missing value was
// reported where the value comes from.
func allKnown(b *hclsyntax.Body, ctx *hcl.EvalContext) bool {
	for _, attr := range b.Attributes {
		if v, ds := attr.Expr.Value(ctx); ds.HasErrors() || !v.IsKnown() {
			return false
		}
	}
	return true
}

// retention reads the retention argument of a plan or a destination.
func (c *compiler) retention(b *hclsyntax.Body, ctx *hcl.EvalContext) *Retention {
	in := child(ctx)
	in.Variables = map[string]cty.Value{"retention": namespace(c.retentions, "retention", c.targets)}
	r, _ := one[*Retention](&c.sink, b, "retention", in, "retention")
	return r
}

func able(ty schema.DestinationType, all ...schema.Ability) bool {
	return !slices.ContainsFunc(all, func(a schema.Ability) bool { return !slices.Contains(ty.Abilities, a) })
}

// checkRetention warns, once for each, of destinations that have a retention
// and cannot carry it out.
func (c *compiler) checkRetention() {
	for _, d := range c.cfg.Destinations {
		ty, known := c.in.Schemas.Destinations[d.Type]
		if !known || able(ty, schema.AbilityDelete, schema.AbilityList, schema.AbilityRead) {
			continue
		}
		var meant *Retention
		for _, p := range c.cfg.Plans {
			if meant == nil && slices.Contains(p.Destinations, d) {
				meant = p.RetentionAt(d)
			}
		}
		if meant != nil {
			c.add(diag.NeverRuns, hclRange(d.Range), "The retention %q keeps everything at this destination: the plugin %s cannot remove stored files, or cannot list and read them to decide what to remove. Let the storage's own rules remove old sets.", meant.Address, d.Type)
		}
		d.keepsAll = true
	}
}
