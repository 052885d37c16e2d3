package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/secret"
)

type reader map[string]string

func (r reader) ReadSecret(ref secret.Ref) (string, error) {
	v, ok := r[ref.Args[0]]
	if !ok {
		return "", errors.New("not set")
	}
	return v, nil
}

func TestMarksNeverShowTheValue(t *testing.T) {
	t.Parallel()
	s := secret.NewStore(reader{"PW": "hush"})
	v, err := s.Value(secret.Ref{Kind: secret.KindEnv, Args: []string{"PW"}})
	if err != nil {
		t.Fatal(err)
	}
	for mark := range v.Marks() {
		b, err := json.Marshal(mark)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{fmt.Sprintf("%v", mark), fmt.Sprintf("%+v", mark), fmt.Sprintf("%#v", mark), string(b)} {
			if strings.Contains(text, "hush") {
				t.Error(text)
			}
		}
	}
	if diff := cmp.Diff([]string{"hush"}, s.Plain()); diff != "" {
		t.Error(diff)
	}
}

func TestSealKeepsOnlyWhatCanComeBack(t *testing.T) {
	t.Parallel()
	s := secret.NewStore(reader{"PW": "hush", "TWO": "hush"})
	env := func(name string) cty.Value {
		v, err := s.Value(secret.Ref{Kind: secret.KindEnv, Args: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	given := s.Variable("v", cty.StringVal("x"))
	composed := cty.StringVal("a-hush").WithMarks(env("PW").Marks())
	for name, c := range map[string]struct {
		v  cty.Value
		ok bool
	}{
		"no secret":       {cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1)}), true},
		"nested in lists": {cty.ObjectVal(map[string]cty.Value{"a": cty.ListVal([]cty.Value{env("PW"), cty.StringVal("y")}), "m": cty.MapVal(map[string]cty.Value{"k": env("TWO")})}), true},
		"composed":        {cty.ObjectVal(map[string]cty.Value{"a": composed}), false},
		"by value":        {cty.ObjectVal(map[string]cty.Value{"a": given}), false},
		"two marks":       {cty.ObjectVal(map[string]cty.Value{"a": env("PW").WithMarks(env("TWO").Marks())}), false},
		"marked object":   {cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("z")}).WithMarks(env("PW").Marks()), false},
	} {
		b, ok := secret.Seal(c.v)
		if ok != c.ok || strings.Contains(string(b), "hush") {
			t.Errorf("%s: %s %v", name, b, ok)
		}
		if !ok {
			continue
		}
		back, err := secret.Unseal(b, c.v.Type(), reader{"PW": "hush", "TWO": "hush"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		plain, at := secret.Reveal(back)
		want, wantAt := secret.Reveal(c.v)
		if !plain.RawEquals(want) || len(at) != len(wantAt) {
			t.Errorf("%s: %#v %v", name, plain, at)
		}
	}
}

func TestEverySecretThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	_, err := secret.Unseal([]byte(`{"a":{"$secret":{"kind":"env","args":["A"]}},"b":{"$secret":{"kind":"file","args":["/b"]}}}`),
		cty.Object(map[string]cty.Type{"a": cty.String, "b": cty.String}), reader{})
	if err == nil || !strings.Contains(err.Error(), `secret_env("A")`) || !strings.Contains(err.Error(), `secret_file("/b")`) {
		t.Error(err)
	}
}
