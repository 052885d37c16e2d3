package schema

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// Decode fills a T from a value of its schema's type. The value must be wholly
// known and unmarked. Decode applies no defaults: [Block.ApplyDefaults] has done
// that. A null value becomes the zero value.
func Decode[T any](v cty.Value) (T, error) { return NewDecoder[T]().Decode(v) }

// DecodeKnown is [Decode] for a value whose parts may be unknown. Unknown parts
// become the zero value; [Known] tells them from parts that hold that value.
func DecodeKnown[T any](v cty.Value) (T, error) { return NewDecoder[T]().DecodeKnown(v) }

// Decoder does what [Decode] does, for many values. It reads the struct's tags
// only once. It may be used concurrently.
type Decoder[T any] struct{ fields []field }

// NewDecoder makes a decoder of configurations.
func NewDecoder[T any]() Decoder[T] { return Decoder[T]{fieldsOf(reflect.TypeFor[T]())} }

// Decode is [Decode].
func (d Decoder[T]) Decode(v cty.Value) (T, error) {
	if !v.ContainsMarked() && !v.IsWhollyKnown() {
		var out T
		return out, fmt.Errorf("the configuration holds values that are not known yet")
	}
	return d.DecodeKnown(v)
}

// DecodeKnown is [DecodeKnown].
func (d Decoder[T]) DecodeKnown(v cty.Value) (T, error) {
	var out T
	if err := decodeBlock(v, d.fields, reflect.ValueOf(&out).Elem()); err != nil {
		var none T
		if v.ContainsMarked() { // reported before any other error
			err = errMarked
		}
		return none, err
	}
	return out, nil
}

// errMarked is an error of the host: it must take marks off before it passes a value
// on.
var errMarked = errors.New("the configuration holds marked values")

// field is one tagged field of a configuration struct.
type field struct {
	index  int
	name   string // of the argument or block; empty for an embedded struct
	typ    reflect.Type
	block  bool
	format Format
	fields []field // of a block or of an embedded struct
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("dprun")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				fields = append(fields, field{index: i, typ: f.Type, fields: fieldsOf(f.Type)})
			}
			continue
		}
		name, options := splitTag(tag)
		made := field{index: i, name: name, typ: f.Type, block: options["block"], format: Format(f.Tag.Get("format"))}
		if made.block {
			inner := f.Type
			if inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			made.fields = fieldsOf(inner)
		}
		fields = append(fields, made)
	}
	return fields
}

// Known reports whether the value at a path (names of blocks, indexes from 0 in
// lists of blocks, then the argument) is wholly known. An absent value counts as
// known; a path that the type does not have counts as unknown.
func Known(v cty.Value, path ...string) bool {
	for _, step := range path {
		v, _ = v.Unmark()
		switch {
		case !v.IsKnown():
			return false
		case v.IsNull():
			return true
		}
		switch t := v.Type(); {
		case t.IsObjectType():
			if !t.HasAttribute(step) {
				return false
			}
			v = v.GetAttr(step)
		case t.IsListType() || t.IsTupleType():
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= v.LengthInt() {
				return false
			}
			v = v.Index(cty.NumberIntVal(int64(i)))
		case t.IsMapType():
			if !v.HasIndex(cty.StringVal(step)).True() {
				return true
			}
			v = v.Index(cty.StringVal(step))
		default:
			return false
		}
	}
	return v.IsWhollyKnown()
}

// decodeBlock fills out from v. It refuses marks, both in what it decodes and
// in other parts of the object.
func decodeBlock(v cty.Value, fields []field, out reflect.Value) error {
	if v.IsMarked() {
		return errMarked
	}
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	if !v.Type().IsObjectType() {
		return fmt.Errorf("a block is an object, not %s", v.Type().FriendlyName())
	}
	if countOf(fields) != len(v.Type().AttributeTypes()) && v.ContainsMarked() {
		return errMarked
	}
	return decodeFields(v, fields, out)
}

func decodeFields(v cty.Value, fields []field, out reflect.Value) error {
	for i := range fields {
		f := &fields[i]
		if f.name == "" {
			if err := decodeFields(v, f.fields, out.Field(f.index)); err != nil {
				return err
			}
			continue
		}
		if !has(v.Type(), f.name) {
			return fmt.Errorf("%q is missing in the value", f.name)
		}
		e := v.GetAttr(f.name)
		if e.IsMarked() || !f.block && !e.Type().IsPrimitiveType() && e.ContainsMarked() {
			return errMarked
		}
		if !e.IsKnown() || e.IsNull() && f.typ != valueType {
			continue
		}
		var err error
		if f.block {
			err = decodeNested(e, f.fields, out.Field(f.index))
		} else {
			err = decodeArgument(e, f.format, out.Field(f.index))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// countOf counts the arguments and blocks of the fields.
func countOf(fields []field) int {
	n := 0
	for i := range fields {
		if fields[i].name == "" {
			n += countOf(fields[i].fields)
		} else {
			n++
		}
	}
	return n
}

func decodeNested(v cty.Value, fields []field, out reflect.Value) error {
	switch out.Kind() {
	case reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		return decodeBlock(v, fields, out.Elem())
	case reflect.Slice:
		if !v.CanIterateElements() {
			return fmt.Errorf("not a list of blocks but %s", v.Type().FriendlyName())
		}
		for i, e := range v.AsValueSlice() {
			item := reflect.New(out.Type().Elem()).Elem()
			if err := decodeBlock(e, fields, item); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
			out.Set(reflect.Append(out, item))
		}
		return nil
	}
	return decodeBlock(v, fields, out)
}

// decodeArgument fills out from v. A null or unknown value leaves the zero value.
func decodeArgument(v cty.Value, format Format, out reflect.Value) error {
	if out.Type() == valueType {
		out.Set(reflect.ValueOf(v))
		return nil
	}
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	wrong := func() error { return fmt.Errorf("%s does not fit %s", v.Type().FriendlyName(), out.Type()) }
	switch kind := out.Kind(); {
	case kind == reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		return decodeArgument(v, format, out.Elem())
	case kind == reflect.Slice:
		if !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
			return wrong()
		}
		list := reflect.MakeSlice(out.Type(), v.LengthInt(), v.LengthInt())
		for i, e := range v.AsValueSlice() {
			if err := decodeArgument(e, format, list.Index(i)); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		out.Set(list)
		return nil
	case kind == reflect.Map:
		if !v.Type().IsMapType() && !v.Type().IsObjectType() {
			return wrong()
		}
		m := reflect.MakeMapWithSize(out.Type(), v.LengthInt())
		for k, e := range v.AsValueMap() {
			item := reflect.New(out.Type().Elem()).Elem()
			if err := decodeArgument(e, format, item); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			m.SetMapIndex(reflect.ValueOf(k).Convert(out.Type().Key()), item)
		}
		out.Set(m)
		return nil
	case out.Type() == durationType:
		if v.Type() != cty.String {
			return wrong()
		}
		d, err := ParseDuration(v.AsString())
		out.SetInt(int64(d))
		return err
	case format == FormatSize:
		if v.Type() != cty.String {
			return wrong()
		}
		n, err := ParseSize(v.AsString())
		out.SetInt(n)
		return err
	case kind == reflect.String && v.Type() == cty.String:
		out.SetString(v.AsString())
		return nil
	case kind == reflect.Bool && v.Type() == cty.Bool:
		out.SetBool(v.True())
		return nil
	case v.Type() == cty.Number && (kind == reflect.Int || kind == reflect.Int64):
		n, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return fmt.Errorf("%s is not a whole number that fits", v.AsBigFloat().Text('g', -1))
		}
		out.SetInt(n)
		return nil
	case v.Type() == cty.Number && kind == reflect.Float64:
		f, _ := v.AsBigFloat().Float64()
		out.SetFloat(f)
		return nil
	}
	return wrong()
}
