package schema

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// object is a part of a JSON Schema.
type object = map[string]any

// JSONSchema describes the configurations of a plugin's types as a JSON Schema
// of draft 2020-12. It describes an object such as
//
//	{"destination": {"sftp": {"host": "vault.example.net", …}}}
//
// with the kind of block, the type and the content of its config block;
// activities are under "activity". The JSON Schema leaves out what it cannot
// express: bounds of sizes and durations, and a plugin's own checks.
func (p Plugin) JSONSchema() ([]byte, error) {
	kinds := map[string]object{}
	add := func(kind, name, doc string, b Block) error {
		of, err := b.jsonSchema()
		if err != nil {
			return err
		}
		if doc != "" {
			of["description"] = doc
		}
		if kinds[kind] == nil {
			kinds[kind] = object{}
		}
		kinds[kind][name] = of
		return nil
	}
	for _, t := range p.Sources {
		if err := add("device", t.Name, t.Doc, t.Config); err != nil {
			return nil, err
		}
		for _, a := range t.Activities {
			if err := add("activity", a.Name, a.Doc, a.Config); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range p.Destinations {
		if err := add("destination", t.Name, t.Doc, t.Config); err != nil {
			return nil, err
		}
	}
	for _, t := range p.Hooks {
		if err := add("script", t.Name, t.Doc, t.Config); err != nil {
			return nil, err
		}
	}
	properties := object{}
	for kind, types := range kinds {
		properties[kind] = closed(types, nil)
	}
	out := closed(properties, nil)
	out["$schema"], out["title"], out["description"] = "https://json-schema.org/draft/2020-12/schema", p.Name+" "+p.Version, p.Doc
	return json.MarshalIndent(out, "", "  ")
}

// closed is an object with exactly these properties.
func closed(properties object, required []string) object {
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (b Block) jsonSchema() (object, error) {
	properties := object{}
	var required []string
	for _, a := range b.Attributes {
		of, err := a.jsonSchema()
		if err != nil {
			return nil, err
		}
		properties[a.Name] = of
		if a.Required {
			required = append(required, a.Name)
		}
	}
	for _, n := range b.Blocks {
		of, err := n.Block.jsonSchema()
		if err != nil {
			return nil, err
		}
		if n.Nesting == NestingList {
			of = object{"type": "array", "items": of}
			if n.Required {
				of["minItems"] = 1
			}
		}
		properties[n.Name] = of
		if n.Required {
			required = append(required, n.Name)
		}
	}
	out := closed(properties, required)
	if b.Doc != "" {
		out["description"] = b.Doc
	}
	if b.Deprecated != "" {
		out["deprecated"] = true
	}
	var rules []object
	for _, group := range b.ExactlyOne {
		rules = append(rules, object{"oneOf": each(group)})
	}
	for _, group := range b.AtMostOne {
		rules = append(rules, object{"oneOf": append(each(group), object{"not": object{"anyOf": each(group)}})})
	}
	if len(rules) > 0 {
		out["allOf"] = rules
	}
	return out, nil
}

// each returns, for every name, an object that requires it.
func each(names []string) (out []object) {
	for _, n := range names {
		out = append(out, object{"required": []string{n}})
	}
	return out
}

func (a Attribute) jsonSchema() (object, error) {
	out := typeSchema(a.Type.Type, a.scalar())
	if a.Doc != "" {
		out["description"] = a.Doc
	}
	if a.Sensitive {
		out["writeOnly"] = true
	}
	if a.Deprecated != "" {
		out["deprecated"] = true
	}
	if a.Default == "" {
		return out, nil
	}
	v, err := a.defaultValue()
	if err != nil {
		return nil, err
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	out["default"] = json.RawMessage(raw)
	return out, err
}

// scalar describes the argument's value, or each element of it.
func (a Attribute) scalar() object {
	out := object{}
	if a.Integer {
		out["type"] = "integer"
	}
	if len(a.OneOf) > 0 {
		out["enum"] = a.OneOf
	}
	switch a.Format {
	case FormatDuration:
		out["pattern"] = `^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`
		return out
	case FormatSize:
		out["type"], out["pattern"] = []string{"string", "integer"}, sizePattern().String()
		return out
	}
	if a.Min != nil {
		out["minimum"] = *a.Min
	}
	if a.Max != nil {
		out["maximum"] = *a.Max
	}
	return out
}

// typeSchema describes values of a type. Types that are not collections are
// described by scalar.
func typeSchema(t cty.Type, scalar object) object {
	out := object{}
	switch {
	case t == cty.NilType, t == cty.DynamicPseudoType:
		return out
	case t.IsListType(), t.IsSetType():
		return object{"type": "array", "items": typeSchema(t.ElementType(), scalar)}
	case t.IsMapType():
		return object{"type": "object", "additionalProperties": typeSchema(t.ElementType(), scalar)}
	case t.IsObjectType():
		properties := object{}
		for name, of := range t.AttributeTypes() {
			properties[name] = typeSchema(of, nil)
		}
		return closed(properties, slices.Sorted(maps.Keys(t.AttributeTypes())))
	case t == cty.Bool:
		out["type"] = "boolean"
	default:
		out["type"] = t.FriendlyName() // string or number
	}
	maps.Copy(out, scalar)
	return out
}
