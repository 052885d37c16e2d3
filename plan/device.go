package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

func (c *compiler) compileDevices() {
	endpoints := map[string]*Device{}
	c.each("device", &c.devices, c.root, func(b *hclsyntax.Block, _ string, i instance) any {
		d := &Device{Type: b.Labels[0], Label: b.Labels[1], Key: i.key, Range: *rangeOf(b.DefRange()), Vars: cty.EmptyObjectVal}
		c.deviceName(d, b, i)
		d.Labels = c.deviceLabels(b.Body, i.ctx)
		d.Group, _ = c.text(b.Body, "group", i.ctx)
		if attr := b.Body.Attributes["vars"]; attr != nil {
			if v, ok := c.eval(attr.Expr, i.ctx); ok && v.IsKnown() && !v.IsNull() {
				if v.Type().IsObjectType() || v.Type().IsMapType() {
					d.Vars = v
				} else {
					c.add(diag.WrongType, attr.Expr.Range(), "\"vars\" is an object, such as { site = \"fra\" }.")
				}
			} else if !ok || !v.IsKnown() {
				d.Vars = cty.DynamicVal
			}
		}
		d.scope = d.object(func(name string) string { return name })
		c.cfg.Devices = append(c.cfg.Devices, d)
		ty, ok := c.in.Schemas.Sources[d.Type]
		if !ok {
			if i.key == "" || c.devices.byPath[d.Type+"."+d.Label].order == nil {
				c.unknownType(b, "device", slices.Sorted(maps.Keys(c.in.Schemas.Sources)))
			}
			d.Config = cty.DynamicVal
			return d
		}
		dec := c.env.decoder("source "+d.Type, ty.Config)
		var good bool
		d.Config, d.configured, good = c.decodeConfig(dec, b, i.ctx)
		if good {
			c.endpoint(d, ty, endpoints)
			c.validate("source", d.Type, "", d.Config, d.configured)
		}
		return d
	})
}

func (c *compiler) deviceName(d *Device, b *hclsyntax.Block, i instance) {
	d.Name = b.Labels[1]
	at := b.LabelRanges[1]
	if i.keyed {
		d.Name = i.key
	}
	if attr := b.Body.Attributes["name"]; attr != nil {
		at = attr.Expr.Range()
		if name, ok := c.text(b.Body, "name", i.ctx); ok {
			d.Name = name
		}
	}
	if strings.TrimSpace(d.Name) == "" || strings.ContainsFunc(d.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		c.add(diag.InvalidName, at, "A device's name is not empty and holds no control characters.")
	}
	if before := c.deviceNames[d.Name]; before != nil {
		made := c.add(diag.DuplicateDevice, at, "The name %q belongs to another device already. A device's name is `name`, else its for_each key, else its label; give one of them another `name`.", d.Name)
		made.Related = &diag.Related{Message: "The first one is here.", Range: before.Range}
		return
	}
	c.deviceNames[d.Name] = d
}

// deviceLabels reads the labels; one that is null is not there.
func (c *compiler) deviceLabels(b *hclsyntax.Body, ctx *hcl.EvalContext) map[string]string {
	v, ok := c.shownLoose(b, "labels", ctx)
	if !ok {
		return nil
	}
	r := b.Attributes["labels"].Expr.Range()
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		c.add(diag.WrongType, r, "\"labels\" is a map of texts, such as { site = \"fra\" }.")
		return nil
	}
	labels := make(map[string]string, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsKnown() && e.IsNull() || !e.IsKnown() {
			continue
		}
		s, err := convert.Convert(e, cty.String)
		if err != nil {
			c.add(diag.WrongType, r, "The label %q is a text, a number, true or false.", k.AsString())
			continue
		}
		labels[k.AsString()] = s.AsString()
	}
	return labels
}

// shownLoose is [sink.shown] for an object of which some elements may be unknown.
func (s *sink) shownLoose(b *hclsyntax.Body, name string, ctx *hcl.EvalContext) (cty.Value, bool) {
	attr := b.Attributes[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok {
		return cty.NilVal, false
	}
	if v.IsMarked() || v.IsKnown() && !v.IsNull() && v.CanIterateElements() && marksInside(v) {
		s.add(diag.SecretShown, attr.Expr.Range(), "The value of %q is made of a secret, and %q is printed and stored. Use a value that is not secret.", name, name)
		return cty.NilVal, false
	}
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, false
	}
	return v, true
}

// marksInside looks one level deep, which is as deep as labels are.
func marksInside(v cty.Value) bool {
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); e.IsMarked() {
			return true
		}
	}
	return false
}

// endpoint warns about two devices that lead to the same place.
func (c *compiler) endpoint(d *Device, ty schema.SourceType, seen map[string]*Device) {
	if len(ty.Endpoint) == 0 {
		return
	}
	key := d.Type
	for _, name := range ty.Endpoint {
		if !d.Config.Type().HasAttribute(name) {
			return
		}
		v := d.Config.GetAttr(name)
		if v.IsMarked() || !v.IsKnown() {
			return
		}
		if v.IsNull() {
			key += "\x00"
			continue
		}
		if v.Type() == cty.Number {
			// Converting a number to a text is slow enough to show.
			if n, ok := wholeNumber(v); ok {
				key += "\x00" + strconv.Itoa(n)
				continue
			}
		}
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return
		}
		key += "\x00" + s.AsString()
	}
	before := seen[key]
	if before == nil {
		seen[key] = d
		return
	}
	made := c.add(diag.SharedEndpoint, hclRange(d.Range), "The devices %q and %q have the same %s: %s.", before.Name, d.Name, listed(ty.Endpoint), strings.ReplaceAll(strings.TrimPrefix(key, d.Type+"\x00"), "\x00", ":"))
	made.Related = &diag.Related{Message: "The other device is here.", Range: before.Range}
}

func hclRange(r Range) hcl.Range {
	return hcl.Range{Filename: r.Filename,
		Start: hcl.Pos{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
		End:   hcl.Pos{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte}}
}

// Counts says how many devices there are of what.
type Counts struct {
	Devices int                       `json:"devices"`
	Labels  map[string]map[string]int `json:"labels,omitempty"` // label, value, devices
	Groups  map[string]int            `json:"groups,omitempty"`
	// Singles are the groups with one member, which protect nothing; sorted.
	Singles []string `json:"single_member_groups,omitempty"`
}

// Counts counts the devices by label and group.
func (c *Config) Counts() Counts {
	n := Counts{Devices: len(c.Devices), Labels: map[string]map[string]int{}, Groups: map[string]int{}}
	for _, d := range c.Devices {
		for name, value := range d.Labels {
			if n.Labels[name] == nil {
				n.Labels[name] = map[string]int{}
			}
			n.Labels[name][value]++
		}
		if d.Group != "" {
			n.Groups[d.Group]++
		}
	}
	for _, g := range slices.Sorted(maps.Keys(n.Groups)) {
		if n.Groups[g] == 1 {
			n.Singles = append(n.Singles, g)
		}
	}
	return n
}
