// Package inventory reads lists of devices that are kept outside the plan: CSV,
// JSON or YAML files with one record for each device. Every record is checked
// against a type.
package inventory

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dprun/dprun/plan/diag"
)

// Type is the type that every record must have: an object type whose optional
// attributes may have defaults.
type Type struct {
	Type     cty.Type
	Defaults *typeexpr.Defaults
}

// Error is one error in an inventory file.
type Error struct {
	File   string
	Line   int    // from 1; 0: the place is not known
	Column string // name of the column or attribute; empty: the whole record
	Range  *diag.Range
	Rule   string // what is wrong and what is right, in full sentences
}

// Error implements error.
func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(":%d", e.Line)
	}
	if e.Column != "" {
		where += ", column " + e.Column
	}
	return where + ": " + e.Rule
}

// Errors are all errors in one file.
type Errors []*Error

// Error implements error.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i := range e {
		texts[i] = e[i].Error()
	}
	return strings.Join(texts, "\n")
}

// record is one device as it is written, with its cells in the file's order.
type record struct {
	line  int
	cells []cell
}

// cell is one value of a record. Its place within the line is known only in
// CSV.
type cell struct {
	name   string
	value  cty.Value
	line   int
	column int // from 1; 0: not known
	length int
}

// cell returns the cell with a name.
func (rec *record) cell(name string) (cell, bool) {
	for i := range rec.cells {
		if rec.cells[i].name == name {
			return rec.cells[i], true
		}
	}
	return cell{}, false
}

// maxErrors bounds the errors reported for one file: the hundredth error in one
// column says nothing new.
const maxErrors = 100

// Read returns the records of a file as a map by the value of the key column.
// The ending of name decides the format; src is the content. Its error is an
// Errors. An empty cell is null, so that defaults apply.
func Read(name string, src []byte, key string, ty Type) (cty.Value, error) {
	if !ty.Type.IsObjectType() {
		return cty.NilVal, Errors{{File: name, Rule: "The type of an inventory is an object type, such as object({ host = string })."}}
	}
	if at, is := NotUTF8(src); is {
		return cty.NilVal, Errors{{File: name, Line: at.Line, Range: &diag.Range{Filename: name, Start: at, End: diag.Pos{Line: at.Line, Column: at.Column + 1, Byte: at.Byte + 1}}, Rule: NotUTF8Rule}}
	}
	r := newReader(name, src, key, ty)
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		r.readCSV()
	case ".json":
		r.readJSON()
	case ".yaml", ".yml":
		r.readYAML()
	default:
		r.wrong(0, "", nil, "An inventory ends in .csv, .json, .yaml or .yml.")
	}
	if len(r.errs) > 0 {
		return cty.NilVal, r.errs
	}
	if len(r.result) == 0 {
		return cty.MapValEmpty(ty.Type.WithoutOptionalAttributesDeep()), nil
	}
	return cty.MapVal(r.result), nil
}

// NotUTF8Rule explains the error that [NotUTF8] finds.
const NotUTF8Rule = "This byte is not UTF-8, so the text cannot be read. Save the file as UTF-8, without changing it otherwise."

// NotUTF8 returns the place of the first byte that is not UTF-8, if there is
// one.
func NotUTF8(src []byte) (at diag.Pos, is bool) {
	if utf8.Valid(src) {
		return at, false
	}
	src = WithoutMark(src)
	at = diag.Pos{Line: 1, Column: 1}
	for at.Byte < len(src) {
		c, n := utf8.DecodeRune(src[at.Byte:])
		if c == utf8.RuneError && n <= 1 {
			break
		}
		at.Byte += n
		if at.Column++; c == '\n' {
			at.Line, at.Column = at.Line+1, 1
		}
	}
	return at, true
}

// WithoutMark removes the byte order mark with which some editors begin a text.
func WithoutMark(src []byte) []byte { return bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")) }

type reader struct {
	file   string
	src    []byte
	key    string
	ty     Type
	first  map[string]int // the line of each key
	result map[string]cty.Value
	errs   Errors
	visit  func(record) // if not nil, it gets every record instead of the result

	// These are derived from ty once, because finding them for each record
	// would take time.
	types    map[string]cty.Type
	required []string             // sorted
	made     cty.Type             // the type of a complete record
	missing  map[string]cty.Value // values of missing attributes; nil: use [typeexpr.Defaults]
}

func newReader(name string, src []byte, key string, ty Type) *reader {
	r := &reader{
		file: name, src: WithoutMark(src), key: key, ty: ty, first: map[string]int{}, result: map[string]cty.Value{},
		types: ty.Type.AttributeTypes(), made: ty.Type.WithoutOptionalAttributesDeep(),
	}
	flat := ty.Defaults == nil || len(ty.Defaults.Children) == 0
	for _, attr := range slices.Sorted(mapKeys(r.types)) {
		if !ty.Type.AttributeOptional(attr) {
			r.required = append(r.required, attr)
		}
		flat = flat && r.types[attr].IsPrimitiveType()
	}
	if !flat {
		return r
	}
	r.missing = make(map[string]cty.Value, len(r.types))
	for attr, aty := range r.types {
		r.missing[attr] = cty.NullVal(aty)
		if ty.Defaults != nil {
			if v, ok := ty.Defaults.DefaultValues[attr]; ok {
				r.missing[attr] = v
			}
		}
	}
	return r
}

func (r *reader) wrong(line int, column string, rng *diag.Range, format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, &Error{File: r.file, Line: line, Column: column, Range: rng, Rule: fmt.Sprintf(format, args...)})
	}
}

// add checks one record and adds it to the result.
func (r *reader) add(rec record) {
	if r.visit != nil {
		r.visit(rec)
		return
	}
	obj := make(map[string]cty.Value, len(r.types))
	bad := false
	for _, c := range rec.cells {
		aty, known := r.types[c.name]
		if !known {
			continue // the key, or a column that the type does not have
		}
		v, err := convert.Convert(c.value, aty)
		if err != nil {
			bad = true
			r.wrong(c.line, c.name, r.cellRange(c), "This is not %s: %s.", article(typeexpr.TypeString(aty.WithoutOptionalAttributesDeep())), err)
			continue
		}
		obj[c.name] = v
	}
	key, line := r.keyOf(rec)
	if bad || line == 0 {
		return
	}
	for _, name := range r.required {
		if v, set := obj[name]; !set || v.IsNull() {
			c, _ := rec.cell(name)
			r.wrong(rec.line, name, r.cellRange(c), "The value is missing; the inventory's type does not call %q optional.", name)
			bad = true
		}
	}
	if bad {
		return
	}
	if before, twice := r.first[key]; twice {
		c, _ := rec.cell(r.key)
		r.wrong(line, r.key, r.cellRange(c), "The key %q is in line %d already; keys are unique.", key, before)
		return
	}
	r.first[key] = line
	v, err := r.complete(obj)
	if err != nil {
		r.wrong(rec.line, "", nil, "The record does not fit the type: %s.", err)
		return
	}
	r.result[key] = v
}

// complete makes an object of the type from a record's values.
func (r *reader) complete(obj map[string]cty.Value) (cty.Value, error) {
	if r.missing != nil {
		for name, instead := range r.missing {
			if v, set := obj[name]; !set || v.IsNull() {
				obj[name] = instead
			}
		}
		if v := cty.ObjectVal(obj); v.Type().Equals(r.made) {
			return v, nil
		}
	}
	// Nulls are left out, so that defaults apply.
	for name, v := range obj {
		if v.IsNull() {
			delete(obj, name)
		}
	}
	v := cty.ObjectVal(obj)
	if r.ty.Defaults != nil {
		v = r.ty.Defaults.Apply(v)
	}
	return convert.Convert(v, r.ty.Type)
}

func (r *reader) keyOf(rec record) (string, int) {
	c, there := rec.cell(r.key)
	if !there {
		r.wrong(rec.line, r.key, nil, "The record has no %q, which is the inventory's key.", r.key)
		return "", 0
	}
	v, err := convert.Convert(c.value, cty.String)
	if err != nil || v.IsNull() || !v.IsKnown() || v.AsString() == "" {
		r.wrong(c.line, r.key, r.cellRange(c), "The key is empty or not a text; every record needs one of its own.")
		return "", 0
	}
	return v.AsString(), c.line
}

// misspelt returns the attribute that a column was probably meant to be.
// Columns that the type does not have are ignored, unless one resembles an
// attribute that is missing: otherwise that attribute would silently get its
// default.
func misspelt[V any](r *reader, name string, present map[string]V) string {
	if name == r.key || r.ty.Type.HasAttribute(name) {
		return ""
	}
	var absent []string
	for a := range r.ty.Type.AttributeTypes() {
		if _, there := present[a]; !there {
			absent = append(absent, a)
		}
	}
	return diag.Suggest(name, absent)
}

func article(s string) string {
	if strings.ContainsAny(s[:1], "aeiou") {
		return "an " + s
	}
	return "a " + s
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
