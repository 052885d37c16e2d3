package conformance

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

func configValid(b *bed) {
	for _, d := range b.validate(b.config) {
		if d.Severity == schema.SeverityError {
			b.Errorf("ValidateConfig refuses the configuration: %s: %s: %s", strings.Join(d.Path, "."), d.Summary, d.Detail)
		}
	}
	i := b.configured()
	b.end(i)
}

func (b *bed) validate(v cty.Value) []schema.Diagnostic {
	b.Helper()
	ds, err := b.running.ValidateConfig(b.ctx, b.s.Kind, b.s.Type, "", v)
	if err != nil {
		b.Fatalf("validate a configuration: %v", err)
	}
	return ds
}

// changed is a configuration with one argument changed.
type changed struct {
	path  []string
	what  string
	value cty.Value
}

// changes makes configurations from v, each with one argument changed.
func changes(block schema.Block, v cty.Value, of func(schema.Attribute) (what string, bad cty.Value)) (out []changed) {
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	with := func(name string, e cty.Value) cty.Value {
		parts := maps.Clone(v.AsValueMap())
		parts[name] = e
		return cty.ObjectVal(parts)
	}
	for _, a := range block.Attributes {
		if what, bad := of(a); what != "" {
			out = append(out, changed{[]string{a.Name}, what, with(a.Name, bad)})
		}
	}
	for _, n := range block.Blocks {
		if n.Nesting == schema.NestingSingle {
			for _, c := range changes(n.Block, v.GetAttr(n.Name), of) {
				out = append(out, changed{append([]string{n.Name}, c.path...), c.what, with(n.Name, c.value)})
			}
		}
	}
	return out
}

func missing(a schema.Attribute) (string, cty.Value) {
	if !a.Required {
		return "", cty.NilVal
	}
	return "missing", cty.NullVal(a.Type.Type)
}

func forbidden(a schema.Attribute) (string, cty.Value) {
	switch {
	case a.Type.Type == cty.String && (len(a.OneOf) > 0 || a.Format == schema.FormatDuration || a.Format == schema.FormatSize):
		return "no such word", cty.StringVal("no such word")
	case a.Type.Type == cty.Number && a.Min != nil:
		return "too small", cty.NumberFloatVal(*a.Min - 1)
	case a.Type.Type == cty.Number && a.Max != nil:
		return "too large", cty.NumberFloatVal(*a.Max + 1)
	}
	return "", cty.NilVal
}

func unknown(a schema.Attribute) (string, cty.Value) {
	return "unknown", cty.UnknownVal(a.Type.Type)
}

func configRequired(b *bed) { b.wantPaths(changes(b.block, b.config, missing)) }
func configValues(b *bed)   { b.wantPaths(changes(b.block, b.config, forbidden)) }

// wantPaths reports every change for which there is no error at its path.
func (b *bed) wantPaths(list []changed) {
	b.Helper()
	if len(list) == 0 {
		notAsked(b.T, "not asked: %s", "the schema has no such argument")
		return
	}
	for _, c := range list {
		ds := b.validate(c.value)
		if !slices.ContainsFunc(ds, func(d schema.Diagnostic) bool {
			return d.Severity == schema.SeverityError && slices.Equal(d.Path, c.path) && d.Summary != "" && d.Detail != ""
		}) {
			b.Errorf("%s is %s, and no error with that path says so: %+v", strings.Join(c.path, "."), c.what, ds)
		}
	}
}

func configUnknown(b *bed) {
	all := map[string]cty.Value{}
	for _, a := range b.block.Attributes {
		all[a.Name] = cty.UnknownVal(a.Type.Type)
	}
	for name, t := range b.block.ImpliedType().AttributeTypes() {
		if all[name] == cty.NilVal {
			all[name] = cty.UnknownVal(t)
		}
	}
	for _, c := range append(changes(b.block, b.config, unknown), changed{[]string{"everything"}, "unknown", cty.ObjectVal(all)}) {
		for _, d := range b.validate(c.value) {
			if d.Severity == schema.SeverityError {
				b.Errorf("with %s unknown: %s: %s: %s", strings.Join(c.path, "."), strings.Join(d.Path, "."), d.Summary, d.Detail)
			}
		}
	}
}

func configRefused(b *bed) {
	list := append(changes(b.block, b.config, missing), changes(b.block, b.config, forbidden)...)
	if len(list) == 0 {
		notAsked(b.T, "not asked: %s", "the schema has no such argument")
	}
	for _, c := range list {
		i, err := b.instance(c.value)
		if err == nil {
			b.Errorf("configure takes %s that is %s", strings.Join(c.path, "."), c.what)
			_ = i.Close()
			continue
		}
		if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.Precondition || f.Reason != failure.BadConfig {
			b.Errorf("configure with %s that is %s fails with %v, not as precondition with the reason bad_config", strings.Join(c.path, "."), c.what, err)
		}
	}
}

func describePure(b *bed) {
	answer := func(p *client.Plugin, err error) string {
		b.Helper()
		if err != nil {
			b.Fatalf("connect to the plugin again: %v", err)
		}
		s, err := p.Describe(b.ctx)
		if err != nil {
			b.Fatalf("describe: %v", err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			b.Fatalf("describe: %v", err)
		}
		return string(raw)
	}
	want := answer(b.running.Plugin, nil)
	same := func(when, got string) {
		b.Helper()
		if got != want {
			b.Errorf("describe answers differently %s:\n%s\nat first:\n%s", when, got, want)
		}
	}
	same("the second time", answer(b.running.again()))
	if i, err := b.instance(b.config); err == nil {
		same("after an instance was configured", answer(b.running.again()))
		b.end(i)
	}
	other, err := b.s.Start(b.ctx)
	if err != nil {
		b.Fatalf("start the plugin a second time: %v", err)
	}
	defer other.Stop()
	same("after another start", answer(other.Plugin, nil))
}

var semantic = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

func describeComplete(b *bed) {
	s := b.offered
	if !semantic.MatchString(s.Version) {
		b.Errorf("the version %q is not a semantic version such as 1.2.0", s.Version)
	}
	described := func(doc, what string) {
		b.Helper()
		if doc == "" {
			b.Errorf("%s has no text", what)
		}
	}
	described(s.Doc, "the plugin")
	for _, t := range s.Sources {
		described(t.Doc, "the source "+t.Name)
		documented(t.Config, t.Name, described)
		for _, a := range t.Activities {
			described(a.Doc, "the activity "+a.Name)
			documented(a.Config, a.Name, described)
		}
	}
	for _, t := range s.Destinations {
		described(t.Doc, "the destination "+t.Name)
		documented(t.Config, t.Name, described)
	}
	for _, t := range s.Hooks {
		described(t.Doc, "the hook "+t.Name)
		documented(t.Config, t.Name, described)
	}
}

func documented(block schema.Block, at string, described func(doc, what string)) {
	for _, a := range block.Attributes {
		described(a.Doc, "the argument "+at+"."+a.Name)
	}
	for _, n := range block.Blocks {
		documented(n.Block, at+"."+n.Name, described)
	}
}
