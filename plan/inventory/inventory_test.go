package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan/inventory"
	"github.com/dprun/dprun/testfixtures/need"
)

func typeOf(t testing.TB, text string) inventory.Type {
	t.Helper()
	expr, ds := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	ty, defaults, ds := typeexpr.TypeConstraintWithDefaults(expr)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	return inventory.Type{Type: ty, Defaults: defaults}
}

const device = `object({ host = string, port = optional(number, 5550), site = optional(string), up = optional(bool, true) })`

func TestFormatsSayTheSame(t *testing.T) {
	t.Parallel()
	const want = `{"a":{"host":"h1","port":5550,"site":"fra","up":true},"b":{"host":"h2","port":5551,"site":null,"up":false}}`
	for name, text := range map[string]string{
		"x.csv":      "name,host,port,site,up,note\na,h1,,fra,,first\nb, h2 ,5551,,false,\n",
		"quoted.csv": "\xef\xbb\xbfname,host,port,site,up\r\n\"a\",\"h1\",,fra,\r\nb,h2,5551,,false\r\n",
		"list.json":  `[{"name":"a","host":"h1","site":"fra"},{"name":"b","host":"h2","port":5551,"site":"","up":false}]`,
		"map.json":   `{"a":{"host":"h1","site":"fra"},"b":{"host":"h2","port":"5551","up":false}}`,
		"list.yaml":  "- name: a\n  host: h1\n  site: fra\n- {name: b, host: h2, port: 5551, up: false, site: null}\n",
		"map.yml":    "a:\n  host: h1\n  site: fra\nb:\n  host: h2\n  port: 5551\n  up: false\n",
	} {
		v, err := inventory.Read(name, []byte(text), "name", typeOf(t, device))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b := need.Value(ctyjson.Marshal(v, v.Type()))(t)
		if diff := cmp.Diff(want, string(b)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestErrorsNameLineAndColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"g.csv", "name,host,port\na,h,1\n\nb,h,many\n", "g.csv:4, column port: This is not a number"},
		{"g.csv", "name,host\na,\n", "g.csv:2, column host: The value is missing"},
		{"g.csv", "name,host\na,h\na,h\n", `g.csv:3, column name: The key "a" is in line 2 already`},
		{"g.csv", "name,host\n,h\n", "g.csv:2, column name: The key is empty"},
		{"g.csv", "host\nh\n", `g.csv:1, column name: There is no column "name", which is the inventory's key; there are host.`},
		{"g.csv", "name;host\na;h\n", `g.csv:1: The columns are separated by semicolons, but CSV needs commas. Save the file with commas.`},
		{"g.csv", "name\thost\na\th\n", `g.csv:1: The columns are separated by tabs`},
		{"g.csv", "name,host,prot\na,h,1\n", `g.csv:1, column prot: The inventory's type has no attribute "prot". Did you mean "port"?`},
		{"g.csv", "name,host\na,h,x\n", "g.csv:2: The line has 3 cells and the header has 2."},
		{"g.csv", "name,host\na,\"h\n", "g.csv:2: This is not CSV"},
		{"g.csv", "", "g.csv:1: The file is empty"},
		{"g.json", "[\n{\"name\":\"a\",\"host\":[]}]", "g.json:2, column host: This is not a string"},
		{"g.json", "[\n{\"name\":\"a\",", "This is not JSON"},
		{"g.json", "[] []", "Something follows the end"},
		{"g.json", "5", "An inventory is a list of objects"},
		{"g.yaml", "- name: a\n  host: h\n  port: [1]\n", "g.yaml:3, column port: This is not a number"},
		{"g.yaml", "5", "An inventory is a list of objects"},
		{"g.toml", "", "An inventory ends in .csv"},
	} {
		_, err := inventory.Read(c.name, []byte(c.text), "name", typeOf(t, device))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %s", c.name, c.text, err, c.want)
		}
	}
}

func TestWrongHeadersAreFoundInTheirColumn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name,host, prot\n": "g.csv:1,12-16", "name,host,host\n": "g.csv:1,11-15", "note,host\n": "g.csv:1,1-10", "a;b\n": "g.csv:1,1-4",
	} {
		_, err := inventory.Read("g.csv", []byte(text), "name", typeOf(t, device))
		var all inventory.Errors
		if !errors.As(err, &all) || len(all) != 1 || all[0].Range == nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := fmt.Sprintf("%s-%d", all[0].Range, all[0].Range.End.Column); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestDefaultsApplyAtEveryDepth(t *testing.T) {
	t.Parallel()
	const nested = `object({ host = optional(string, "h"), port = optional(number), tags = optional(list(string), ["x"]), tls = optional(object({ ca = optional(string, "ca.pem"), on = bool })) })`
	v, err := inventory.Read("x.json", []byte(`{"a":{"port":"1","tls":{"on":"true"}},"b":{"host":null,"tags":[1],"tls":null}}`), "name", typeOf(t, nested))
	if err != nil {
		t.Fatal(err)
	}
	b := need.Value(ctyjson.Marshal(v, v.Type()))(t)
	const want = `{"a":{"host":"h","port":1,"tags":["x"],"tls":{"ca":"ca.pem","on":true}},"b":{"host":"h","port":null,"tags":["1"],"tls":null}}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

func TestWrongCellsAreFoundInTheirLine(t *testing.T) {
	t.Parallel()
	text := "remarks,name,host,port\n"
	for i := range 50 {
		text += fmt.Sprintf("x,d%d,h,%d\n", i, 5000+i)
	}
	text += "x,bad,h,  many\nx,d7,h,1\nx,none,,2\n"
	_, err := inventory.Read("g.csv", []byte(text), "name", typeOf(t, device))
	var all inventory.Errors
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%s-%d %s", e.Range, e.Range.End.Column, e.Column))
	}
	if diff := cmp.Diff([]string{"g.csv:52,11-15 port", "g.csv:53,3-5 name", "g.csv:54,8-9 host"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAValueIsFoundInItsFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"g.csv":  {"name,host,port\na,h,1\n\n b ,h,  7\n", "g.csv:4,9"},
		"g.json": {"[{\"name\":\"a\"},\n{\"name\":\"b\",\"port\":7}]", "g.json:2,1"},
		"m.json": {"{\"a\":{},\n\"b\":{\"port\":7}}", "m.json:2,1"},
		"g.yaml": {"- name: a\n- name: b\n  host: h\n  port: 7\n", "g.yaml:4,1"},
		"m.yaml": {"a: {}\nb:\n  host: h\n", "m.yaml:3,1"}, // the record, for one that has no such attribute
		"x.csv":  {"name\na\n", ""},
		"x.toml": {"", ""},
	} {
		at, ok := inventory.Find(name, []byte(c.text), "name", "b", "port")
		if got := at.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: %v %s, want %s", name, ok, got, c.want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("name,host\na,h\n")
	f.Add("name,host,port\n\"a\nb\",h,1\n")
	fuzz(f, "x.csv")
}

func FuzzJSON(f *testing.F) {
	f.Add(`[{"name":"a","host":"h"}]`)
	f.Add(`{"a":{"host":"h","port":1}}`)
	fuzz(f, "x.json")
}

func FuzzYAML(f *testing.F) {
	f.Add("- name: a\n  host: h\n")
	f.Add("a: {host: h, port: 1}\n")
	f.Add("a: &x {host: h}\nb: *x\n")
	fuzz(f, "x.yaml")
}

// fuzz asserts that whatever a file holds, there is a map of the type or an error.
func fuzz(f *testing.F, name string) {
	ty := typeOf(f, device)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := inventory.Read(name, []byte(text), "name", ty)
		if err == nil && (!v.IsWhollyKnown() || !v.Type().IsMapType()) {
			t.Errorf("%#v", v)
		}
		if err != nil && err.Error() == "" {
			t.Error("an empty error")
		}
	})
}
