package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
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

// decoder turns the syntax of a config block into a value of its schema's type.
// One decoder is made for each schema, so that decoding one of thousands of
// devices takes few lookups and allocations.
type decoder struct {
	block  schema.Block
	ty     cty.Type
	attrs  map[string]*schema.Attribute
	blocks map[string]*nestedDecoder
	absent map[string]cty.Value // the value of everything that the block does not set
	names  []string
}

type nestedDecoder struct {
	schema.Nested
	decoder *decoder
}

func newDecoder(b schema.Block) *decoder {
	d := &decoder{block: b, ty: b.ImpliedType(), attrs: map[string]*schema.Attribute{}, blocks: map[string]*nestedDecoder{}}
	empty := map[string]cty.Value{}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		d.attrs[a.Name] = a
		d.names = append(d.names, a.Name)
		empty[a.Name] = cty.NullVal(a.Type.Type)
	}
	for _, n := range b.Blocks {
		nd := &nestedDecoder{Nested: n, decoder: newDecoder(n.Block)}
		d.blocks[n.Name] = nd
		if n.Nesting == schema.NestingList {
			empty[n.Name] = cty.ListValEmpty(nd.decoder.ty)
		} else {
			empty[n.Name] = cty.NullVal(nd.decoder.ty)
		}
	}
	d.absent = empty
	if v, err := b.ApplyDefaults(cty.ObjectVal(empty)); err == nil {
		d.absent = v.AsValueMap()
	}
	if d.absent == nil {
		d.absent = empty
	}
	return d
}

// configured records where the arguments of a decoded config were written, so
// that a later diagnostic can point at them.
type configured struct {
	owner  owner
	body   *hclsyntax.Body
	header hcl.Range
	// hidden is the value for the plugin's own check, with secrets as unknown
	// values.
	hidden cty.Value
}

// rangeAt returns the place of a schema path: the argument's expression or,
// without one, the innermost block that was written.
func (c *configured) rangeAt(p []string) hcl.Range {
	at, _ := c.placeAt(p)
	return at
}

// placeAt is [configured.rangeAt] with the expression, or nil for a block.
func (c *configured) placeAt(p []string) (hcl.Range, hclsyntax.Expression) {
	body, at := c.body, c.header
	if body == nil {
		return at, nil
	}
	for i := 0; i < len(p); i++ {
		if attr := body.Attributes[p[i]]; attr != nil {
			return attr.Expr.Range(), attr.Expr
		}
		index := 0
		name := p[i]
		if i+1 < len(p) {
			if n, err := strconv.Atoi(p[i+1]); err == nil {
				index = n
			}
		}
		var found *hclsyntax.Block
		count := 0
		for _, b := range body.Blocks {
			if b.Type == name || b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == name {
				found = b
				if count == index {
					break
				}
				count++
			}
		}
		if found == nil {
			return at, nil
		}
		body, at = found.Body, found.TypeRange
		if i+1 < len(p) {
			if _, err := strconv.Atoi(p[i+1]); err == nil {
				i++
			}
		}
	}
	return at, nil
}

// decodeConfig decodes and checks the config block of a block. It always
// returns a value of the schema's type, with unknown values in place of wrong
// ones. ok is false if anything was wrong.
func (s *sink) decodeConfig(d *decoder, block *hclsyntax.Block, ctx *hcl.EvalContext) (cty.Value, *configured, bool) {
	c := &configured{owner: ownerOf(block, ctx), header: block.DefRange()}
	config := nested(block.Body, "config")
	outer := s.owner
	s.owner = c.owner
	defer func() { s.owner = outer }()
	before := len(s.list)
	values := d.absent
	if config != nil {
		c.body, c.header = config.Body, config.TypeRange
		values = s.decodeBody(d, config.Body, ctx)
	}
	v := cty.ObjectVal(values)
	broken := len(s.list) > before && s.list[before:].HasErrors()
	findings := d.block.CheckParts(values)
	if config == nil && schema.HasErrors(findings) {
		s.add(diag.MissingBlock, c.header, "This needs a config block: %s", findings[0].Detail)
		return v, c, false
	}
	for _, found := range findings {
		if found.Severity == schema.SeverityError {
			s.fromSchema(d.told(found), c, checkCode(found.Summary))
			broken = true
		}
	}
	if broken {
		return v, c, false
	}
	c.hidden = v
	if hideParts(values) { // v holds a copy of them
		c.hidden = cty.ObjectVal(values)
	}
	return v, c, true
}

// told adds to a diagnostic of the schema's check what a missing argument is
// for, and how to write a secret.
func (d *decoder) told(found schema.Diagnostic) schema.Diagnostic {
	if found.Summary != "Missing argument" || len(found.Path) != 1 {
		return found
	}
	a := d.attrs[found.Path[0]]
	switch {
	case a == nil:
	case a.Sensitive:
		found.Detail += fmt.Sprintf(" Write a reference to the secret, such as %s = secret_file(\"/etc/dprun/%s\"); secret_env and secret_command do as well.", a.Name, a.Name)
	case a.Doc != "":
		found.Detail += " It is: " + a.Doc
	}
	return found
}

// checkCode returns the code for a diagnostic of a schema's check.
func checkCode(summary string) diag.Code {
	switch summary {
	case "Missing argument", "Missing value":
		return diag.MissingArgument
	case "Missing block":
		return diag.MissingBlock
	case "Wrong type":
		return diag.WrongType
	case "Conflicting arguments":
		return diag.ConflictingArguments
	}
	return diag.InvalidValue
}

func (s *sink) fromSchema(found schema.Diagnostic, c *configured, code diag.Code) {
	at, expr := c.placeAt(found.Path)
	made := s.add(code, at, "%s", found.Detail)
	s.named(made, c.owner, expr)
	if code == diag.RejectedByPlugin || code == diag.PluginAdvice {
		made.Summary = found.Summary
	}
}

func (s *sink) decodeBody(d *decoder, body *hclsyntax.Body, ctx *hcl.EvalContext) map[string]cty.Value {
	unwritten, attributes, blocks := d.absent, body.Attributes, body.Blocks
	if folded := s.foldedBody(body); folded != nil {
		unwritten, attributes, blocks = folded.values, folded.attributes, folded.blocks
	}
	values := maps.Clone(unwritten)
	for name, attr := range attributes {
		a := d.attrs[name]
		if a == nil {
			s.unknownConfig(d, name, attr.NameRange)
			continue
		}
		values[name] = s.decodeAttribute(d, a, attr, ctx)
	}
	for name, attr := range attributes {
		if a := d.attrs[name]; a != nil && a.Format == schema.FormatProgram {
			s.programThere(a, values[name], values["working_directory"], attr)
		}
	}
	var lists map[string][]cty.Value
	for _, b := range blocks {
		if b.Type == "dynamic" {
			s.decodeDynamic(d, b, ctx, values, &lists)
			continue
		}
		n := d.blocks[b.Type]
		if n == nil {
			s.unknownConfigBlock(d, b)
			continue
		}
		if len(b.Labels) > 0 {
			s.add(diag.WrongLabels, b.LabelRanges[0], "%s block has no labels.", sentence(indefinite(b.Type)))
		}
		s.decodeNested(n, b, b.Body, ctx, values, &lists)
	}
	for name, list := range lists {
		values[name] = cty.ListVal(list)
	}
	return values
}

func (s *sink) decodeAttribute(d *decoder, a *schema.Attribute, attr *hclsyntax.Attribute, ctx *hcl.EvalContext) cty.Value {
	if a.Deprecated != "" {
		s.add(diag.Deprecated, attr.NameRange, "The argument %q is deprecated: %s", a.Name, a.Deprecated)
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok {
		return cty.UnknownVal(a.Type.Type)
	}
	converted, err := convert.Convert(v, a.Type.Type)
	if err != nil {
		text := fmt.Sprintf("%q takes %s. The value here is secret and is not shown.", a.Name, withArticle(a.Type.FriendlyName()))
		if !containsMarked(v) {
			text = wrongType(a.Name, a.Default, a.Type.Type, v, err)
		}
		made := s.add(diag.WrongType, attr.Expr.Range(), "%s", text)
		s.named(made, s.owner, attr.Expr)
		return cty.UnknownVal(a.Type.Type)
	}
	v = converted
	if a.Sensitive {
		s.secretGiven(a, v, attr.Expr, ctx)
	}
	if u, marks := v.Unmark(); u.IsNull() {
		return d.absent[a.Name].WithMarks(marks)
	}
	switch a.Format {
	case schema.FormatPath:
		v = s.env.absolute(v, attr.Expr.Range().Filename)
	case schema.FormatFile, schema.FormatCertificates:
		v = s.env.absolute(v, attr.Expr.Range().Filename)
		s.fileThere(a, v, attr)
	}
	return v
}

// fileThere reports a file that an argument names and that cannot be used. It does so only if the compiler's
// caller checks files.
func (s *sink) fileThere(a *schema.Attribute, v cty.Value, attr *hclsyntax.Attribute) {
	if s.env.unreadable == nil || a.Sensitive || v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String || v.AsString() == "" {
		return
	}
	if err := s.env.unreadable(v.AsString(), a.Format); err != nil {
		made := s.add(diag.FileMissing, attr.Expr.Range(), "The argument %q names a file that cannot be used: %s.", a.Name, err)
		s.named(made, s.owner, attr.Expr)
	}
}

// programThere is fileThere for a program with a relative path. A program with
// an absolute path or in PATH may just as well be on another machine.
func (s *sink) programThere(a *schema.Attribute, command, dir cty.Value, attr *hclsyntax.Attribute) {
	if s.env.unreadable == nil || command.IsMarked() || !command.IsKnown() || command.IsNull() || command.LengthInt() == 0 {
		return
	}
	program := command.Index(cty.Zero)
	if program.IsMarked() || !program.IsKnown() || program.IsNull() || filepath.IsAbs(program.AsString()) || !strings.Contains(program.AsString(), "/") {
		return
	}
	in := s.env.dir
	if dir != cty.NilVal && (dir.IsMarked() || !dir.IsKnown()) {
		return
	}
	if dir != cty.NilVal && !dir.IsNull() && dir.AsString() != "" {
		in = dir.AsString()
	}
	if err := s.env.unreadable(filepath.Join(in, filepath.FromSlash(program.AsString())), schema.FormatFile); errors.Is(err, fs.ErrNotExist) {
		made := s.add(diag.FileMissing, attr.Expr.Range(), "The argument %q names a program that does not exist: %s.", a.Name, err)
		s.named(made, s.owner, attr.Expr)
	}
}

func (s *sink) decodeNested(n *nestedDecoder, b *hclsyntax.Block, body *hclsyntax.Body, ctx *hcl.EvalContext, values map[string]cty.Value, lists *map[string][]cty.Value) {
	if n.Block.Deprecated != "" {
		s.add(diag.Deprecated, b.TypeRange, "The block %q is deprecated: %s", n.Name, n.Block.Deprecated)
	}
	v := cty.ObjectVal(s.decodeBody(n.decoder, body, ctx))
	if *lists == nil {
		*lists = map[string][]cty.Value{}
	}
	if n.Nesting == schema.NestingList {
		(*lists)[n.Name] = append((*lists)[n.Name], v)
		return
	}
	if !values[n.Name].IsNull() {
		s.add(diag.DuplicateBlock, b.TypeRange, "There is at most one %s block.", n.Name)
		return
	}
	values[n.Name] = v
}

// decodeDynamic repeats a nested block: dynamic "x" { for_each, iterator, content {} }.
func (s *sink) decodeDynamic(d *decoder, b *hclsyntax.Block, ctx *hcl.EvalContext, values map[string]cty.Value, lists *map[string][]cty.Value) {
	content := nested(b.Body, "content")
	if len(b.Labels) != 1 || content == nil || b.Body.Attributes["for_each"] == nil {
		s.add(diag.WrongLabels, b.DefRange(), "A dynamic block is written as dynamic \"block\" { for_each = … content { … } }.")
		return
	}
	n := d.blocks[b.Labels[0]]
	if n == nil {
		s.unknownName(diag.UnknownBlock, b.LabelRanges[0], b.Labels[0], slices.Sorted(maps.Keys(d.blocks)), "%q is not a block here.", b.Labels[0])
		return
	}
	iterator := b.Labels[0]
	for name, attr := range b.Body.Attributes {
		switch name {
		case "for_each":
		case "iterator":
			if k := hcl.ExprAsKeyword(attr.Expr); k != "" {
				iterator = k
			}
		default:
			s.unknownName(diag.UnknownArgument, attr.NameRange, name, []string{"for_each", "iterator"}, "%q is not an argument of a dynamic block.", name)
		}
	}
	v, ok := s.eval(b.Body.Attributes["for_each"].Expr, ctx)
	if !ok {
		return
	}
	r := b.Body.Attributes["for_each"].Expr.Range()
	switch {
	case v.IsMarked():
		s.add(diag.SecretShown, r, "for_each depends on a secret. The number of blocks would reveal something about it.")
	case !v.IsKnown():
		// Only lazy arguments have unknown values; the block is checked once.
		c := child(ctx)
		c.Variables = map[string]cty.Value{iterator: cty.DynamicVal}
		s.decodeNested(n, b, content.Body, c, values, lists)
	case v.IsNull() || !v.CanIterateElements():
		s.add(diag.InvalidForEach, r, "for_each of a dynamic block takes a list, a set, a map or an object.")
	default:
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			c := child(ctx)
			c.Variables = map[string]cty.Value{iterator: cty.ObjectVal(map[string]cty.Value{"key": k, "value": e})}
			s.decodeNested(n, b, content.Body, c, values, lists)
		}
	}
}

func (s *sink) unknownConfig(d *decoder, name string, r hcl.Range) {
	if d.blocks[name] != nil {
		s.add(diag.UnknownArgument, r, "%q is a block here, not an argument: write it with braces and without an equals sign.", name)
		return
	}
	s.unknownName(diag.UnknownArgument, r, name, d.names, "The plugin has no argument %q here. It has %s.", name, listed(d.names))
}

func (s *sink) unknownConfigBlock(d *decoder, b *hclsyntax.Block) {
	if d.attrs[b.Type] != nil {
		s.add(diag.UnknownBlock, b.TypeRange, "%q is an argument here, not a block: write %s = …", b.Type, b.Type)
		return
	}
	s.unknownName(diag.UnknownBlock, b.TypeRange, b.Type, slices.Sorted(maps.Keys(d.blocks)), "The plugin has no block %q here. It has %s.", b.Type, listed(slices.Sorted(maps.Keys(d.blocks))))
}

// absolute makes a path absolute against the directory of the file that holds
// it.
func (e *environment) absolute(v cty.Value, file string) cty.Value {
	u, marks := v.Unmark()
	if !u.IsKnown() || u.IsNull() {
		return v
	}
	dir := filepath.Join(e.dir, filepath.FromSlash(path.Dir(file)))
	join := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, filepath.FromSlash(p))
	}
	switch {
	case u.Type() == cty.String:
		return cty.StringVal(join(u.AsString())).WithMarks(marks)
	case u.Type().IsListType() && u.Type().ElementType() == cty.String && u.LengthInt() > 0:
		list := make([]cty.Value, 0, u.LengthInt())
		for _, el := range u.AsValueSlice() {
			list = append(list, e.absolute(el, file))
		}
		return cty.ListVal(list).WithMarks(marks)
	}
	return v
}

func withArticle(name string) string {
	if name == "" {
		return name
	}
	if slices.Contains([]string{"a", "e", "i", "o", "u"}, name[:1]) {
		return "an " + name
	}
	return "a " + name
}
