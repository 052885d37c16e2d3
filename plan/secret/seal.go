package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// At is a secret and its place inside a value.
type At struct {
	Path cty.Path
	Ref  Ref
}

// Reveal removes every mark and lists the secrets with their places. It must be
// used only where a value goes to a plugin.
func Reveal(v cty.Value) (plain cty.Value, refs []At) {
	if v == cty.NilVal {
		return v, nil
	}
	plain, marked := v.UnmarkDeepWithPaths()
	for _, m := range marked {
		for mark := range m.Marks {
			if s, ok := mark.(*Mark); ok {
				refs = append(refs, At{Path: m.Path, Ref: s.Ref})
			}
		}
	}
	slices.SortFunc(refs, func(a, b At) int {
		return strings.Compare(pathText(a.Path)+a.Ref.key(), pathText(b.Path)+b.Ref.key())
	})
	return plain, refs
}

func pathText(p cty.Path) string { return fmt.Sprintf("%#v", p) }

// placeholder replaces a secret while the value is turned into JSON. It holds a
// NUL, which no HCL string can hold.
const placeholder = "\x00secret:"

// Seal returns the JSON form of a value in which each secret string is replaced
// by its reference as {"$secret": …}. ok is false if the references would not
// bring the value back: a secret is a variable's value, is not known, or was
// changed by an expression.
func Seal(v cty.Value) (sealed []byte, ok bool) {
	plain, marked := v.UnmarkDeepWithPaths()
	refs := map[string]Ref{}
	for _, m := range marked {
		ref, whole := wholeSecret(plain, m)
		if !whole {
			return nil, false
		}
		refs[fmt.Sprintf("%s%d", placeholder, len(refs))] = ref
		name := fmt.Sprintf("%s%d", placeholder, len(refs)-1)
		var err error
		plain, err = cty.Transform(plain, func(p cty.Path, e cty.Value) (cty.Value, error) {
			if p.Equals(m.Path) {
				return cty.StringVal(name), nil
			}
			return e, nil
		})
		if err != nil {
			return nil, false
		}
	}
	if !plain.IsWhollyKnown() {
		return nil, false
	}
	b, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return nil, false
	}
	if len(refs) == 0 {
		return b, true
	}
	tree, err := decodeTree(b)
	if err != nil {
		return nil, false
	}
	tree = mapTree(tree, func(x any) any {
		if s, isText := x.(string); isText {
			if ref, found := refs[s]; found {
				return map[string]any{"$secret": ref}
			}
		}
		return x
	})
	b, err = json.Marshal(tree)
	return b, err == nil
}

func wholeSecret(plain cty.Value, m cty.PathValueMarks) (Ref, bool) {
	if len(m.Marks) != 1 {
		return Ref{}, false
	}
	for mark := range m.Marks {
		s, isSecret := mark.(*Mark)
		if !isSecret || !s.Ref.Readable() || !s.plain.IsKnown() {
			return Ref{}, false
		}
		leaf, err := m.Path.Apply(plain)
		if err != nil || !leaf.IsKnown() || leaf.Type() != cty.String || !leaf.RawEquals(s.plain) {
			return Ref{}, false
		}
		return s.Ref, true
	}
	return Ref{}, false
}

// Unseal undoes [Seal]: it reads each secret again and marks it. Its error
// names the references that could not be read.
func Unseal(sealed []byte, ty cty.Type, r Reader) (cty.Value, error) {
	tree, err := decodeTree(sealed)
	if err != nil {
		return cty.NilVal, fmt.Errorf("read a stored configuration: %w", err)
	}
	store := NewStore(r)
	values := map[string]cty.Value{}
	var errs []error
	tree = mapTree(tree, func(x any) any {
		object, isObject := x.(map[string]any)
		if !isObject || len(object) != 1 || object["$secret"] == nil {
			return x
		}
		b, err := json.Marshal(object["$secret"])
		if err != nil {
			return x
		}
		var ref Ref
		if err := json.Unmarshal(b, &ref); err != nil {
			return x
		}
		v, err := store.Value(ref)
		if err != nil {
			errs = append(errs, err)
			return ""
		}
		name := fmt.Sprintf("%s%d", placeholder, len(values))
		values[name] = v
		return name
	})
	if len(errs) > 0 {
		return cty.NilVal, errors.Join(errs...)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return cty.NilVal, fmt.Errorf("read a stored configuration: %w", err)
	}
	v, err := ctyjson.Unmarshal(b, ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("read a stored configuration: %w", err)
	}
	return cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
		if e.Type() == cty.String && e.IsKnown() && !e.IsNull() {
			if s, found := values[e.AsString()]; found {
				return s, nil
			}
		}
		return e, nil
	})
}

func decodeTree(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var tree any
	err := d.Decode(&tree)
	return tree, err
}

// mapTree rebuilds a JSON tree, parents before children.
func mapTree(x any, f func(any) any) any {
	switch x := f(x).(type) {
	case map[string]any:
		if _, isRef := x["$secret"].(Ref); isRef {
			return x
		}
		for k, e := range x {
			x[k] = mapTree(e, f)
		}
		return x
	case []any:
		for i, e := range x {
			x[i] = mapTree(e, f)
		}
		return x
	default:
		return x
	}
}
