package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/schema"
)

type nothing struct{}

func hookOf(name string) HookType {
	return NewHook(schema.HookType{Name: name}, func(context.Context, nothing, Env) (Hook, error) { return nil, nil }, nil)
}

func TestPluginsThatCannotBeServedAreRefused(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Plugin{
		"no name":             {},
		"bad name":            {Name: "My-Plugin"},
		"another's type":      {Name: "mine", Hooks: []HookType{hookOf("yours")}},
		"half another's":      {Name: "mine", Hooks: []HookType{hookOf("minefield")}},
		"the same type twice": {Name: "mine", Hooks: []HookType{hookOf("mine"), hookOf("mine")}},
	} {
		if _, err := NewServer(p, Env{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewServer(Plugin{Name: "mine", Hooks: []HookType{hookOf("mine"), hookOf("mine_too")}}, Env{}); err != nil {
		t.Error(err)
	}
}

func TestByHandAPluginSaysWhatItIs(t *testing.T) {
	t.Parallel()
	p := Plugin{Name: "mine", Version: "1.0.0", Hooks: []HookType{hookOf("mine")}}
	var out, err bytes.Buffer
	if code := byHand(p, []string{"describe"}, &out, &err); code != 0 || !json.Valid(out.Bytes()) || err.Len() > 0 {
		t.Errorf("describe: %d %s %s", code, &out, &err)
	}
	out.Reset()
	if code := byHand(p, nil, &out, &err); code == 0 || out.Len() > 0 || !strings.Contains(err.String(), `"mine"`) {
		t.Errorf("bare: %d %s %s", code, &out, &err)
	}
}

func TestPathsThatLeadOutAreRefused(t *testing.T) {
	t.Parallel()
	for path, ok := range map[string]bool{
		"a": true, "a/b c/ü": true, "...": true, "a.dprun.json": true, "": false, ".": false, "..": false, "/a": false, "a/": false, "a//b": false,
		"a/../b": false, "./a": false, `a\b`: false, "a\nb": false, ".dprun-x": false, "a/.dprun-x/b": false, "\xff": false,
		"a\u009bb": false, "a\u202eb": false, "a\u2028b": false,
	} {
		if got := CheckPath(path) == nil; got != ok {
			t.Errorf("CheckPath(%q) = %v", path, got)
		}
	}
}

func TestLogLinesHaveTheHostsForm(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := newLog(&b, "WARN")
	log.Info("no")
	log.Warn("yes", "n", 1, "long", strings.Repeat("x", 1<<20))
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["@message"] != "yes" || line["@level"] != "warn" || line["@timestamp"] == "" || line["n"] != 1.0 || b.Len() > 32<<10 {
		t.Errorf("got %.300s", b.String())
	}
}
