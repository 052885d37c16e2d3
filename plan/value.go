package plan

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/sdk/schema"
)

// eval evaluates an expression. If it has no value, eval reports that and
// returns an unknown value, so that nothing that depends on it is reported
// again.
func (s *sink) eval(e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	if s.folded != nil {
		// An error is reported for the whole expression.
		if short, ok := s.folded.exprs[e]; ok {
			if v, ds := short.Value(ctx); !ds.HasErrors() {
				return v, true
			}
		}
	}
	v, ds := e.Value(ctx)
	if ds.HasErrors() {
		s.hcl(ds, false)
		return cty.DynamicVal, false
	}
	return v, true
}

// shown evaluates an argument of the core. Such values are printed and stored,
// so a secret in one is an error. It returns false if there is no usable value:
// it is not set, null, unknown because of an earlier error, or wrong, which
// shown reports.
func (s *sink) shown(b *hclsyntax.Body, name string, ctx *hcl.EvalContext, ty cty.Type) (cty.Value, bool) {
	attr := b.Attributes[name]
	if attr == nil {
		return cty.NilVal, false
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok {
		return cty.NilVal, false
	}
	return s.shownValue(v, attr.Expr.Range(), name, ty)
}

func (s *sink) shownValue(v cty.Value, r hcl.Range, name string, ty cty.Type) (cty.Value, bool) {
	if containsMarked(v) {
		s.add(diag.SecretShown, r, "The value of %q contains a secret, but %q is printed and stored. Use a value that is not secret.", name, name)
		return cty.NilVal, false
	}
	if v.IsNull() {
		return cty.NilVal, false
	}
	c, err := convert.Convert(v, ty)
	if err != nil {
		s.add(diag.WrongType, r, "%s", wrongType(name, "", ty, v, err))
		return cty.NilVal, false
	}
	if !c.IsWhollyKnown() {
		return cty.NilVal, false
	}
	return c, true
}

// containsMarked is [cty.Value.ContainsMarked], which is slow even for values
// without parts.
func containsMarked(v cty.Value) bool {
	return v.IsMarked() || !v.Type().IsPrimitiveType() && v.ContainsMarked()
}

func typeText(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a text"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsListType():
		return "a list of texts"
	case ty.IsMapType():
		return "a map"
	}
	return "a " + ty.FriendlyName()
}

// wrongType says what an argument takes, what it was given and how to write it.
// example is a valid value; empty: none is known.
func wrongType(name, example string, want cty.Type, v cty.Value, err error) string {
	given := "this is " + described(v)
	switch {
	case want == cty.Number:
		example = cmp.Or(example, "4")
		return fmt.Sprintf("%q takes a number, but %s. Write a number without quotes, such as %s = %s.", name, given, name, example)
	case want == cty.Bool:
		return fmt.Sprintf("%q takes true or false, but %s. Write %s = true or %s = false, without quotes.", name, given, name, name)
	case want == cty.String:
		return fmt.Sprintf("%q takes a text, but %s. Write one text in quotes: %s = \"…\".", name, given, name)
	case want.IsListType() && want.ElementType() == cty.String && v.Type() == cty.String && v.IsKnown() && !v.IsMarked():
		return fmt.Sprintf("%q takes a list of texts, but %s. Write it in brackets: %s = [%q].", name, given, name, shortened(v.AsString()))
	case want.IsListType() && want.ElementType() == cty.String:
		return fmt.Sprintf("%q takes a list of texts, such as %s = [\"a\", \"b\"], but %s: %s.", name, name, given, err)
	case want.IsMapType():
		return fmt.Sprintf("%q takes a map, such as %s = { name = \"value\" }, but %s: %s.", name, name, given, err)
	}
	return fmt.Sprintf("%q takes a %s, but %s: %s.", name, want.FriendlyName(), given, err)
}

// described names a value that is not secret. It quotes a short one.
func described(v cty.Value) string {
	ty := v.Type()
	switch {
	case v.IsMarked():
		return "a secret"
	case ty == cty.String && v.IsKnown() && !v.IsNull():
		return fmt.Sprintf("the text %q", shortened(v.AsString()))
	case ty == cty.String:
		return "a text"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return "a list"
	case ty.IsObjectType() || ty.IsMapType():
		return "a map"
	case ty.IsCapsuleType():
		return "a reference"
	}
	return "a " + ty.FriendlyName()
}

func shortened(text string) string {
	if r := []rune(text); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return text
}

func (s *sink) text(b *hclsyntax.Body, name string, ctx *hcl.EvalContext) (string, bool) {
	v, ok := s.shown(b, name, ctx, cty.String)
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

// word reads a text that must be one of a few words.
func (s *sink) word(b *hclsyntax.Body, name string, ctx *hcl.EvalContext, fallback string, words ...string) string {
	v, ok := s.text(b, name, ctx)
	if !ok {
		return fallback
	}
	if !slices.Contains(words, v) {
		s.unknownName(diag.InvalidValue, b.Attributes[name].Expr.Range(), v, words, "%q must be one of %s, not %q.", name, listed(words), v)
		return fallback
	}
	return v
}

// texts reads a list of texts; nil if it is not set.
func (s *sink) texts(b *hclsyntax.Body, name string, ctx *hcl.EvalContext) []string {
	v, ok := s.shown(b, name, ctx, cty.List(cty.String))
	if !ok {
		return nil
	}
	return s.stringsOf(v, b.Attributes[name].Expr.Range(), name)
}

func (s *sink) stringsOf(v cty.Value, r hcl.Range, name string) []string {
	list := make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			s.add(diag.WrongType, r, "An element of %q is null.", name)
			continue
		}
		list = append(list, e.AsString())
	}
	return list
}

// whole reads a whole number of at least low.
func (s *sink) whole(b *hclsyntax.Body, name string, ctx *hcl.EvalContext, fallback, low int) int {
	v, ok := s.shown(b, name, ctx, cty.Number)
	if !ok {
		return fallback
	}
	n, ok := wholeNumber(v)
	if !ok || n < low {
		s.add(diag.InvalidValue, b.Attributes[name].Expr.Range(), "%q must be a whole number of at least %d.", name, low)
		return fallback
	}
	return n
}

func wholeNumber(v cty.Value) (int, bool) {
	f := v.AsBigFloat()
	if !f.IsInt() {
		return 0, false
	}
	n, accuracy := f.Int64()
	return int(n), accuracy == big.Exact && n < 1<<31
}

// duration reads a length of time of at least low.
func (s *sink) duration(b *hclsyntax.Body, name string, ctx *hcl.EvalContext, fallback, low time.Duration) time.Duration {
	v, ok := s.text(b, name, ctx)
	if !ok {
		return fallback
	}
	d, err := schema.ParseDuration(v)
	if err != nil {
		s.add(diag.InvalidValue, b.Attributes[name].Expr.Range(), "%q must be a duration with a unit, such as \"90s\", \"2h30m\" or \"1d\", not %q.", name, v)
		return fallback
	}
	if d < low {
		s.add(diag.InvalidValue, b.Attributes[name].Expr.Range(), "%q must be at least %s, not %q.", name, low, v)
		return fallback
	}
	return d
}

// instance is one instance of a block with for_each, or the only one of a block
// without it.
type instance struct {
	key   string
	keyed bool
	ctx   *hcl.EvalContext
}

// entry is an instance without its context.
type entry struct {
	key, value cty.Value // nil values without for_each
	outer      *hcl.EvalContext
}

// instance makes the context, in which `each` is the entry.
func (e entry) instance() instance {
	if e.key == cty.NilVal {
		return instance{ctx: e.outer}
	}
	c := child(e.outer)
	c.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": e.key, "value": e.value})}
	return instance{key: e.key.AsString(), keyed: true, ctx: c}
}

// address names the instance of a block.
func (i instance) address(label string) string {
	if !i.keyed {
		return label
	}
	return label + `["` + i.key + `"]`
}

// instances expands for_each, by key. It returns false if for_each cannot be
// used; then their number is not known.
func (s *sink) instances(b *hclsyntax.Body, ctx *hcl.EvalContext) ([]instance, bool) {
	entries, ok := s.entries(b, ctx)
	list := make([]instance, len(entries))
	for i, e := range entries {
		list[i] = e.instance()
	}
	return list, ok
}

func (s *sink) entries(b *hclsyntax.Body, ctx *hcl.EvalContext) ([]entry, bool) {
	attr := b.Attributes["for_each"]
	if attr == nil {
		return []entry{{outer: ctx}}, true
	}
	v, ok := s.eval(attr.Expr, ctx)
	if !ok {
		return nil, false
	}
	r := attr.Expr.Range()
	// The elements of a map may hold secrets, but its keys and its size must
	// not.
	if v.IsMarked() || v.Type().IsSetType() && v.ContainsMarked() {
		s.add(diag.SecretShown, r, "for_each contains a secret, but its keys name things that are printed. Use a value that is not secret.")
		return nil, false
	}
	ty := v.Type()
	switch {
	case !v.IsKnown():
		return nil, false // its cause was reported before
	case v.IsNull():
		s.add(diag.InvalidForEach, r, "for_each is null. For no instances write an empty map, {}.")
		return nil, false
	case ty.IsObjectType() || ty.IsMapType():
	case ty.IsSetType() || ty.IsListType() || ty.IsTupleType():
		object := map[string]cty.Value{}
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.IsMarked() {
				s.add(diag.SecretShown, r, "for_each contains a secret, but its keys name things that are printed. Use a value that is not secret.")
				return nil, false
			}
			if !e.IsKnown() {
				return nil, false
			}
			k, err := convert.Convert(e, cty.String)
			if err != nil || k.IsNull() {
				s.add(diag.InvalidForEach, r, "for_each takes a map, an object, or a list of texts; this list holds something else.")
				return nil, false
			}
			if _, twice := object[k.AsString()]; twice {
				s.add(diag.InvalidForEach, r, "The list of for_each holds %q twice; its elements are keys and must differ.", k.AsString())
				return nil, false
			}
			object[k.AsString()] = k
		}
		v = cty.ObjectVal(object)
	default:
		s.add(diag.InvalidForEach, r, "for_each takes a map, an object, or a list of texts, not %s.", typeText(ty))
		return nil, false
	}
	list := make([]entry, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		list = append(list, entry{key: k, value: e, outer: ctx})
	}
	return list, true
}
