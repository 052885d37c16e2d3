package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/secret"
)

// checkActivity type-checks the expressions that are evaluated for each task of
// an activity. It uses the real devices, one of each kind that the expressions
// can tell apart.
func (c *compiler) checkActivity(p *Plan, a *Activity, b *hclsyntax.Block) {
	scopes := func(vars []hcl.Traversal, check func(Scope)) {
		uses := usesOf(vars)
		seen := map[string]bool{}
		for _, d := range a.Devices {
			key := uses.key(d)
			if seen[key] {
				continue
			}
			seen[key] = true
			check(Scope{Plan: p, Activity: a, Device: d})
		}
	}
	if a.config.decoder != nil && len(a.Devices) == 0 {
		a.config.decodeAnywhere(&c.sink)
	}
	if a.config.decoder != nil {
		vars := variablesOf(nested(b.Body, "config"))
		scopes(vars, func(s Scope) {
			if _, at, ok := a.config.decode(&c.sink, s); ok {
				c.validate("source", s.Device.Type, a.Type, at)
			}
		})
	}
	if a.domains != nil {
		scopes(a.domains.expr.Variables(), func(s Scope) { a.domains.patterns(&c.sink, s) })
	}
	for _, sc := range []*Script{a.PreScript, a.BeforeQuiesce, a.AfterUnquiesce, postOf(a.PostScript)} {
		if sc == nil || sc.config.decoder == nil {
			continue
		}
		vars := variablesOf(nested(sc.config.block.Body, "config"))
		scopes(vars, func(s Scope) { c.checkScript(sc, s) })
	}
	if a.Quiesce != quiesceNone && c.byValue {
		for _, d := range a.Devices {
			c.checkRecoverable(d)
		}
	}
}

// variablesOf collects the references in the expressions of a block.
func variablesOf(b *hclsyntax.Block) []hcl.Traversal {
	if b == nil {
		return nil
	}
	var all []hcl.Traversal
	for _, attr := range b.Body.Attributes {
		all = append(all, attr.Expr.Variables()...)
	}
	for _, n := range b.Body.Blocks {
		all = append(all, variablesOf(n)...)
	}
	return all
}

func (c *compiler) checkScript(sc *Script, s Scope) {
	if sc.config.decoder == nil {
		return
	}
	id := "script " + sc.Address + " " + s.Plan.Name
	if s.Device != nil {
		vars := variablesOf(nested(sc.config.block.Body, "config"))
		id += " " + s.Activity.Name + " " + usesOf(vars).key(s.Device)
	}
	if c.checked[id] {
		return
	}
	c.checked[id] = true
	c.checked["script "+sc.Address] = true
	if _, at, ok := sc.config.decode(&c.sink, s); ok {
		c.validate("hook", sc.Type, "", at)
	}
}

// checkRecoverable warns of a device that will be quiesced although nobody
// could log in again after a crash.
func (c *compiler) checkRecoverable(d *Device) {
	id := "recoverable " + d.Name
	if d.configured == nil || c.checked[id] || !d.Config.ContainsMarked() {
		return
	}
	c.checked[id] = true
	_, refs := secret.Reveal(d.Config)
	for _, at := range refs {
		if at.Ref.Readable() {
			continue
		}
		r := d.configured.rangeAt(schemaPath(at.Path))
		c.add(diag.SecretByValue, r, "The device %q will be quiesced, but its secret %s is a variable that is given by value. After a crash dprun could not read it again, and somebody would have to bring the device back by hand. Use secret_env, secret_file or secret_command.", d.Name, at.Ref)
	}
}

// checkPaths checks a destination's path for all devices of a plan, and that no
// two devices share one.
func (c *compiler) checkPaths(p *Plan, d *Destination) {
	if d.path == nil {
		return
	}
	id := "path " + d.Address + " " + p.Name
	if c.checked[id] {
		return
	}
	c.checked[id] = true
	usesActivity := false
	for _, t := range d.path.expr.Variables() {
		usesActivity = usesActivity || t.RootName() == "activity" || t.RootName() == "domain"
	}
	r := d.path.expr.Range()
	owners := map[string]*Device{}
	said := false
	done := map[*Device]bool{}
	for _, a := range p.Activities {
		if a.Schema.Name == "" {
			continue
		}
		for _, dev := range a.Devices {
			if done[dev] && !usesActivity && a.Type != "secure_backup" {
				continue
			}
			done[dev] = true
			before := len(c.list)
			path := d.pathFor(&c.sink, Scope{Plan: p, Activity: a, Device: dev})
			if len(c.list) > before {
				return // every other device has the same error
			}
			if path == "" || said {
				continue
			}
			if other := owners[path]; other != nil && other != dev {
				said = true
				c.add(diag.PathCollision, r, "The sets of the devices %q and %q would be stored under the same path, %q. Add something that tells them apart, such as ${device.name}.", other.Name, dev.Name, path)
				continue
			}
			owners[path] = dev
			c.checkFixedNames(d, a, path, r)
		}
	}
}

// checkFixedNames refuses a path that is the same in every run for files whose
// names are the same too: the second run would meet the files of the first.
func (c *compiler) checkFixedNames(d *Destination, a *Activity, path string, r hcl.Range) {
	if a.Type != "secure_backup" || strings.Contains(path, pendingStamp) || strings.Contains(path, pendingRun) {
		return
	}
	id := "fixed " + d.Address
	if c.checked[id] {
		return
	}
	c.checked[id] = true
	c.add(diag.PathCollision, r, "The files of a secure backup have the same names every time, and the path %q is the same in every run. Add ${stamp}.", path)
}

// schemaPath turns a path inside a value into a path inside its schema.
func schemaPath(p cty.Path) []string {
	var steps []string
	for _, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, step.Name)
		case cty.IndexStep:
			if step.Key.Type() == cty.String {
				steps = append(steps, step.Key.AsString())
			} else if step.Key.Type() == cty.Number {
				steps = append(steps, step.Key.AsBigFloat().Text('f', 0))
			}
		}
	}
	return steps
}

// checkUnused checks scripts and paths that no plan uses, as far as that is
// possible without knowing their use.
func (c *compiler) checkUnused() {
	for _, sc := range c.cfg.Scripts {
		if sc.config.decoder != nil && !c.checked["script "+sc.Address] {
			sc.config.decodeAnywhere(&c.sink)
		}
	}
	used := map[*Destination]bool{}
	for _, p := range c.cfg.Plans {
		for _, d := range p.Destinations {
			used[d] = true
		}
	}
	for _, d := range c.cfg.Destinations {
		if d.path != nil && !used[d] {
			if v, ok := c.eval(d.path.expr, anywhere(d.path.ctx)); ok {
				c.shownValue(v, d.path.expr.Range(), "path", cty.String)
			}
		}
	}
}

// checkEmpty warns of inventories without a record. It refuses a plan that has
// no devices left because of them: such a plan would succeed every night and
// back up nothing.
func (c *compiler) checkEmpty() {
	if len(c.env.empty) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(c.env.empty))
	for _, name := range names {
		c.add(diag.EmptyInventory, start(name), "The inventory holds no record, so it adds nothing to the plan. If a program writes the list, check whether it worked. If the list is meant to be empty, remove the call of inventory().")
	}
	if c.failed() {
		return // another error may be the cause
	}
	for i, name := range names {
		names[i] = c.env.shown(name)
	}
	for _, p := range c.cfg.Plans {
		if slices.ContainsFunc(p.Activities, func(a *Activity) bool { return len(a.Devices) > 0 }) {
			continue
		}
		c.list = slices.DeleteFunc(c.list, func(d diag.Diagnostic) bool { return d.Code == diag.NoMatch }) // it follows from the empty inventory
		c.add(diag.NothingToBackUp, hclRange(p.Range), "The plan %q has no device to back up, and %s no record. Fill the inventory, or give the plan other devices.", p.Name, holdNo(names))
	}
}

func holdNo(names []string) string {
	if len(names) == 1 {
		return "the inventory " + names[0] + " holds"
	}
	return "the inventories " + listed(names) + " hold"
}
