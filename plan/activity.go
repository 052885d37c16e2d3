package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/sdk/schema"
)

const quiesceNone = "none"

func (c *compiler) compileActivities(p *Plan, b *hclsyntax.Block, outer instance) {
	type pending struct {
		a   *Activity
		b   *hclsyntax.Block
		ctx *hcl.EvalContext
	}
	var all []pending
	defined := map[string]*definition{}
	var order []string
	for _, n := range b.Body.Blocks {
		if n.Type != "activity" || len(n.Labels) != 2 {
			continue
		}
		label := n.Labels[1]
		if before := defined[label]; before != nil {
			c.add(diag.DuplicateDefinition, n.DefRange(), "The plan has an activity %q already.", label).Related = related("The first one is here.", before.block.DefRange())
			continue
		}
		def := &definition{block: n, items: map[string]any{}, keyed: n.Body.Attributes["for_each"] != nil}
		defined[label] = def
		order = append(order, label)
		list, ok := c.instances(n.Body, outer.ctx)
		def.known = ok
		for _, i := range list {
			a := c.compileActivity(p, n, i)
			p.Activities = append(p.Activities, a)
			def.items[i.key] = a
			all = append(all, pending{a, n, i.ctx})
		}
	}
	ds := definitions{byPath: defined, order: order}
	names := namespace(ds, "activity", newTargetType())
	for _, x := range all {
		ctx := child(x.ctx)
		ctx.Variables = map[string]cty.Value{"activity": names}
		c.dependsOn(x.a, x.b, ctx)
	}
	c.checkCycles(p)
	for _, x := range all {
		c.checkActivity(p, x.a, x.b)
	}
}

func (c *compiler) compileActivity(p *Plan, b *hclsyntax.Block, i instance) *Activity {
	a := &Activity{Name: i.address(b.Labels[1]), Type: b.Labels[0], Range: *rangeOf(b.DefRange())}
	c.activityDevices(a, b, i.ctx)
	known := c.activitySchema(a, b)
	a.ErrorPolicy = c.word(b.Body, "error_policy", i.ctx, p.ErrorPolicy, Halt, Ignore)
	a.OnBusy = c.word(b.Body, "on_busy", i.ctx, "abort", "abort", "force")
	a.Quiesce = quiesceNone
	if v, ok := c.text(b.Body, "quiesce", i.ctx); ok {
		allowed := append([]string{quiesceNone}, a.Schema.Quiesce...)
		switch {
		case !known || slices.Contains(allowed, v):
			a.Quiesce = v
		default:
			c.unknownName(diag.QuiesceImpossible, b.Body.Attributes["quiesce"].Expr.Range(), v, allowed, "An activity of type %s can be quiesced as %s, not as %q.", a.Type, strings.Join(allowed, " or "), v)
		}
	}
	body, s := b.Body, &c.sink
	a.PreScript, _ = one[*Script](s, body, "pre_script", i.ctx, "script")
	a.PostScript = c.postScript(body, i.ctx)
	a.BeforeQuiesce, _ = one[*Script](s, body, "before_quiesce", i.ctx, "script")
	a.AfterUnquiesce, _ = one[*Script](s, body, "after_unquiesce", i.ctx, "script")
	c.activityDomains(a, b, i.ctx, known)
	if known {
		id := "activity " + a.Type
		if len(a.Devices) > 0 {
			id = a.Devices[0].Type + " " + id
		}
		a.config = c.env.lazyConfig(c.env.decoder(id, a.Schema.Config), b, eachOf(c.root, i.ctx))
	}
	if a.Quiesce == quiesceNone {
		for _, name := range []string{"before_quiesce", "after_unquiesce", "on_busy"} {
			if attr := body.Attributes[name]; attr != nil && known {
				c.add(diag.NeverRuns, attr.NameRange, "The activity %q does not quiesce, so %q has no effect. Set `quiesce`, or remove it.", a.Name, name)
			}
		}
	}
	return a
}

// activitySchema looks up the activity's type among what the devices' source
// offers.
func (c *compiler) activitySchema(a *Activity, b *hclsyntax.Block) bool {
	types := map[string]bool{}
	for _, d := range a.Devices {
		types[d.Type] = true
	}
	names := slices.Sorted(maps.Keys(types))
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(c.in.Schemas.Sources))
	}
	var have []string
	found := false
	for _, name := range names {
		source, known := c.in.Schemas.Sources[name]
		if !known {
			return false // reported with the device
		}
		offered := slices.IndexFunc(source.Activities, func(x schema.Activity) bool { return x.Name == a.Type })
		for _, x := range source.Activities {
			have = append(have, x.Name)
		}
		switch {
		case offered >= 0 && !found:
			a.Schema, found = source.Activities[offered], true
		case offered >= 0 && len(types) > 1:
			c.add(diag.InvalidValue, b.DefRange(), "All devices of an activity must have the same type; these are of %s. Write one activity for each type.", listed(names))
			return found
		case offered < 0 && len(types) > 1:
			c.add(diag.UnknownType, b.LabelRanges[0], "Devices of type %s do not offer the activity %q.", name, a.Type)
		}
	}
	if !found {
		slices.Sort(have)
		have = slices.Compact(have)
		c.unknownName(diag.UnknownType, b.LabelRanges[0], a.Type, have, "There is no activity of type %q for these devices. There are %s.", a.Type, listed(have))
	}
	return found
}

func (c *compiler) activityDevices(a *Activity, b *hclsyntax.Block, ctx *hcl.EvalContext) {
	attr := b.Body.Attributes["devices"]
	if attr == nil {
		return
	}
	const what = "names, globs, patterns and devices, such as [\"fra-*\", pattern.edge, device.datapower.lab]"
	found, complete := c.elements(attr, ctx, what)
	chosen := map[*Device]bool{}
	for _, e := range found {
		before := len(chosen)
		text := e.text
		if e.target != nil {
			text = e.target.path
			switch item := e.target.item.(type) {
			case *Device:
				chosen[item] = true
				continue
			case *Pattern:
				n := 0
				for _, d := range c.cfg.Devices {
					if item.MatchesDevice(d) {
						chosen[d] = true
						n++
					}
				}
				if n > 0 {
					continue
				}
			default:
				c.add(diag.WrongReference, e.rng, "\"devices\" takes %s, but this refers to %s.", what, indefinite(e.target.kind))
				continue
			}
		} else if pattern.IsLiteral(text) {
			if d := c.deviceNames[text]; d != nil {
				chosen[d] = true
				continue
			}
		} else {
			n := 0
			for _, d := range c.cfg.Devices {
				if pattern.Glob(text, d.Name) {
					chosen[d] = true
					n++
				}
			}
			if n > 0 {
				continue
			}
		}
		if len(chosen) == before && c.devices.complete() {
			a.Unmatched = append(a.Unmatched, text)
			made := c.add(diag.NoMatch, e.rng, "%q matches none of the %d devices. Case matters, and so do labels. The run will report it as a skipped task.", text, len(c.cfg.Devices))
			if e.target == nil && len(c.deviceNames) <= 1000 {
				made.Suggestion = diag.Suggest(text, slices.Collect(maps.Keys(c.deviceNames)))
			}
		}
	}
	if len(found) == 0 && complete {
		c.add(diag.InvalidValue, attr.Expr.Range(), "An activity needs at least one device, glob or pattern.")
	}
	for _, d := range c.cfg.Devices {
		if chosen[d] {
			a.Devices = append(a.Devices, d)
		}
	}
}

// complete reports whether all instances of all definitions are known. Only
// then does a missing instance mean something.
func (ds definitions) complete() bool {
	for _, d := range ds.byPath {
		if !d.known {
			return false
		}
	}
	return true
}

func (c *compiler) activityDomains(a *Activity, b *hclsyntax.Block, ctx *hcl.EvalContext, known bool) {
	attr := b.Body.Attributes["domains"]
	switch {
	case !known:
	case attr == nil && a.Schema.Scope == schema.ScopeDomain:
		c.add(diag.MissingArgument, b.DefRange(), "An activity of type %s works on single domains and needs \"domains\". Write domains = [\"*\"] for all of them.", a.Type)
	case attr != nil && a.Schema.Scope == schema.ScopeDevice:
		c.add(diag.UnexpectedDomains, attr.NameRange, "An activity of type %s works on a whole device. Remove \"domains\".", a.Type)
	case attr != nil:
		a.domains = c.env.lazyExpr(attr.Expr, eachOf(c.tasks, ctx))
	}
}

func (c *compiler) dependsOn(a *Activity, b *hclsyntax.Block, ctx *hcl.EvalContext) {
	attr := b.Body.Attributes["depends_on"]
	if attr == nil {
		return
	}
	found, _ := c.elements(attr, ctx, "references such as [activity.appliance]")
	for _, e := range found {
		var other *Activity
		if e.target != nil {
			other, _ = e.target.item.(*Activity)
		}
		if other == nil {
			c.add(diag.WrongReference, e.rng, "\"depends_on\" takes references to activities of the same plan, such as [activity.appliance].")
			continue
		}
		if !slices.Contains(a.DependsOn, other.Name) {
			a.DependsOn = append(a.DependsOn, other.Name)
		}
	}
}

// checkCycles reports each cycle of dependent activities once.
func (c *compiler) checkCycles(p *Plan) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(a *Activity)
	visit = func(a *Activity) {
		state[a.Name] = visiting
		path = append(path, a.Name)
		for _, name := range a.DependsOn {
			switch state[name] {
			case visiting:
				circle := append(slices.Clone(path[slices.Index(path, name):]), name)
				c.add(diag.DependencyCycle, hclRange(p.Activity(name).Range), "Activities wait for each other in a circle, so none of them could start: %s.", strings.Join(circle, " → "))
			case 0:
				visit(p.Activity(name))
			}
		}
		path = path[:len(path)-1]
		state[a.Name] = done
	}
	for _, a := range p.Activities {
		if state[a.Name] == 0 {
			visit(a)
		}
	}
}
