package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Check validates a value of the block's type against everything that the
// schema states: required arguments and blocks, one_of, formats, bounds, and
// groups of which only one may be set. Unknown values pass. Marks do not
// matter, but a marked or sensitive value never appears in a text. Errors and
// deprecation warnings come in the order of the schema.
func (b Block) Check(v cty.Value) []Diagnostic {
	return b.check(v, nil)
}

// CheckParts is [Block.Check] for an object that is given as its values by
// name.
func (b Block) CheckParts(values map[string]cty.Value) []Diagnostic {
	return b.checkParts(func(name string) (cty.Value, bool) { v, ok := values[name]; return v, ok }, nil)
}

// HasErrors reports whether a diagnostic is an error.
func HasErrors(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == SeverityError })
}

// Reporter returns a function that appends an error about an argument to a list. It is for a plugin's own
// validators.
func Reporter(to *[]Diagnostic) func(path []string, summary, format string, args ...any) {
	return func(path []string, summary, format string, args ...any) {
		*to = append(*to, errorAt(path, summary, format, args...))
	}
}

func errorAt(path []string, summary, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityError, Summary: summary, Detail: fmt.Sprintf(format, args...), Path: path}
}

func at(path []string, step string) []string {
	return append(append(make([]string, 0, len(path)+1), path...), step)
}

func (b Block) check(v cty.Value, path []string) []Diagnostic {
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return nil
	}
	if v.IsNull() || !v.Type().IsObjectType() {
		return []Diagnostic{errorAt(path, "Wrong type", "A block is needed here.")}
	}
	return b.checkParts(func(name string) (cty.Value, bool) {
		if !has(v.Type(), name) {
			return cty.NilVal, false
		}
		return v.GetAttr(name), true
	}, path)
}

// has does what [cty.Type.HasAttribute] does, without normalizing the name each
// time.
func has(object cty.Type, name string) bool {
	_, ok := object.AttributeTypes()[name]
	return ok || object.HasAttribute(name)
}

// parts returns the value of an argument or block, and whether there is one.
type parts func(name string) (cty.Value, bool)

func (b *Block) checkParts(of parts, path []string) []Diagnostic {
	var ds []Diagnostic
	for i := range b.Attributes {
		a := &b.Attributes[i]
		e, ok := of(a.Name)
		if !ok {
			ds = append(ds, errorAt(at(path, a.Name), "Missing argument", "The value has no argument %q.", a.Name))
			continue
		}
		ds = append(ds, a.check(e, path)...)
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		e, ok := of(n.Name)
		if !ok {
			ds = append(ds, errorAt(at(path, n.Name), "Missing block", "The value has no block %q.", n.Name))
			continue
		}
		ds = append(ds, n.check(e, n.stateOf(e), path)...)
	}
	return append(ds, b.checkGroups(of, path)...)
}

// state says whether an argument or block is set, as far as is known.
type state int

const (
	notSet state = iota
	isSet
	maySet // the value is unknown
)

func stateOf(v cty.Value) state {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return maySet
	case v.IsNull():
		return notSet
	}
	return isSet
}

// stateOf is the function [stateOf] for a block's value: an empty list is not
// set.
func (n *Nested) stateOf(v cty.Value) state {
	s := stateOf(v)
	if n.Nesting == NestingList && s == isSet {
		if v, _ = v.Unmark(); v.LengthInt() == 0 {
			return notSet
		}
	}
	return s
}

// stateIn says whether the argument or block of a name is set.
func (b *Block) stateIn(of parts, name string) state {
	v, ok := of(name)
	if !ok {
		return notSet
	}
	if n := b.Nested(name); n != nil {
		return n.stateOf(v)
	}
	return stateOf(v)
}

// check checks a block's value; path is the path of the enclosing block.
func (n *Nested) check(v cty.Value, s state, path []string) []Diagnostic {
	if s == notSet && !n.Required {
		return nil
	}
	path = at(path, n.Name)
	if s == notSet {
		return []Diagnostic{errorAt(path, "Missing block", "A block %q is required here.", n.Name)}
	}
	var ds []Diagnostic
	if n.Block.Deprecated != "" {
		ds = append(ds, Diagnostic{Severity: SeverityWarning, Summary: "Deprecated block", Detail: fmt.Sprintf("The block %q is deprecated: %s", n.Name, n.Block.Deprecated), Path: path})
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return ds
	}
	if n.Nesting == NestingSingle {
		return append(ds, n.Block.check(v, path)...)
	}
	if !v.CanIterateElements() {
		return append(ds, errorAt(path, "Wrong type", "A list of blocks is needed here."))
	}
	for i, e := range v.AsValueSlice() {
		ds = append(ds, n.Block.check(e, at(path, strconv.Itoa(i)))...)
	}
	return ds
}

func (b *Block) checkGroups(of parts, path []string) []Diagnostic {
	var ds []Diagnostic
	count := func(group []string) (sure, maybe []string) {
		for _, name := range group {
			switch b.stateIn(of, name) {
			case isSet:
				sure = append(sure, name)
			case maySet:
				maybe = append(maybe, name)
			}
		}
		return sure, maybe
	}
	for _, group := range b.ExactlyOne {
		sure, maybe := count(group)
		switch {
		case len(sure) > 1:
			ds = append(ds, errorAt(at(path, sure[1]), "Conflicting arguments", "Exactly one of %s may be set; %s are. Remove all but one.", quoted(group, "or"), quoted(sure, "and")))
		case len(sure)+len(maybe) == 0:
			ds = append(ds, errorAt(path, "Missing argument", "Exactly one of %s must be set, and none is.", quoted(group, "or")))
		}
	}
	for _, group := range b.AtMostOne {
		if sure, _ := count(group); len(sure) > 1 {
			ds = append(ds, errorAt(at(path, sure[1]), "Conflicting arguments", "At most one of %s may be set; %s are. Remove all but one.", quoted(group, "or"), quoted(sure, "and")))
		}
	}
	return ds
}

func quoted(names []string, last string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = strconv.Quote(n)
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return strings.Join(q[:len(q)-1], ", ") + " " + last + " " + q[len(q)-1]
}

// check checks an argument's value; path is the path of the enclosing block.
func (a *Attribute) check(v cty.Value, path []string) []Diagnostic {
	u, marks := v.Unmark()
	hide := a.Sensitive || len(marks) > 0
	if !u.IsKnown() {
		return nil
	}
	if u.IsNull() {
		if a.Required {
			return []Diagnostic{errorAt(at(path, a.Name), "Missing argument", "The argument %q is required.", a.Name)}
		}
		return nil
	}
	var ds []Diagnostic
	if a.Deprecated != "" && a.Default == "" {
		ds = append(ds, Diagnostic{Severity: SeverityWarning, Summary: "Deprecated argument", Detail: fmt.Sprintf("The argument %q is deprecated: %s", a.Name, a.Deprecated), Path: at(path, a.Name)})
	}
	if t := u.Type(); !t.Equals(a.Type.Type) && len(t.TestConformance(a.Type.Type)) > 0 {
		return append(ds, errorAt(at(path, a.Name), "Wrong type", "The argument %q is a %s, not a %s.", a.Name, a.Type.FriendlyName(), u.Type().FriendlyName()))
	}
	if t := a.Type.Type; !t.IsListType() && !t.IsMapType() {
		return append(ds, a.checkElement(u, hide, path, a.Name)...)
	}
	path = at(path, a.Name)
	if a.Type.IsListType() {
		for i, e := range u.AsValueSlice() {
			ds = append(ds, a.checkElement(e, hide, path, strconv.Itoa(i))...)
		}
		return ds
	}
	m := u.AsValueMap()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		ds = append(ds, a.checkElement(m[k], hide, path, k)...)
	}
	return ds
}

// checkElement checks one value: the argument's own, or the element at step
// below path.
func (a *Attribute) checkElement(v cty.Value, hide bool, path []string, step string) []Diagnostic {
	u, marks := v.Unmark()
	hide = hide || len(marks) > 0
	if !u.IsKnown() {
		return nil
	}
	if u.IsNull() {
		return []Diagnostic{errorAt(at(path, step), "Missing value", "An element of %q is null.", a.Name)}
	}
	bad := func(rule string, shown string) []Diagnostic {
		if hide {
			return []Diagnostic{errorAt(at(path, step), "Invalid value", "The argument %q %s; the value is not shown because it is sensitive.", a.Name, rule)}
		}
		return []Diagnostic{errorAt(at(path, step), "Invalid value", "The argument %q %s, not %s.", a.Name, rule, shown)}
	}
	switch u.Type() {
	case cty.String:
		s := u.AsString()
		if len(a.OneOf) > 0 && !slices.Contains(a.OneOf, s) {
			return bad("must be "+quoted(a.OneOf, "or"), strconv.Quote(s))
		}
		switch a.Format {
		case FormatDuration:
			d, err := ParseDuration(s)
			if err != nil {
				return bad("must be a duration with units, like \"90s\", \"2h30m\" or \"7d\"", strconv.Quote(s))
			}
			if rule := a.outside(d.Seconds()); rule != "" {
				return bad("must be "+rule, strconv.Quote(s))
			}
		case FormatSize:
			n, err := ParseSize(s)
			if err != nil {
				return bad("must be a size, like \"500MB\", \"2GiB\" or a number of bytes", strconv.Quote(s))
			}
			if rule := a.outside(float64(n)); rule != "" {
				return bad("must be "+rule, strconv.Quote(s))
			}
		case FormatPath, FormatFile, FormatCertificates:
			if s == "" || strings.ContainsRune(s, 0) {
				return bad("must be a path", strconv.Quote(s))
			}
		}
	case cty.Number:
		f := u.AsBigFloat()
		if a.Integer && !f.IsInt() {
			return bad("must be a whole number", f.Text('g', 10))
		}
		n, _ := f.Float64()
		if rule := a.outside(n); rule != "" {
			return bad("must be "+rule, f.Text('g', 10))
		}
	}
	return nil
}

// outside returns the rule that n breaks; empty: none.
func (a *Attribute) outside(n float64) string {
	low, high := a.Min != nil && n < *a.Min, a.Max != nil && n > *a.Max
	switch {
	case !low && !high:
		return ""
	case a.Min != nil && a.Max != nil:
		return "from " + a.boundText(*a.Min) + " to " + a.boundText(*a.Max)
	case low:
		return "at least " + a.boundText(*a.Min)
	}
	return "at most " + a.boundText(*a.Max)
}

func (a *Attribute) boundText(n float64) string {
	switch a.Format {
	case FormatDuration:
		return time.Duration(n * float64(time.Second)).String()
	case FormatSize:
		return strconv.FormatFloat(n, 'f', -1, 64) + " bytes"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
