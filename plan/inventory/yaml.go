package inventory

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/zclconf/go-cty/cty"
)

// Bounds for a hostile file: for nesting and for what aliases repeat.
const (
	maxDepth   = 64
	maxAliases = 1 << 17
)

// yamlFile is a document with its anchors.
type yamlFile struct {
	anchors map[string]ast.Node
	aliases int // number of aliases that were followed
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
	y := &yamlFile{anchors: map[string]ast.Node{}}
	ast.Walk(anchors(y.anchors), f.Docs[0].Body)
	switch body := y.plain(f.Docs[0].Body, 0).(type) {
	case *ast.SequenceNode:
		for _, n := range body.Values {
			r.addYAML(y, n, cty.NilVal)
		}
	case *ast.MappingNode:
		for _, kv := range body.Values {
			r.addKeyed(y, kv)
		}
	case *ast.MappingValueNode:
		r.addKeyed(y, body)
	default:
		r.wrong(1, "", nil, treeShape)
	}
}

// anchors holds the nodes of a document that have anchors, by name.
type anchors map[string]ast.Node

// Visit implements ast.Visitor.
func (a anchors) Visit(n ast.Node) ast.Visitor {
	if at, ok := n.(*ast.AnchorNode); ok {
		a[at.Name.String()] = at.Value
	}
	return a
}

// addKeyed adds a record of an object of records. It skips entries that exist
// only to be merged into others: they have an anchor, and a key that begins
// with "_", "." or "x-".
func (r *reader) addKeyed(y *yamlFile, kv *ast.MappingValueNode) {
	key := yamlKey(kv.Key)
	if _, anchored := kv.Value.(*ast.AnchorNode); anchored && (strings.HasPrefix(key, "_") || strings.HasPrefix(key, ".") || strings.HasPrefix(key, "x-")) {
		return
	}
	r.addYAML(y, kv.Value, cty.StringVal(key))
}

func (r *reader) addYAML(y *yamlFile, n ast.Node, key cty.Value) {
	line := lineOf(n)
	values, ok := y.mapping(n, 0)
	if !ok {
		r.wrong(line, "", nil, treeShape)
		return
	}
	object, lines := map[string]cty.Value{}, map[string]int{}
	for _, kv := range values {
		name := yamlKey(kv.Key)
		if lines[name] = lineOf(kv.Key); !kv.merged && (line == 0 || lines[name] < line) {
			line = lines[name]
		}
		v, ok := y.value(kv.Value, r.want(name), 0)
		if !ok {
			r.wrong(lines[name], name, nil, "This kind of YAML value is not supported in an inventory.")
			continue
		}
		object[name] = v
	}
	r.addObject(max(1, line), key, object, lines)
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// plain follows anchors, aliases and tags to the node that they stand for; nil:
// they are nested too deeply or repeat too much.
func (y *yamlFile) plain(n ast.Node, depth int) ast.Node {
	for ; depth <= maxDepth; depth++ {
		switch is := n.(type) {
		case *ast.AnchorNode:
			n = is.Value
		case *ast.AliasNode:
			if y.aliases++; y.aliases > maxAliases {
				return nil
			}
			n = y.anchors[is.Value.String()]
		case *ast.TagNode:
			n = is.Value
		default:
			return n
		}
	}
	return nil
}

// member is a key of a mapping with its value.
type member struct {
	*ast.MappingValueNode
	merged bool // it comes from a merged mapping
}

// mapping lists the members of a mapping, each key once. The mapping's own
// members win over those merged with "<<", and earlier merged ones over later
// ones.
func (y *yamlFile) mapping(n ast.Node, depth int) ([]member, bool) {
	var written []*ast.MappingValueNode
	switch n := y.plain(n, depth).(type) {
	case *ast.MappingNode:
		written = n.Values
	case *ast.MappingValueNode:
		written = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	if depth > maxDepth {
		return nil, false
	}
	var all []member
	have := map[string]bool{}
	var merges []ast.Node
	for _, kv := range written {
		if kv.Key.IsMergeKey() {
			if list, ok := y.plain(kv.Value, depth).(*ast.SequenceNode); ok {
				merges = append(merges, list.Values...)
			} else {
				merges = append(merges, kv.Value)
			}
			continue
		}
		have[yamlKey(kv.Key)] = true
		all = append(all, member{MappingValueNode: kv})
	}
	for _, from := range merges {
		more, ok := y.mapping(from, depth+1)
		if !ok {
			return nil, false
		}
		for _, kv := range more {
			if name := yamlKey(kv.Key); !have[name] {
				have[name] = true
				all = append(all, member{kv.MappingValueNode, true})
			}
		}
	}
	return all, true
}

// yamlKey returns a key as it is written.
func yamlKey(n ast.MapKeyNode) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return scalarText(n)
}

// scalarText returns a number or another plain word as it is written.
func scalarText(n ast.Node) string {
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return n.String()
}

// value turns a node into a value. Numbers, true and false stay as they are
// written if a text is wanted.
func (y *yamlFile) value(n ast.Node, want cty.Type, depth int) (cty.Value, bool) {
	if tag, ok := n.(*ast.TagNode); ok && tag.Start.Value == "!!str" {
		want = cty.String
	}
	n = y.plain(n, depth)
	if depth > maxDepth || n == nil {
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
		if want == cty.String {
			return cty.StringVal(scalarText(n)), true
		}
		return cty.BoolVal(n.Value), true
	case *ast.IntegerNode, *ast.FloatNode:
		return number(scalarText(n), want), true
	case *ast.InfinityNode, *ast.NanNode:
		return cty.StringVal(scalarText(n)), want == cty.String
	case *ast.SequenceNode:
		list := make([]cty.Value, 0, len(n.Values))
		for _, e := range n.Values {
			v, ok := y.value(e, within(want, ""), depth+1)
			if !ok {
				return cty.NilVal, false
			}
			list = append(list, v)
		}
		return cty.TupleVal(list), true
	case *ast.MappingNode, *ast.MappingValueNode:
		members, ok := y.mapping(n, depth)
		if !ok {
			return cty.NilVal, false
		}
		object := make(map[string]cty.Value, len(members))
		for _, kv := range members {
			name := yamlKey(kv.Key)
			if object[name], ok = y.value(kv.Value, within(want, name), depth+1); !ok {
				return cty.NilVal, false
			}
		}
		return cty.ObjectVal(object), true
	}
	return cty.NilVal, false
}
