package sdk

import (
	"context"
	"path"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Schema is everything the plugin offers, as data: the answer to Describe.
func (p Plugin) Schema() schema.Plugin {
	s := schema.Plugin{Name: p.Name, Version: p.Version, Doc: p.Doc, Env: p.Env}
	for _, t := range p.Sources {
		s.Sources = append(s.Sources, t.schema)
	}
	for _, t := range p.Destinations {
		s.Destinations = append(s.Destinations, t.schema)
	}
	for _, t := range p.Hooks {
		s.Hooks = append(s.Hooks, t.schema)
	}
	return s
}

// Validate checks a configuration: it returns what the schema finds wrong or,
// if the schema finds nothing, what the plugin's own validator finds. It does
// no I/O. The value is unmarked and may hold unknowns. activity is used for
// [schema.KindActivity] only.
func (p Plugin) Validate(k schema.Kind, typ, activity string, v cty.Value) ([]schema.Diagnostic, error) {
	o, err := p.offer(k, typ, activity)
	if err != nil {
		return nil, err
	}
	if ds := o.block.Check(v); schema.HasErrors(ds) {
		return ds, nil
	}
	return o.validate(v), nil
}

// offer is one type of a plugin, of whatever kind.
type offer struct {
	block     schema.Block
	validate  func(cty.Value) []schema.Diagnostic
	configure func(context.Context, cty.Value, Env) (Instance, error) // nil for activities
	source    *SourceType
}

func (p Plugin) offer(k schema.Kind, typ, activity string) (offer, error) {
	switch k {
	case schema.KindSource, schema.KindActivity:
		for i := range p.Sources {
			t := &p.Sources[i]
			if t.schema.Name != typ {
				continue
			}
			if k == schema.KindActivity {
				block, err := t.activity(activity)
				return offer{block: block, validate: t.validates[activity]}, err
			}
			return offer{t.schema.Config, t.validate, t.configure, t}, nil
		}
	case schema.KindDestination:
		for _, t := range p.Destinations {
			if t.schema.Name == typ {
				return offer{t.schema.Config, t.validate, t.configure, nil}, nil
			}
		}
	case schema.KindHook:
		for _, t := range p.Hooks {
			if t.schema.Name == typ {
				return offer{t.schema.Config, t.validate, t.configure, nil}, nil
			}
		}
	}
	return offer{}, failure.New(failure.Internal, failure.Protocol, "plugin %s offers no %s %q", p.Name, k, path.Join(typ, activity))
}
