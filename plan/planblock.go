package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/script"
)

// minQuiesce is the shortest quiesce timeout that a gateway accepts.
const minQuiesce = 60 * time.Second

func (c *compiler) compilePlans() {
	var defined definitions
	c.each("plan", &defined, c.plans, func(b *hclsyntax.Block, path string, i instance) any {
		p := &Plan{Name: i.address(path), Range: *rangeOf(b.DefRange())}
		c.cfg.Plans = append(c.cfg.Plans, p)
		p.Description, _ = c.text(b.Body, "description", i.ctx)
		p.Window = c.window(b.Body, i.ctx)
		p.ErrorPolicy = c.word(b.Body, "error_policy", i.ctx, Ignore, Halt, Ignore)
		if v, ok := c.shown(b.Body, "four_eyes", i.ctx, cty.Bool); ok {
			p.FourEyes = v.True()
		}
		p.Destinations = c.planDestinations(b, i.ctx)
		p.Retention = c.retention(b.Body, i.ctx)
		p.Signing = c.signing(b.Body, i.ctx)
		p.Limits = c.limits(b.Body, i.ctx)
		p.Timeouts = c.timeouts(b.Body, i.ctx)
		p.Guard = c.guard(b.Body, i.ctx)
		p.PreScript, _ = one[*Script](&c.sink, b.Body, "pre_script", i.ctx, "script")
		p.PostScript = c.postScript(b.Body, i.ctx)
		p.Notify = c.notify(b.Body, i.ctx)
		c.compileActivities(p, b, i)
		c.schedules(p, b.Body, i.ctx)
		c.compileDrills(p, b, i.ctx)
		c.checkPlan(p, b, i.ctx)
		return p
	})
	if len(c.file.blocks["plan"]) == 0 || len(c.cfg.Plans) == 0 && !c.failed() {
		c.addBare(diag.NoPlan, "The files define no plan, so there is nothing to run. Add a `plan` block.")
	}
}

func (c *compiler) planDestinations(b *hclsyntax.Block, ctx *hcl.EvalContext) []*Destination {
	attr := b.Body.Attributes["destinations"]
	if attr == nil {
		return nil
	}
	found, complete := c.elements(attr, ctx, "references such as [destination.nfs.vault]")
	var list []*Destination
	for _, e := range found {
		if e.target == nil {
			c.add(diag.WrongReference, e.rng, "\"destinations\" takes references such as destination.nfs.vault, not texts.")
			complete = false
			continue
		}
		d, ok := e.target.item.(*Destination)
		if !ok {
			c.add(diag.WrongReference, e.rng, "\"destinations\" takes references such as destination.nfs.vault, but this refers to %s.", indefinite(e.target.kind))
			complete = false
			continue
		}
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	if len(list) == 0 && complete {
		c.add(diag.InvalidValue, attr.Expr.Range(), "A plan needs at least one destination for its captures.")
	}
	return list
}

func (c *compiler) limits(b *hclsyntax.Body, ctx *hcl.EvalContext) Limits {
	l := Limits{Parallel: 4, PerDevice: 1}
	n := nested(b, "limits")
	if n == nil {
		return l
	}
	l.Parallel = c.whole(n.Body, "parallel", ctx, l.Parallel, 1)
	l.PerDevice = c.whole(n.Body, "per_device", ctx, l.PerDevice, 1)
	v, ok := c.shown(n.Body, "per_label", ctx, cty.Map(cty.Number))
	if !ok {
		return l
	}
	r := n.Body.Attributes["per_label"].Expr.Range()
	l.PerLabel = map[string]int{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		label := k.AsString()
		if e.IsNull() {
			continue
		}
		count, ok := wholeNumber(e)
		if !ok || count < 1 {
			c.add(diag.InvalidValue, r, "The limit for the label %q must be a whole number of at least 1.", label)
			continue
		}
		l.PerLabel[label] = count
	}
	return l
}

func (c *compiler) timeouts(b *hclsyntax.Body, ctx *hcl.EvalContext) Timeouts {
	t := Timeouts{
		Queue: 24 * time.Hour, Run: time.Hour, Quiesce: minQuiesce, Unquiesce: time.Minute,
		Grace: 3 * time.Minute, Store: 2 * time.Hour, Healthy: 5 * time.Minute,
	}
	n := nested(b, "timeouts")
	if n == nil {
		return t
	}
	for _, f := range []struct {
		name string
		at   *time.Duration
	}{
		{"queue", &t.Queue}, {"run", &t.Run}, {"quiesce", &t.Quiesce}, {"unquiesce", &t.Unquiesce},
		{"store", &t.Store}, {"healthy", &t.Healthy},
	} {
		*f.at = c.duration(n.Body, f.name, ctx, *f.at, time.Second)
	}
	t.Grace = c.duration(n.Body, "grace", ctx, t.Grace, 0)
	if t.Quiesce < minQuiesce {
		c.add(diag.QuiesceTimeoutTooShort, n.Body.Attributes["quiesce"].Expr.Range(), "A gateway accepts no quiesce timeout below 60 seconds, so \"quiesce\" must be at least \"60s\".")
	}
	return t
}

func (c *compiler) guard(b *hclsyntax.Body, ctx *hcl.EvalContext) Guard {
	g := Guard{MaxDevices: 1, MaxPerGroup: 1, Settle: 2 * time.Minute, Peers: PeersUp, Active: Refuse, APIConnect: Refuse}
	n := nested(b, "quiesce_guard")
	if n == nil {
		return g
	}
	g.MaxDevices = c.whole(n.Body, "max_devices", ctx, g.MaxDevices, 1)
	g.MaxPerGroup = c.whole(n.Body, "max_per_group", ctx, g.MaxPerGroup, 1)
	g.Settle = c.duration(n.Body, "settle", ctx, g.Settle, 0)
	g.Peers = c.word(n.Body, "peers", ctx, g.Peers, PeersUp, "ignore")
	g.Active = c.word(n.Body, "active", ctx, g.Active, Refuse, "allow")
	g.APIConnect = c.word(n.Body, "apic", ctx, g.APIConnect, Refuse, "allow")
	g.Environment, _ = c.text(n.Body, "environment", ctx)
	return g
}

// postScript reads post_script, a block or a bare reference.
func (c *compiler) postScript(b *hclsyntax.Body, ctx *hcl.EvalContext) *PostScript {
	if b.Attributes["post_script"] != nil {
		if s, ok := one[*Script](&c.sink, b, "post_script", ctx, "script"); ok {
			return &PostScript{Script: s, When: Always}
		}
		return nil
	}
	n := nested(b, "post_script")
	if n == nil {
		return nil
	}
	when := c.word(n.Body, "when", ctx, string(Always), string(Always), string(Success), string(Failure))
	s, ok := one[*Script](&c.sink, n.Body, "run", ctx, "script")
	if !ok {
		return nil
	}
	return &PostScript{Script: s, When: When(when)}
}

// notify reads the notify blocks.
func (c *compiler) notify(b *hclsyntax.Body, ctx *hcl.EvalContext) (all []Notify) {
	for _, n := range b.Blocks {
		if n.Type != "notify" {
			continue
		}
		var told []script.Event
		var words []string
		for _, e := range script.Events() {
			words = append(words, string(e))
		}
		on := c.texts(n.Body, "on", ctx)
		for _, w := range on {
			told = append(told, script.Event(w))
			if !slices.Contains(words, w) {
				c.unknownName(diag.InvalidValue, n.Body.Attributes["on"].Expr.Range(), w, words, "\"on\" takes some of %s, not %q.", listed(words), w)
			}
		}
		if attr := n.Body.Attributes["on"]; attr != nil && on != nil && len(on) == 0 {
			c.add(diag.InvalidValue, attr.Expr.Range(), "With an empty \"on\" nobody is notified. It takes some of %s.", listed(words))
		}
		if s, ok := one[*Script](&c.sink, n.Body, "run", ctx, "script"); ok {
			all = append(all, Notify{On: told, Script: s})
		}
	}
	return all
}

// checkPlan checks the plan as a whole.
func (c *compiler) checkPlan(p *Plan, b *hclsyntax.Block, ctx *hcl.EvalContext) {
	if !slices.ContainsFunc(b.Body.Blocks, func(n *hclsyntax.Block) bool { return n.Type == "activity" }) {
		c.add(diag.MissingBlock, b.DefRange(), "The plan %q does nothing: it needs at least one activity block.", p.Name)
	}
	c.checkGuard(p, b)
	c.checkLabels(p, b)
	if p.PreScript != nil {
		c.checkScript(p.PreScript, Scope{Plan: p})
	}
	if p.PostScript != nil {
		c.checkScript(p.PostScript.Script, Scope{Plan: p})
	}
	for _, n := range p.Notify {
		c.checkScript(n.Script, Scope{Plan: p})
	}
	for _, d := range p.Destinations {
		c.checkPaths(p, d)
	}
}

// checkGuard refuses several quiesced devices at the same time if no group
// keeps the members of a pair apart.
func (c *compiler) checkGuard(p *Plan, b *hclsyntax.Block) {
	if p.Guard.MaxDevices < 2 {
		return
	}
	quiesces := slices.ContainsFunc(p.Activities, func(a *Activity) bool { return a.Quiesce != quiesceNone })
	var names []string
	seen := map[*Device]bool{}
	for _, a := range p.Activities {
		if quiesces && a.Quiesce == quiesceNone {
			continue
		}
		for _, d := range a.Devices {
			if d.Group == "" && !seen[d] {
				seen[d] = true
				names = append(names, d.Name)
			}
		}
	}
	if len(names) == 0 {
		return
	}
	c.add(diag.DevicesWithoutGroup, nested(b.Body, "quiesce_guard").Body.Attributes["max_devices"].Expr.Range(),
		"With max_devices = %d several devices may be down at the same time, and nothing keeps those without a group apart: %s. Give each a `group`, or leave max_devices at 1.", p.Guard.MaxDevices, someOf(names))
}

// someOf lists a few names and says how many more there are.
func someOf(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and more"
}

func (c *compiler) checkLabels(p *Plan, b *hclsyntax.Block) {
	if !c.devices.complete() {
		return // the missing devices may have the label
	}
	for label := range p.Limits.PerLabel {
		has := slices.ContainsFunc(p.Activities, func(a *Activity) bool {
			return slices.ContainsFunc(a.Devices, func(d *Device) bool { _, ok := d.Labels[label]; return ok })
		})
		if !has {
			c.add(diag.UnknownLabel, nested(b.Body, "limits").Body.Attributes["per_label"].Expr.Range(), "No device of the plan %q has the label %q, so this limit has no effect.", p.Name, label)
		}
	}
}
