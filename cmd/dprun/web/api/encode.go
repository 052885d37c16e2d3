package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/sdk/schema"
)

// format reads and writes JSON.
var format = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		text, err := encode(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	},
	Unmarshal: func(text []byte, v any) error {
		d := json.NewDecoder(bytes.NewReader(text))
		if err := d.Decode(v); err != nil {
			return err
		}
		if d.More() {
			return fmt.Errorf("there is more after the JSON value")
		}
		return nil
	},
}

// encode returns the JSON of a reply. It escapes what a terminal would read as
// commands, because people look at replies with curl.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(filled(reflect.ValueOf(v)).Interface()); err != nil {
		return nil, err
	}
	return harmless(b.Bytes()), nil
}

func harmless(text []byte) []byte {
	if !bytes.ContainsFunc(text, steers) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		if steers(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

func steers(r rune) bool { return r != '\n' && schema.Steers(r) }

// filled returns a copy of a value in which empty lists and maps replace nil ones:
// readers never find null for either. It does not change the original, which others may
// hold.
func filled(in reflect.Value) reflect.Value {
	switch in.Kind() {
	case reflect.Pointer:
		if in.IsNil() || in.Elem().Kind() != reflect.Struct {
			return in
		}
		out := reflect.New(in.Type().Elem())
		out.Elem().Set(filled(in.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(in.Type()).Elem()
		out.Set(in)
		for i := range in.NumField() {
			if f := out.Field(i); f.CanSet() {
				f.Set(filled(in.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if in.Type().Elem().Kind() == reflect.Uint8 {
			return in
		}
		out := reflect.MakeSlice(in.Type(), in.Len(), in.Len())
		for i := range in.Len() {
			out.Index(i).Set(filled(in.Index(i)))
		}
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(in.Type(), in.Len())
		for k, v := range in.Seq2() {
			out.SetMapIndex(k, filled(v))
		}
		return out
	}
	return in
}

func quoted(name string) string { return strconv.Quote(name) }
