package schema

import (
	"fmt"
	"math/big"
	"reflect"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// Decode fills a T from a wholly known, unmarked value of its schema's type.
// It applies no defaults: [Block.ApplyDefaults] has done that. What is null
// becomes the zero value.
func Decode[T any](v cty.Value) (T, error) {
	var out T
	if v.ContainsMarked() {
		return out, fmt.Errorf("the configuration holds marked values")
	}
	if !v.IsWhollyKnown() {
		return out, fmt.Errorf("the configuration holds values that are not known yet")
	}
	return out, decodeBlock(v, reflect.ValueOf(&out).Elem())
}

// DecodeKnown is [Decode] for a value whose parts may be unknown; these
// become the zero value. [Known] tells them from what was written so.
func DecodeKnown[T any](v cty.Value) (T, error) {
	var out T
	if v.ContainsMarked() {
		return out, fmt.Errorf("the configuration holds marked values")
	}
	return out, decodeBlock(v, reflect.ValueOf(&out).Elem())
}

// Known reports whether the value at a path (names of blocks, indexes from 0
// in lists of blocks, then the argument) is wholly known. What is absent is
// known to be absent; a path that the type does not have is not known.
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

func decodeBlock(v cty.Value, out reflect.Value) error {
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	if !v.Type().IsObjectType() {
		return fmt.Errorf("a block is an object, not %s", v.Type().FriendlyName())
	}
	t := out.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("dprun")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				if err := decodeBlock(v, out.Field(i)); err != nil {
					return err
				}
			}
			continue
		}
		name, options := splitTag(tag)
		if !v.Type().HasAttribute(name) {
			return fmt.Errorf("%q is missing in the value", name)
		}
		e := v.GetAttr(name)
		if !e.IsKnown() || e.IsNull() && f.Type != valueType {
			continue
		}
		var err error
		if options["block"] {
			err = decodeNested(e, out.Field(i))
		} else {
			err = decodeArgument(e, Format(f.Tag.Get("format")), out.Field(i))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func decodeNested(v cty.Value, out reflect.Value) error {
	switch out.Kind() {
	case reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		return decodeBlock(v, out.Elem())
	case reflect.Slice:
		if !v.CanIterateElements() {
			return fmt.Errorf("not a list of blocks but %s", v.Type().FriendlyName())
		}
		for i, e := range v.AsValueSlice() {
			item := reflect.New(out.Type().Elem()).Elem()
			if err := decodeBlock(e, item); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
			out.Set(reflect.Append(out, item))
		}
		return nil
	}
	return decodeBlock(v, out)
}

// decodeArgument fills out from v; what is null or unknown leaves the zero value.
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
