package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Constraints are rules over several arguments of one block. A configuration
// struct states them with a method
//
//	func (Config) SchemaConstraints() schema.Constraints
type Constraints struct {
	ExactlyOne [][]string // see [Block]
	AtMostOne  [][]string // see [Block]
}

type constrained interface{ SchemaConstraints() Constraints }

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[cty.Value]()
)

// IsName reports whether s can be the name of a plugin or an argument: lower
// case letters, digits and underscores, beginning with a letter.
func IsName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return s != ""
}

// Of derives the schema of a configuration struct T.
//
// A field takes part when it has a dprun tag: `dprun:"name,options"` with the
// options required, sensitive and block. Beside it stand
//
//	doc:"…"         what the argument means
//	default:"…"     as a plan would write it; lists and maps as JSON
//	oneof:"a|b"     the allowed values
//	format:"…"      duration, size, port or path
//	min:"…" max:"…" inclusive bounds, written in the format's own way
//	deprecated:"…"  what to use instead
//
// Fields are string, bool, int, int64, float64, time.Duration (format
// duration), a pointer to one of these (nil: not set), a slice or a map with
// string keys of them, or cty.Value (anything). With the option block they
// are a struct or pointer to struct (one block) or a slice of structs (any
// number). Embedded structs without a tag are read as if their fields stood
// in the outer one.
func Of[T any]() (Block, error) {
	return blockOf(reflect.TypeFor[T]())
}

// MustOf is [Of] for structs that are part of the program. It panics if no
// schema can be made from the struct.
func MustOf[T any]() Block {
	b, err := Of[T]()
	if err != nil {
		panic(fmt.Sprintf("schema of %s: %v", reflect.TypeFor[T](), err))
	}
	return b
}

func blockOf(t reflect.Type) (Block, error) {
	var b Block
	if t.Kind() != reflect.Struct {
		return b, fmt.Errorf("%s is not a struct", t)
	}
	if err := b.addFields(t); err != nil {
		return b, err
	}
	if c, ok := reflect.New(t).Interface().(constrained); ok {
		k := c.SchemaConstraints()
		b.ExactlyOne, b.AtMostOne = k.ExactlyOne, k.AtMostOne
	}
	for _, group := range append(append([][]string(nil), b.ExactlyOne...), b.AtMostOne...) {
		for _, name := range group {
			a := b.Attribute(name)
			switch {
			case a == nil && b.Nested(name) == nil:
				return b, fmt.Errorf("a constraint names %q, which is neither an argument nor a block", name)
			case a != nil && (a.Required || a.Default != ""):
				return b, fmt.Errorf("argument %q of a constraint is always set", name)
			}
		}
	}
	return b, nil
}

func (b *Block) addFields(t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("dprun")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				if err := b.addFields(f.Type); err != nil {
					return err
				}
			}
			continue
		}
		if !f.IsExported() {
			return fmt.Errorf("field %s is not exported", f.Name)
		}
		name, options := splitTag(tag)
		if !IsName(name) {
			return fmt.Errorf("field %s: %q is not a name of lower case letters, digits and underscores", f.Name, name)
		}
		if b.Attribute(name) != nil || b.Nested(name) != nil {
			return fmt.Errorf("field %s: %q stands twice", f.Name, name)
		}
		var err error
		if options["block"] {
			err = b.addBlock(name, options, f)
		} else {
			err = b.addAttribute(name, options, f)
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		for o := range options {
			if o != "block" && o != "required" && o != "sensitive" {
				return fmt.Errorf("field %s: unknown option %q", f.Name, o)
			}
		}
	}
	return nil
}

func splitTag(tag string) (name string, options map[string]bool) {
	parts := strings.Split(tag, ",")
	options = make(map[string]bool, len(parts))
	for _, p := range parts[1:] {
		options[strings.TrimSpace(p)] = true
	}
	return parts[0], options
}

func (b *Block) addBlock(name string, options map[string]bool, f reflect.StructField) error {
	n := Nested{Name: name, Nesting: NestingSingle, Required: options["required"]}
	t := f.Type
	switch t.Kind() {
	case reflect.Slice:
		n.Nesting = NestingList
		t = t.Elem()
	case reflect.Pointer:
		t = t.Elem()
	}
	inner, err := blockOf(t)
	if err != nil {
		return err
	}
	inner.Doc = f.Tag.Get("doc")
	inner.Deprecated = f.Tag.Get("deprecated")
	n.Block = inner
	b.Blocks = append(b.Blocks, n)
	return nil
}

func (b *Block) addAttribute(name string, options map[string]bool, f reflect.StructField) error {
	a := Attribute{
		Name: name, Doc: f.Tag.Get("doc"), Required: options["required"], Default: f.Tag.Get("default"),
		Sensitive: options["sensitive"], Deprecated: f.Tag.Get("deprecated"), Format: Format(f.Tag.Get("format")),
	}
	if s, ok := f.Tag.Lookup("oneof"); ok {
		a.OneOf = strings.Split(s, "|")
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		if t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Struct {
			return fmt.Errorf("a pointer to %s is not an argument", t)
		}
	}
	if t == durationType && a.Format == FormatNone {
		a.Format = FormatDuration
	}
	typ, err := typeOf(t, a.Format)
	if err != nil {
		return err
	}
	a.Type = Type{typ}
	leaf := t
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		leaf = t.Elem()
	}
	a.Integer = (leaf.Kind() == reflect.Int || leaf.Kind() == reflect.Int64) && a.elementType() == cty.Number
	if err := a.checkFormat(leaf); err != nil {
		return err
	}
	if a.Min, err = a.bound(f.Tag.Get("min")); err != nil {
		return err
	}
	if a.Max, err = a.bound(f.Tag.Get("max")); err != nil {
		return err
	}
	if a.Format == FormatPort {
		if a.Min == nil {
			a.Min = new(1.0)
		}
		if a.Max == nil {
			a.Max = new(65535.0)
		}
	}
	if a.Default != "" {
		if a.Required {
			return fmt.Errorf("required, and has a default")
		}
		v, err := a.defaultValue()
		if err != nil {
			return err
		}
		if ds := a.check(v, nil); len(ds) > 0 {
			return fmt.Errorf("default %q: %s", a.Default, ds[0].Detail)
		}
	}
	b.Attributes = append(b.Attributes, a)
	return nil
}

func typeOf(t reflect.Type, format Format) (cty.Type, error) {
	if t == valueType {
		return cty.DynamicPseudoType, nil
	}
	if format == FormatDuration && t == durationType || format == FormatSize && t.Kind() == reflect.Int64 {
		return cty.String, nil
	}
	switch t.Kind() {
	case reflect.String:
		return cty.String, nil
	case reflect.Bool:
		return cty.Bool, nil
	case reflect.Int, reflect.Int64, reflect.Float64:
		if t == durationType {
			break
		}
		return cty.Number, nil
	case reflect.Slice:
		e, err := typeOf(t.Elem(), format)
		return cty.List(e), err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			break
		}
		e, err := typeOf(t.Elem(), format)
		return cty.Map(e), err
	}
	return cty.NilType, fmt.Errorf("%s is not a type of argument", t)
}

// elementType returns the type to which format, one_of and bounds apply: the
// argument's own, or that of its elements.
func (a Attribute) elementType() cty.Type {
	if t := a.Type.Type; t.IsListType() || t.IsMapType() {
		return t.ElementType()
	}
	return a.Type.Type
}

func (a Attribute) checkFormat(leaf reflect.Type) error {
	ok := true
	switch a.Format {
	case FormatNone:
	case FormatDuration:
		ok = leaf == durationType
	case FormatSize:
		ok = leaf.Kind() == reflect.Int64
	case FormatPort:
		ok = leaf.Kind() == reflect.Int || leaf.Kind() == reflect.Int64
	case FormatPath, FormatFile, FormatCertificates:
		ok = leaf.Kind() == reflect.String
	case FormatProgram:
		ok = a.Type.Equals(cty.List(cty.String))
	default:
		return fmt.Errorf("unknown format %q", a.Format)
	}
	if !ok {
		return fmt.Errorf("format %q does not fit %s", a.Format, leaf)
	}
	if a.OneOf != nil && a.elementType() != cty.String {
		return fmt.Errorf("oneof on %s", leaf)
	}
	return nil
}

func (a Attribute) bound(s string) (*float64, error) {
	if s == "" {
		return nil, nil
	}
	switch a.Format {
	case FormatDuration:
		d, err := ParseDuration(s)
		return new(d.Seconds()), err
	case FormatSize:
		n, err := ParseSize(s)
		return new(float64(n)), err
	}
	if a.elementType() != cty.Number {
		return nil, fmt.Errorf("a bound on %s", a.Type.FriendlyName())
	}
	n, err := strconv.ParseFloat(s, 64)
	return &n, err
}

// defaultValue returns the default as a value of the argument's type.
func (a Attribute) defaultValue() (cty.Value, error) {
	if a.Default == "" {
		return cty.NullVal(a.Type.Type), nil
	}
	var v cty.Value
	var err error
	if a.Type.IsPrimitiveType() {
		v, err = convert.Convert(cty.StringVal(a.Default), a.Type.Type)
	} else {
		v, err = ctyjson.Unmarshal([]byte(a.Default), a.Type.Type)
	}
	if err != nil {
		return cty.NilVal, fmt.Errorf("default %q of argument %q: %w", a.Default, a.Name, err)
	}
	return v, nil
}
