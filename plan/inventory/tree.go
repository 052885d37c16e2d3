package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// treeShape describes the formats that are trees.
const treeShape = "An inventory is a list of objects, or an object of objects by key."

// readJSON reads token by token, so that the line of every record is known.
func (r *reader) readJSON() {
	d := json.NewDecoder(bytes.NewReader(r.src))
	open, err := d.Token()
	if err != nil {
		r.wrong(r.lineAt(d.InputOffset()), "", nil, "This is not JSON: %v.", err)
		return
	}
	if open != json.Delim('[') && open != json.Delim('{') {
		r.wrong(1, "", nil, treeShape)
		return
	}
	for d.More() {
		var key cty.Value
		if open == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				break
			}
			text, _ := name.(string)
			key = cty.StringVal(text)
		}
		before := d.InputOffset()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			r.wrong(r.lineAt(d.InputOffset()), "", nil, "This is not JSON: %v.", err)
			return
		}
		at := before
		if i := bytes.Index(r.src[before:], raw); i >= 0 {
			at += int64(i)
		}
		line := r.lineAt(at)
		object, err := jsonObject(raw)
		if err != nil {
			r.wrong(line, "", nil, treeShape)
			continue
		}
		values := make(map[string]cty.Value, len(object))
		for name, x := range object {
			values[name] = jsonValue(x, r.want(name))
		}
		r.addObject(line, key, values, nil)
	}
	if _, err := d.Token(); err != nil {
		r.wrong(r.lineAt(d.InputOffset()), "", nil, "This is not JSON: %v.", err)
		return
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		r.wrong(r.lineAt(d.InputOffset()), "", nil, "Something follows the end of the list.")
	}
}

func (r *reader) lineAt(offset int64) int {
	return 1 + bytes.Count(r.src[:min(int(offset), len(r.src))], []byte("\n"))
}

// addObject adds a record. key is the object's key if it has one; lines holds
// the line of each attribute if known.
func (r *reader) addObject(line int, key cty.Value, object map[string]cty.Value, lines map[string]int) {
	rec := record{line: line, cells: make([]cell, 0, len(object)+1)}
	for _, name := range slices.Sorted(mapKeys(object)) {
		at := line
		if l := lines[name]; l > 0 {
			at = l
		}
		if near := misspelt(r, name, object); near != "" {
			r.wrong(at, name, nil, "The inventory's type has no attribute %q. Did you mean %q?", name, near)
			continue
		}
		v := object[name]
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String && v.AsString() == "" {
			v = cty.NullVal(cty.String)
		}
		rec.cells = append(rec.cells, cell{name: name, value: v, line: at})
	}
	if _, there := rec.cell(r.key); !there && key != cty.NilVal {
		rec.cells = append(rec.cells, cell{name: r.key, value: key, line: line})
	}
	r.add(rec)
}

// want returns the type that an attribute should have.
func (r *reader) want(name string) cty.Type {
	if ty, ok := r.types[name]; ok {
		return ty
	}
	if name == r.key {
		return cty.String
	}
	return cty.DynamicPseudoType
}

// within returns the type that an element of a value should have, given the
// type of the value; name is the attribute's name.
func within(want cty.Type, name string) cty.Type {
	switch {
	case want.IsCollectionType():
		return want.ElementType()
	case want.IsObjectType() && want.HasAttribute(name):
		return want.AttributeType(name)
	}
	return cty.DynamicPseudoType
}

func jsonObject(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, errors.New("null is not an object")
	}
	return object, nil
}

// jsonValue turns JSON into a value. A number stays as it is written if a text
// is wanted.
func jsonValue(x any, want cty.Type) cty.Value {
	switch x := x.(type) {
	case string:
		return cty.StringVal(x)
	case bool:
		return cty.BoolVal(x)
	case json.Number:
		return number(x.String(), want)
	case []any:
		list := make([]cty.Value, len(x))
		for i := range x {
			list[i] = jsonValue(x[i], within(want, ""))
		}
		return cty.TupleVal(list)
	case map[string]any:
		object := make(map[string]cty.Value, len(x))
		for name, e := range x {
			object[name] = jsonValue(e, within(want, name))
		}
		return cty.ObjectVal(object)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// number reads a number. If a text is wanted it returns the text unchanged, so
// that 0123 and 1.10 stay as they are.
func number(text string, want cty.Type) cty.Value {
	if want == cty.String {
		return cty.StringVal(text)
	}
	f, _, err := big.ParseFloat(text, 10, 512, big.ToNearestEven)
	if err != nil {
		return cty.StringVal(text)
	}
	return cty.NumberVal(f)
}
