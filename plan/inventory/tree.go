package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// The tree formats hold a list of objects, or an object of objects whose keys
// are the inventory's keys.
const treeShape = "An inventory is a list of objects, or an object of objects by key."

// readJSON walks the tokens, so that every record's line is known.
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
		ty, err := ctyjson.ImpliedType(raw)
		if err != nil || !ty.IsObjectType() {
			r.wrong(line, "", nil, treeShape)
			continue
		}
		v, err := ctyjson.Unmarshal(raw, ty)
		if err != nil {
			r.wrong(line, "", nil, "This is not an object: %v.", err)
			continue
		}
		r.addObject(line, key, v.AsValueMap(), nil)
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

// addObject adds a record; key is the object's key where it has one, lines
// the line of each attribute where they are known.
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

func (r *reader) readYAML() {
	f, err := parser.ParseBytes(r.src, 0)
	if err != nil {
		r.wrong(0, "", nil, "This is not YAML: %v.", err)
		return
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		r.wrong(1, "", nil, treeShape)
		return
	}
	switch body := f.Docs[0].Body.(type) {
	case *ast.SequenceNode:
		for _, n := range body.Values {
			r.addYAML(n, cty.NilVal)
		}
	case *ast.MappingNode:
		for _, kv := range body.Values {
			r.addYAML(kv.Value, cty.StringVal(kv.Key.String()))
		}
	case *ast.MappingValueNode:
		r.addYAML(body.Value, cty.StringVal(body.Key.String()))
	default:
		r.wrong(1, "", nil, treeShape)
	}
}

func (r *reader) addYAML(n ast.Node, key cty.Value) {
	line := 0
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.wrong(line, "", nil, treeShape)
		return
	}
	object, lines := map[string]cty.Value{}, map[string]int{}
	for i, kv := range values {
		name := yamlKey(kv.Key)
		if t := kv.Key.GetToken(); t != nil && t.Position != nil {
			lines[name] = t.Position.Line
			if i == 0 {
				line = t.Position.Line
			}
		}
		v, ok := yamlValue(kv.Value, 0)
		if !ok {
			r.wrong(lines[name], name, nil, "This kind of YAML value is not supported in an inventory.")
			continue
		}
		object[name] = v
	}
	if line == 0 {
		line = 1
	}
	r.addObject(line, key, object, lines)
}

func yamlKey(n ast.MapKeyNode) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.String()
}

// maxDepth keeps a hostile file from exhausting the stack.
const maxDepth = 64

func yamlValue(n ast.Node, depth int) (cty.Value, bool) {
	if depth > maxDepth {
		return cty.NilVal, false
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return cty.NullVal(cty.DynamicPseudoType), true
	case *ast.StringNode:
		return cty.StringVal(n.Value), true
	case *ast.LiteralNode:
		return cty.StringVal(n.Value.Value), true
	case *ast.BoolNode:
		return cty.BoolVal(n.Value), true
	case *ast.IntegerNode, *ast.FloatNode:
		f, _, err := big.ParseFloat(n.String(), 10, 512, big.ToNearestEven)
		if err != nil {
			return cty.StringVal(n.String()), true
		}
		return cty.NumberVal(f), true
	case *ast.SequenceNode:
		list := make([]cty.Value, 0, len(n.Values))
		for _, e := range n.Values {
			v, ok := yamlValue(e, depth+1)
			if !ok {
				return cty.NilVal, false
			}
			list = append(list, v)
		}
		return cty.TupleVal(list), true
	case *ast.MappingNode:
		return yamlObject(n.Values, depth)
	case *ast.MappingValueNode:
		return yamlObject([]*ast.MappingValueNode{n}, depth)
	}
	return cty.NilVal, false
}

func yamlObject(values []*ast.MappingValueNode, depth int) (cty.Value, bool) {
	object := map[string]cty.Value{}
	for _, kv := range values {
		v, ok := yamlValue(kv.Value, depth+1)
		if !ok {
			return cty.NilVal, false
		}
		object[yamlKey(kv.Key)] = v
	}
	return cty.ObjectVal(object), true
}
