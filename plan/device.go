package plan

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

// deviceJob compiles one device. Evaluating the expressions of ten thousand
// devices is most of the work of a compilation. They do not depend on each
// other, so they are evaluated in parallel; checks across devices follow in
// order.
type deviceJob struct {
	block      *hclsyntax.Block
	definition *definition
	entry      entry
	first      bool // the first device of its block
	sink       sink

	device   *Device
	nameAt   hcl.Range
	decoded  bool
	restores *configured // of the restore block; nil: none, or a wrong one
	endpoint string      // where the device can be reached; empty: not known
}

func (c *compiler) compileDevices() {
	var jobs []deviceJob
	for _, b := range c.file.blocks["device"] {
		def := c.define(&c.devices, b)
		if def == nil {
			continue
		}
		list, ok := c.entries(b.Body, c.root)
		def.known = ok
		var folded *folding
		if len(list) > 1 {
			folded = c.foldDevice(b)
		}
		for n, e := range list {
			jobs = append(jobs, deviceJob{block: b, definition: def, entry: e, first: n == 0, sink: sink{env: c.env, folded: folded}})
		}
	}
	c.decodeDevices(jobs)
	endpoints := make(map[string]*Device, len(jobs))
	c.cfg.Devices = make([]*Device, 0, len(jobs))
	for n := range jobs {
		j := &jobs[n]
		c.list = append(c.list, j.sink.list...)
		c.uniqueName(j.device, j.nameAt)
		c.cfg.Devices = append(c.cfg.Devices, j.device)
		j.definition.items[j.device.Key] = j.device
		if !j.decoded {
			continue
		}
		c.endpoint(j, c.in.Schemas.Sources[j.device.Type], endpoints)
		c.validate("source", j.device.Type, "", j.device.configured)
		if j.restores != nil {
			c.validate("source", j.device.Type, "", j.restores)
		}
	}
}

// foldDevice evaluates what all devices of a block have in common.
func (c *compiler) foldDevice(b *hclsyntax.Block) *folding {
	var d *decoder
	if ty, ok := c.in.Schemas.Sources[b.Labels[0]]; ok {
		d = c.env.decoder("source "+b.Labels[0], ty.Config)
	}
	return c.env.fold(b, d, c.root)
}

func (c *compiler) decodeDevices(jobs []deviceJob) {
	const chunk = 64
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(jobs)+chunk-1)/chunk) {
		workers.Go(func() {
			for {
				end := int(next.Add(chunk))
				if end-chunk >= len(jobs) {
					return
				}
				for n := end - chunk; n < min(end, len(jobs)); n++ {
					jobs[n].decode(c.in.Schemas)
				}
			}
		})
	}
	workers.Wait()
}

// decode works out everything about one device that does not involve others.
func (j *deviceJob) decode(schemas Schemas) {
	s, b, i := &j.sink, j.block, j.entry.instance()
	d := &Device{Type: b.Labels[0], Label: b.Labels[1], Key: i.key, Range: *rangeOf(b.DefRange()), Vars: cty.EmptyObjectVal}
	j.device = d
	d.Name, j.nameAt = s.deviceName(b, i)
	d.Labels = s.deviceLabels(b.Body, i.ctx)
	d.Group, _ = s.text(b.Body, "group", i.ctx)
	if attr := b.Body.Attributes["vars"]; attr != nil {
		d.Vars = s.deviceVars(attr, i.ctx)
	}
	d.Config = cty.DynamicVal
	ty, ok := schemas.Sources[d.Type]
	if !ok {
		if j.first {
			s.unknownType(b, schema.KindSource, schemas)
		}
		return
	}
	d.Config, d.configured, j.decoded = s.decodeConfig(s.env.decoder("source "+d.Type, ty.Config), b, i.ctx)
	j.endpoint = endpointOf(d, ty)
	if restore := nested(b.Body, "restore"); restore != nil && j.decoded {
		j.restores = s.decodeRestore(s.env.decoder("source "+d.Type, ty.Config), ty, d, b, restore, i.ctx)
	}
}

// decodeRestore decodes the restore block of a device, whose arguments replace
// those of the config block. It must not lead to another device.
func (s *sink) decodeRestore(d *decoder, ty schema.SourceType, of *Device, b, restore *hclsyntax.Block, ctx *hcl.EvalContext) *configured {
	c := &configured{owner: ownerOf(b, ctx), body: restore.Body, header: restore.TypeRange}
	outer := s.owner
	s.owner = c.owner
	defer func() { s.owner = outer }()
	before := len(s.list)
	if len(restore.Body.Attributes)+len(restore.Body.Blocks) == 0 {
		s.add(diag.MissingArgument, c.header, "The restore block is empty. It should hold the arguments of config that differ for a restore, such as username and password: the account that makes the backups needs no right to import.")
	}
	for _, name := range ty.Endpoint {
		if attr := restore.Body.Attributes[name]; attr != nil {
			s.add(diag.InvalidValue, attr.NameRange, "%q says which device this is, so it belongs only in the config block. For another device write another device block.", name)
		}
	}
	values := of.Config.AsValueMap()
	for name, v := range s.decodeBody(d, restore.Body, ctx) {
		if written(restore.Body, name) {
			values[name] = v
		}
	}
	for _, found := range d.block.CheckParts(values) {
		if found.Severity == schema.SeverityError {
			s.fromSchema(d.told(found), c, checkCode(found.Summary))
		}
	}
	if len(s.list) > before && s.list[before:].HasErrors() {
		return nil
	}
	of.Restore = cty.ObjectVal(values)
	c.hidden = of.Restore
	if hideParts(values) { // Restore holds a copy of them
		c.hidden = cty.ObjectVal(values)
	}
	return c
}

// written reports whether a body sets an argument or has a block of that name.
func written(body *hclsyntax.Body, name string) bool {
	return body.Attributes[name] != nil || slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == name || b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == name
	})
}

func (s *sink) deviceVars(attr *hclsyntax.Attribute, ctx *hcl.EvalContext) cty.Value {
	v, ok := s.eval(attr.Expr, ctx)
	switch {
	case !ok || !v.IsKnown():
		return cty.DynamicVal
	case v.IsNull():
		return cty.EmptyObjectVal
	case !v.Type().IsObjectType() && !v.Type().IsMapType():
		s.add(diag.WrongType, attr.Expr.Range(), "\"vars\" takes an object, such as { site = \"fra\" }.")
		return cty.DynamicVal
	}
	return v
}

func (s *sink) deviceName(b *hclsyntax.Block, i instance) (string, hcl.Range) {
	name, at := b.Labels[1], b.LabelRanges[1]
	if i.keyed {
		name = i.key
	}
	if attr := b.Body.Attributes["name"]; attr != nil {
		at = attr.Expr.Range()
		if given, ok := s.text(b.Body, "name", i.ctx); ok {
			name = given
		}
	}
	if strings.TrimSpace(name) == "" || strings.ContainsFunc(name, schema.Steers) {
		s.add(diag.InvalidName, at, "A device's name must not be empty, and must not hold control characters or characters that turn the direction of writing.")
	}
	return name, at
}

func (c *compiler) uniqueName(d *Device, at hcl.Range) {
	if before := c.deviceNames[d.Name]; before != nil {
		made := c.add(diag.DuplicateDevice, at, "Another device already has the name %q. A device's name is `name`, otherwise its for_each key, otherwise its label. Give one of them another `name`.", d.Name)
		made.Related = &diag.Related{Message: "The first one is here.", Range: before.Range}
		return
	}
	c.deviceNames[d.Name] = d
}

// deviceLabels reads the labels. It leaves out labels that are null.
func (s *sink) deviceLabels(b *hclsyntax.Body, ctx *hcl.EvalContext) map[string]string {
	v, ok := s.shownLoose(b, "labels", ctx)
	if !ok {
		return nil
	}
	r := b.Attributes["labels"].Expr.Range()
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		s.add(diag.WrongType, r, "\"labels\" takes a map of texts, such as { site = \"fra\" }.")
		return nil
	}
	labels := make(map[string]string, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsKnown() && e.IsNull() || !e.IsKnown() {
			continue
		}
		text, err := convert.Convert(e, cty.String)
		if err != nil {
			s.add(diag.WrongType, r, "The label %q takes a text, a number, true or false.", k.AsString())
			continue
		}
		labels[k.AsString()] = text.AsString()
	}
	return labels
}

// shownLoose is [sink.shown] for an object that may hold unknown elements.
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
		s.add(diag.SecretShown, attr.Expr.Range(), "The value of %q contains a secret, but %q is printed and stored. Use a value that is not secret.", name, name)
		return cty.NilVal, false
	}
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, false
	}
	return v, true
}

// marksInside looks one level deep, which is as deep as labels go.
func marksInside(v cty.Value) bool {
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); e.IsMarked() {
			return true
		}
	}
	return false
}

// endpointOf returns a key for the endpoint of a device; empty: the endpoint is
// not known.
func endpointOf(d *Device, ty schema.SourceType) string {
	if len(ty.Endpoint) == 0 {
		return ""
	}
	key := d.Type
	for _, name := range ty.Endpoint {
		if !d.Config.Type().HasAttribute(name) {
			return ""
		}
		v := d.Config.GetAttr(name)
		if v.IsMarked() || !v.IsKnown() {
			return ""
		}
		if v.IsNull() {
			key += "\x00"
			continue
		}
		if v.Type() == cty.Number {
			// Converting a number to a text takes noticeable time.
			if n, ok := wholeNumber(v); ok {
				key += "\x00" + strconv.Itoa(n)
				continue
			}
		}
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return ""
		}
		key += "\x00" + s.AsString()
	}
	return key
}

// endpoint warns about two devices with the same endpoint.
func (c *compiler) endpoint(j *deviceJob, ty schema.SourceType, seen map[string]*Device) {
	d, key := j.device, j.endpoint
	if key == "" {
		return
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
