package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan/inventory"
	"github.com/dprun/dprun/testfixtures/need"
)

func jsonOf(t *testing.T, name, text, ty string) string {
	t.Helper()
	v, err := inventory.Read(name, []byte(text), "name", typeOf(t, ty))
	if err != nil {
		t.Errorf("%s %q: %v", name, text, err)
		return ""
	}
	b := need.Value(ctyjson.Marshal(v, v.Type()))(t)
	return string(b)
}

func TestTextsStayAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	const ty = `object({ site = optional(string), port = optional(number), up = optional(bool), tags = optional(list(string)), more = optional(map(string)), any = optional(any) })`
	for _, c := range []struct{ name, text, want string }{
		{"names.yaml", "- {name: 0123, site: 010}\n- {name: gw-2, site: 1.10}\n", `{"0123":{"any":null,"more":null,"port":null,"site":"010","tags":null,"up":null},"gw-2":{"any":null,"more":null,"port":null,"site":"1.10","tags":null,"up":null}}`},
		{"map.yaml", "0123: {site: 0x1F, port: 5550}\n", `{"0123":{"any":null,"more":null,"port":5550,"site":"0x1F","tags":null,"up":null}}`},
		{"words.yaml", "- {name: True, site: No, up: true, tags: [1.0, 007, yes, 1e3], more: {a: 1.10, b: 1_000}}\n", `{"True":{"any":null,"more":{"a":"1.10","b":"1_000"},"port":null,"site":"No","tags":["1.0","007","yes","1e3"],"up":true}}`},
		{"tag.yaml", "- {name: !!str 0123, site: !!str 1.0}\n", `{"0123":{"any":null,"more":null,"port":null,"site":"1.0","tags":null,"up":null}}`},
		{"x.json", `[{"name":"a","site":1.10,"port":5550,"tags":[1.0,true],"more":{"k":1e3}}]`, `{"a":{"any":null,"more":{"k":"1e3"},"port":5550,"site":"1.10","tags":["1.0","true"],"up":null}}`},
		{"key.json", `[{"name":1.10}]`, `{"1.10":{"any":null,"more":null,"port":null,"site":null,"tags":null,"up":null}}`},
		{"any.json", `[{"name":"a","any":1.10}]`, `{"a":{"any":1.1,"more":null,"port":null,"site":null,"tags":null,"up":null}}`},
	} {
		if diff := cmp.Diff(c.want, jsonOf(t, c.name, c.text, ty)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAByteOrderMarkIsSkippedInEveryFormat(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"x.csv": "name,host\na,h\n", "x.json": `[{"name":"a","host":"h"}]`, "x.yaml": "- name: a\n  host: h\n"} {
		if got := jsonOf(t, name, "\xef\xbb\xbf"+text, "object({ host = string })"); got != `{"a":{"host":"h"}}` {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBytesThatAreNotUTF8AreFoundInTheirPlace(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"x.csv": "name,host\na,M\xfcnchen\n", "x.json": "[{\"name\":\"a\",\n\"h\":\"\xe9\"}]", "x.yaml": "- name: a\n  host: \xe9\n", "mark.csv": "\xef\xbb\xbfname,host\na,M\xfcnchen\n", "utf16.csv": "\xff\xfen\x00",
	} {
		_, err := inventory.Read(name, []byte(text), "name", typeOf(t, "object({ host = optional(string) })"))
		var all inventory.Errors
		if !errors.As(err, &all) || len(all) != 1 || all[0].Range == nil || !strings.Contains(all[0].Rule, "Save the file as UTF-8") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := map[string]string{"x.csv": "x.csv:2,4", "x.json": "x.json:2,6", "x.yaml": "x.yaml:2,9", "mark.csv": "mark.csv:2,4", "utf16.csv": "utf16.csv:1,1"}[name]
		if got := fmt.Sprint(all[0].Range); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestYAMLMergesAndAliasesAreFollowed(t *testing.T) {
	t.Parallel()
	const ty = "object({ host = string, site = optional(string), port = optional(number), tags = optional(list(string)) })"
	const want = `{"gw-1":{"host":"10.0.0.1","port":7,"site":"fra","tags":["a"]}}`
	for name, text := range map[string]string{
		"the anchors of a map":  "_base: &base {site: fra, port: 7, tags: [a]}\ngw-1: {<<: *base, host: 10.0.0.1}\n",
		"a list of merges":      "_a: &a {site: fra, port: 9}\n_b: &b {port: 8, tags: &t [a]}\ngw-1: {<<: [*a, *b], host: 10.0.0.1, port: 7}\n",
		"an anchor of a record": "- &first {name: gw-1, host: 10.0.0.1, site: fra, port: 7, tags: [a]}\n",
		"merges of merges":      "x-a: &a {site: fra}\nx-b: &b {<<: *a, port: 7}\ngw-1:\n  <<: *b\n  host: 10.0.0.1\n  tags: [a]\n",
	} {
		if got := jsonOf(t, "x.yaml", text, ty); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := jsonOf(t, "x.yaml", "gw-1: &gw {host: h1, site: fra}\ngw-2: {<<: *gw, host: h2}\n", "object({ host = string, site = string })"); got != `{"gw-1":{"host":"h1","site":"fra"},"gw-2":{"host":"h2","site":"fra"}}` {
		t.Error(got)
	}
}

// A file may refer to itself, or repeat itself without end.
func TestYAMLAliasesHaveAnEnd(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	bomb += "gw: {host: h, tags: *a12}\n"
	for name, text := range map[string]string{
		"itself": "- &a {name: gw, host: h, tags: *a}\n", "merges itself": "- &a {name: gw, host: h, <<: *a}\n", "an unknown anchor": "- {name: gw, host: *none}\n", "a bomb": bomb,
	} {
		if _, err := inventory.Read("x.yaml", []byte(text), "name", typeOf(t, "object({ host = string, tags = optional(any) })")); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
