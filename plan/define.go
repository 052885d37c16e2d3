package plan

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/sdk/schema"
)

const defaultScriptTimeout = 10 * time.Minute

// storesAtOnce is the default number of tasks that store at a destination at
// the same time. An SSH server allows ten sessions on a connection.
const storesAtOnce = 8

func (c *compiler) compileWindows() {
	c.each("window", &c.windows, c.root, func(b *hclsyntax.Block, path string, i instance) any {
		before := len(c.list)
		w := &window.Window{Name: i.address(path), Timezone: "UTC"}
		if zone, ok := c.text(b.Body, "timezone", i.ctx); ok {
			w.Timezone = zone
		}
		var allows, denies []*hclsyntax.Block
		for _, n := range b.Body.Blocks {
			switch n.Type {
			case "allow":
				w.Allow = append(w.Allow, window.Allow(c.hours(n, i.ctx)))
				allows = append(allows, n)
			case "deny":
				w.Deny = append(w.Deny, c.hours(n, i.ctx))
				denies = append(denies, n)
			}
		}
		c.cfg.Windows = append(c.cfg.Windows, w)
		if diag.List(c.list[before:]).HasErrors() {
			return w
		}
		if _, err := w.Compile(); err != nil {
			for _, e := range allErrors(err) {
				c.windowError(e, b, allows, denies)
			}
			return w
		}
		if w.NeverOpens() {
			c.add(diag.WindowNeverOpens, b.DefRange(), "The window %q is never open: its deny blocks deny everything that its allow blocks allow, or these allow nothing. A plan with it could never run.", w.Name)
		}
		if c.in.Now.IsZero() {
			return w
		}
		for _, skip := range w.Skips(c.in.Now) {
			c.add(diag.WindowSkipped, allows[skip.Allow].DefRange(), "On %s the clocks of %s skip an hour that contains all the time from %s to %s. So this block does not open the window %q on that day. Let it begin before that hour or end after it.", skip.Date, w.Timezone, skip.From, skip.To, w.Name)
		}
		return w
	})
}

func (c *compiler) hours(b *hclsyntax.Block, ctx *hcl.EvalContext) window.Deny {
	var d window.Deny
	d.Days = c.texts(b.Body, "days", ctx)
	d.Dates = c.texts(b.Body, "dates", ctx)
	d.From, _ = c.text(b.Body, "from", ctx)
	d.To, _ = c.text(b.Body, "to", ctx)
	return d
}

func allErrors(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

func (c *compiler) windowError(err error, b *hclsyntax.Block, allows, denies []*hclsyntax.Block) {
	var e *window.Error
	if !errors.As(err, &e) {
		c.add(diag.InvalidWindow, b.DefRange(), "%v", err)
		return
	}
	body, r := b.Body, b.DefRange()
	if e.Field != window.FieldTimezone {
		list := allows
		if e.Deny {
			list = denies
		}
		body, r = list[e.Index].Body, list[e.Index].DefRange()
	}
	if attr := body.Attributes[string(e.Field)]; attr != nil {
		r = attr.Expr.Range()
		if list, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok {
			for _, x := range list.Exprs {
				if v, ds := x.Value(nil); !ds.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() == e.Value {
					r = x.Range()
				}
			}
		}
	}
	made := c.add(diag.InvalidWindow, r, "%q is not usable. %s", e.Value, e.Rule)
	if e.Field == window.FieldTimezone {
		made.Suggestion = window.NearZone(e.Value)
	}
}

func (c *compiler) compilePatterns() {
	c.each("pattern", &c.patterns, c.root, func(b *hclsyntax.Block, path string, i instance) any {
		p := &Pattern{Address: i.address(path), Range: *rangeOf(b.DefRange())}
		p.Match, p.Except = c.texts(b.Body, "match", i.ctx), c.texts(b.Body, "except", i.ctx)
		if b.Body.Attributes["match"] == nil {
			p.Match = []string{"*"}
		}
		if v, ok := c.shown(b.Body, "labels", i.ctx, cty.DynamicPseudoType); ok {
			p.Labels = c.labelChoices(v, b.Body.Attributes["labels"].Expr.Range())
		}
		c.cfg.Patterns = append(c.cfg.Patterns, p)
		return p
	})
}

// labelChoices reads a map whose values are texts or lists of texts.
func (c *compiler) labelChoices(v cty.Value, r hcl.Range) map[string][]string {
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		c.add(diag.WrongType, r, "\"labels\" takes a map with a text or a list of texts for each label.")
		return nil
	}
	labels := map[string][]string{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if s, err := convert.Convert(e, cty.String); err == nil && !s.IsNull() {
			labels[k.AsString()] = []string{s.AsString()}
			continue
		}
		list, err := convert.Convert(e, cty.List(cty.String))
		if err != nil || list.IsNull() {
			c.add(diag.WrongType, r, "The label %q takes a text or a list of texts.", k.AsString())
			continue
		}
		labels[k.AsString()] = c.stringsOf(list, r, "labels")
	}
	return labels
}

func (c *compiler) compileScripts() {
	c.each("script", &c.scripts, c.root, func(b *hclsyntax.Block, path string, i instance) any {
		sc := &Script{Address: i.address(path), Type: b.Labels[0], Name: i.address(b.Labels[1]), Range: *rangeOf(b.DefRange())}
		sc.Timeout = c.duration(b.Body, "timeout", i.ctx, defaultScriptTimeout, time.Second)
		sc.Arguments = c.word(b.Body, "arguments", i.ctx, "", "dpod")
		c.cfg.Scripts = append(c.cfg.Scripts, sc)
		ty, ok := c.in.Schemas.Hooks[sc.Type]
		if !ok {
			c.unknownType(b, schema.KindHook, c.in.Schemas)
			return sc
		}
		sc.config = c.env.lazyConfig(c.env.decoder("hook "+sc.Type, ty.Config), b, i.ctx)
		sc.config.script = true
		return sc
	})
}

// unknownType reports that no plugin offers a block's type. References to the
// block by the type that was probably meant are then not reported as wrong.
func (s *sink) unknownType(b *hclsyntax.Block, kind schema.Kind, in Schemas) {
	have := in.types(kind)
	there := "There are " + listed(have)
	switch len(have) {
	case 0:
		there = "There is none"
	case 1:
		there = "There is " + have[0]
	}
	s.unknownName(diag.UnknownType, b.LabelRanges[0], b.Labels[0], have, "No plugin offers a %s of type %q. %s. To install a missing plugin, put a file dprun-plugin-NAME into the directory `plugins` of the state directory.", b.Type, b.Labels[0], there)
	if meant := s.list[len(s.list)-1].Suggestion; meant != "" {
		s.env.mistake(b.Type + "." + meant)
		s.env.mistake(b.Type + "." + meant + "." + b.Labels[1])
	}
}

// types lists the type names of a kind: those that the plan uses, and those
// that an unknown type may have been meant for.
func (s Schemas) types(kind schema.Kind) []string {
	names := slices.Clone(s.Offered[kind])
	switch kind {
	case schema.KindSource:
		names = slices.AppendSeq(names, maps.Keys(s.Sources))
	case schema.KindDestination:
		names = slices.AppendSeq(names, maps.Keys(s.Destinations))
	case schema.KindHook:
		names = slices.AppendSeq(names, maps.Keys(s.Hooks))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *compiler) compileDestinations() {
	c.each("destination", &c.destinations, c.root, func(b *hclsyntax.Block, path string, i instance) any {
		d := &Destination{Address: i.address(path), Type: b.Labels[0], Name: i.address(b.Labels[1]), Range: *rangeOf(b.DefRange()), env: c.env}
		d.Verify = c.word(b.Body, "verify", i.ctx, "read_back", "read_back", "sent")
		d.Parallel = c.whole(b.Body, "parallel", i.ctx, storesAtOnce, 1)
		d.MinFree = c.minFree(b.Body, i.ctx)
		if attr := b.Body.Attributes["path"]; attr != nil {
			d.path = c.env.lazyExpr(attr.Expr, i.ctx)
		}
		d.Retention = c.retention(b.Body, i.ctx)
		d.Recipients = c.recipients(b.Body, i.ctx)
		c.cfg.Destinations = append(c.cfg.Destinations, d)
		ty, ok := c.in.Schemas.Destinations[d.Type]
		if !ok {
			c.unknownType(b, schema.KindDestination, c.in.Schemas)
			return d
		}
		d.Family = ty.Family
		var good bool
		d.Config, d.configured, good = c.decodeConfig(c.env.decoder("destination "+d.Type, ty.Config), b, i.ctx)
		if good {
			c.validate("destination", d.Type, "", d.configured)
		}
		return d
	})
}

func (c *compiler) minFree(b *hclsyntax.Body, ctx *hcl.EvalContext) MinFree {
	fallback := MinFree{Percent: 10}
	text, ok := c.text(b, "min_free", ctx)
	if !ok {
		return fallback
	}
	r := b.Attributes["min_free"].Expr.Range()
	if number, percent := strings.CutSuffix(text, "%"); percent {
		p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(p >= 0 && p < 100) {
			c.add(diag.InvalidValue, r, "\"min_free\" must be a percentage from 0%% to under 100%%, or a size, not %q.", text)
			return fallback
		}
		return MinFree{Percent: p}
	}
	n, err := schema.ParseSize(text)
	if err != nil {
		c.add(diag.InvalidValue, r, "\"min_free\" must be a percentage such as \"10%%\" or a size such as \"20GiB\", not %q.", text)
		return fallback
	}
	return MinFree{Bytes: n}
}
