package schema_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/schema"
)

type tls struct {
	CAFile     string `dprun:"ca_file" format:"path"`
	MinVersion string `dprun:"min_version" default:"1.2" oneof:"1.2|1.3"`
}

type rule struct {
	From string `dprun:"from,required"`
	Days []int  `dprun:"days" min:"1" max:"31"`
}

type common struct {
	Note string `dprun:"note"`
}

type config struct {
	common
	Host     string            `dprun:"host,required" doc:"name or address"`
	Port     int               `dprun:"port" default:"5550" format:"port"`
	Password string            `dprun:"password,sensitive" oneof:"a|b"`
	Key      string            `dprun:"key,sensitive"`
	Ratio    *float64          `dprun:"ratio" min:"0" max:"1"`
	Wait     time.Duration     `dprun:"wait" default:"30s" min:"1s" max:"1h"`
	Limit    int64             `dprun:"limit" format:"size" default:"10MB" min:"1kB"`
	Names    []string          `dprun:"names" default:"[\"x\"]"`
	Env      map[string]string `dprun:"env"`
	Old      bool              `dprun:"old" deprecated:"use new"`
	Any      cty.Value         `dprun:"any"`
	TLS      *tls              `dprun:"tls,block" doc:"how to trust"`
	Rules    []rule            `dprun:"rule,block"`
}

func (config) SchemaConstraints() schema.Constraints {
	return schema.Constraints{ExactlyOne: [][]string{{"password", "key"}}, AtMostOne: [][]string{{"ratio", "rule"}}}
}

// value makes a value of config's type; everything not named is null or empty.
func value(t *testing.T, set map[string]cty.Value) cty.Value {
	t.Helper()
	return object(schema.MustOf[config]().ImpliedType(), set)
}

func object(typ cty.Type, set map[string]cty.Value) cty.Value {
	out := map[string]cty.Value{}
	for name, t := range typ.AttributeTypes() {
		switch v, ok := set[name]; {
		case ok:
			out[name] = v
		case t.IsListType() && t.ElementType().IsObjectType():
			out[name] = cty.ListValEmpty(t.ElementType())
		default:
			out[name] = cty.NullVal(t)
		}
	}
	return cty.ObjectVal(out)
}

func TestDefaultsAndDecodeFillTheStruct(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	ruleType := b.Nested("rule").Block.ImpliedType()
	tlsType := b.Nested("tls").Block.ImpliedType()
	v := value(t, map[string]cty.Value{
		"host":  cty.StringVal("h"),
		"key":   cty.StringVal("k"),
		"note":  cty.StringVal("n"),
		"ratio": cty.NumberFloatVal(0.5),
		"env":   cty.MapVal(map[string]cty.Value{"A": cty.StringVal("1")}),
		"any":   cty.True,
		"tls":   object(tlsType, map[string]cty.Value{"ca_file": cty.StringVal("/ca")}),
		"rule":  cty.ListVal([]cty.Value{object(ruleType, map[string]cty.Value{"from": cty.StringVal("21:30"), "days": cty.ListVal([]cty.Value{cty.NumberIntVal(3)})})}),
	})
	v, err := b.ApplyDefaults(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := schema.Decode[config](v)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		common: common{Note: "n"}, Host: "h", Port: 5550, Key: "k", Ratio: new(0.5), Wait: 30 * time.Second, Limit: 10e6, Names: []string{"x"},
		Env: map[string]string{"A": "1"}, Any: cty.True, TLS: &tls{CAFile: "/ca", MinVersion: "1.2"}, Rules: []rule{{From: "21:30", Days: []int{3}}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(config{}), cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) })); d != "" {
		t.Error(d)
	}
}

func TestDefaultsKeepUnknownsAndMarks(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	v := value(t, map[string]cty.Value{"host": cty.UnknownVal(cty.String), "key": cty.StringVal("k").Mark("secret"), "rule": cty.UnknownVal(cty.List(b.Nested("rule").Block.ImpliedType()))})
	got, err := b.ApplyDefaults(v)
	if err != nil {
		t.Fatal(err)
	}
	if got.GetAttr("host").IsKnown() || !got.GetAttr("key").IsMarked() || got.GetAttr("rule").IsKnown() || got.GetAttr("port").IsNull() {
		t.Errorf("got %#v", got)
	}
	if _, err := schema.Decode[config](got); err == nil {
		t.Error("a marked value was decoded")
	}
	u, _ := got.UnmarkDeep()
	if _, err := schema.Decode[config](u); err == nil {
		t.Error("an unknown value was decoded")
	}
	c, err := schema.DecodeKnown[config](u)
	if err != nil || c.Key != "k" || c.Host != "" || c.Port != 5550 {
		t.Errorf("DecodeKnown: %+v, %v", c, err)
	}
}

func TestDefaultsCompleteAnObject(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	got, err := b.ApplyDefaults(cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal("h")}))
	if err != nil {
		t.Fatal(err)
	}
	want := value(t, map[string]cty.Value{"host": cty.StringVal("h"), "port": cty.NumberIntVal(5550), "wait": cty.StringVal("30s"),
		"limit": cty.StringVal("10MB"), "names": cty.ListVal([]cty.Value{cty.StringVal("x")})})
	if !got.RawEquals(want) {
		t.Errorf("got %#v", got)
	}
}

func TestKnownFollowsPaths(t *testing.T) {
	t.Parallel()
	v := cty.ObjectVal(map[string]cty.Value{
		"a": cty.UnknownVal(cty.String), "n": cty.NullVal(cty.Object(map[string]cty.Type{"x": cty.String})),
		"l": cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("1")}), cty.ObjectVal(map[string]cty.Value{"x": cty.UnknownVal(cty.String)})}),
	})
	for path, want := range map[string]bool{"": false, "a": false, "n": true, "n.x": true, "l": false, "l.0.x": true, "l.1.x": false, "l.2.x": false, "zz": false} {
		var steps []string
		if path != "" {
			steps = strings.Split(path, ".")
		}
		if got := schema.Known(v, steps...); got != want {
			t.Errorf("Known(%q) = %v", path, got)
		}
	}
}

func TestCheckPointsAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	ok := map[string]cty.Value{"host": cty.StringVal("h"), "key": cty.StringVal("k")}
	one := cty.ListVal([]cty.Value{object(b.Nested("rule").Block.ImpliedType(), map[string]cty.Value{"days": cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(32)})})})
	tests := map[string]struct {
		set  map[string]cty.Value
		want []string // path: part of summary or detail
	}{
		"right":         {nil, nil},
		"required":      {map[string]cty.Value{"host": cty.NullVal(cty.String)}, []string{`host: "host" is required`}},
		"unknown":       {map[string]cty.Value{"host": cty.UnknownVal(cty.String), "key": cty.UnknownVal(cty.String), "port": cty.UnknownVal(cty.Number)}, nil},
		"port":          {map[string]cty.Value{"port": cty.NumberIntVal(0)}, []string{"port: from 1 to 65535, not 0"}},
		"fraction":      {map[string]cty.Value{"port": cty.NumberFloatVal(1.5)}, []string{"port: whole number"}},
		"duration":      {map[string]cty.Value{"wait": cty.StringVal("5")}, []string{"wait: duration"}},
		"duration high": {map[string]cty.Value{"wait": cty.StringVal("2h")}, []string{"wait: from 1s to 1h0m0s"}},
		"size":          {map[string]cty.Value{"limit": cty.StringVal("10 parsecs")}, []string{"limit: size"}},
		"size low":      {map[string]cty.Value{"limit": cty.StringVal("1")}, []string{"limit: at least 1000 bytes"}},
		"both":          {map[string]cty.Value{"password": cty.StringVal("a")}, []string{"key: Exactly one"}},
		"none":          {map[string]cty.Value{"key": cty.NullVal(cty.String)}, []string{": Exactly one"}},
		"sensitive":     {map[string]cty.Value{"key": cty.NullVal(cty.String), "password": cty.StringVal("hunter2")}, []string{"password: not shown"}},
		"nested":        {map[string]cty.Value{"rule": one}, []string{`rule.0.from: "from" is required`, "rule.0.days.1: from 1 to 31"}},
		"at most":       {map[string]cty.Value{"rule": one, "ratio": cty.NumberIntVal(1)}, []string{"rule.0.from: req", "rule.0.days.1: from", "rule: At most one"}},
		"deprecated":    {map[string]cty.Value{"old": cty.True}, []string{"old: use new"}},
		"type":          {map[string]cty.Value{"host": cty.True}, []string{"host: is a string, not a bool"}},
		"empty path":    {map[string]cty.Value{"tls": object(b.Nested("tls").Block.ImpliedType(), map[string]cty.Value{"ca_file": cty.StringVal("")})}, []string{"tls.ca_file: path"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := map[string]cty.Value{}
			for k, v := range ok {
				set[k] = v
			}
			for k, v := range tt.set {
				set[k] = v
			}
			v, err := b.ApplyDefaults(value(t, set))
			if err != nil {
				t.Fatal(err)
			}
			got := b.Check(v)
			if diff := cmp.Diff(got, b.CheckParts(v.AsValueMap())); diff != "" {
				t.Error(diff)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %+v, want %q", got, tt.want)
			}
			for i, w := range tt.want {
				path, text, _ := strings.Cut(w, ": ")
				if strings.Join(got[i].Path, ".") != path || !strings.Contains(got[i].Detail, text) {
					t.Errorf("got %+v, want %q", got[i], w)
				}
				if strings.Contains(got[i].Detail, "hunter2") {
					t.Error("a sensitive value is shown")
				}
			}
		})
	}
}

func TestDecodeRefusesMarksWhereverTheyAre(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	ruleType, tlsType := b.Nested("rule").Block.ImpliedType(), b.Nested("tls").Block.ImpliedType()
	secret := cty.StringVal("hunter2").Mark(1)
	plain := value(t, nil)
	more := plain.AsValueMap()
	more["unheard_of"] = cty.ListVal([]cty.Value{secret})
	for name, v := range map[string]cty.Value{
		"all":                plain.Mark(1),
		"argument":           value(t, map[string]cty.Value{"host": secret}),
		"null":               value(t, map[string]cty.Value{"host": cty.NullVal(cty.String).Mark(1)}),
		"unknown":            value(t, map[string]cty.Value{"host": cty.UnknownVal(cty.String).Mark(1)}),
		"embedded struct":    value(t, map[string]cty.Value{"note": secret}),
		"element":            value(t, map[string]cty.Value{"names": cty.ListVal([]cty.Value{cty.StringVal("x"), secret})}),
		"value of a map":     value(t, map[string]cty.Value{"env": cty.MapVal(map[string]cty.Value{"A": secret})}),
		"anything":           value(t, map[string]cty.Value{"any": cty.TupleVal([]cty.Value{secret})}),
		"block":              value(t, map[string]cty.Value{"tls": object(tlsType, nil).Mark(1)}),
		"in a block":         value(t, map[string]cty.Value{"tls": object(tlsType, map[string]cty.Value{"ca_file": secret})}),
		"in a list":          value(t, map[string]cty.Value{"rule": cty.ListVal([]cty.Value{object(ruleType, nil), object(ruleType, map[string]cty.Value{"from": secret})})}),
		"beside the struct":  cty.ObjectVal(more),
		"after other errors": value(t, map[string]cty.Value{"note": cty.True, "host": secret}),
	} {
		for which, decode := range map[string]func(cty.Value) (config, error){"Decode": schema.Decode[config], "DecodeKnown": schema.DecodeKnown[config]} {
			if _, err := decode(v); err == nil || !strings.Contains(err.Error(), "marked") {
				t.Errorf("%s, %s: %v", name, which, err)
			}
		}
	}
	if _, err := schema.DecodeKnown[config](cty.ObjectVal(plain.AsValueMap())); err != nil {
		t.Error(err)
	}
}

func TestCheckHidesMarkedValues(t *testing.T) {
	t.Parallel()
	b := schema.MustOf[config]()
	ds := b.Check(value(t, map[string]cty.Value{"host": cty.StringVal("h"), "key": cty.StringVal("k"), "wait": cty.StringVal("hunter2").Mark(1)}))
	if len(ds) != 1 || strings.Contains(ds[0].Detail, "hunter2") {
		t.Errorf("got %+v", ds)
	}
}

func TestWrongStructsAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]func() (schema.Block, error){
		"bad default": schema.Of[struct {
			A int `dprun:"a" default:"x"`
		}],
		"default out of bounds": schema.Of[struct {
			A int `dprun:"a" default:"3" max:"2"`
		}],
		"required default": schema.Of[struct {
			A int `dprun:"a,required" default:"3"`
		}],
		"twice": schema.Of[struct {
			A int `dprun:"a"`
			B int `dprun:"a"`
		}],
		"option": schema.Of[struct {
			A int `dprun:"a,requird"`
		}],
		"name": schema.Of[struct {
			A int `dprun:"aB"`
		}],
		"format": schema.Of[struct {
			A int `dprun:"a" format:"duration"`
		}],
		"type": schema.Of[struct {
			A chan int `dprun:"a"`
		}],
		"unexported": schema.Of[struct {
			a int `dprun:"a"`
		}],
		"no struct": schema.Of[int],
	}
	for name, of := range tests {
		if _, err := of(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSchemaSurvivesJSON(t *testing.T) {
	t.Parallel()
	want := schema.Plugin{Name: "p", Destinations: []schema.DestinationType{{Name: "p", Config: schema.MustOf[config]()}}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got schema.Plugin
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b schema.Type) bool { return a.Equals(b.Type) })); d != "" {
		t.Error(d)
	}
}

func TestDurationsAndSizes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"90s": 90 * time.Second, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "0": 0, "-1s": -1, "": -1, "5": -1, "d": -1, "99999999999d": -1, "106751d24h": -1} {
		got, err := schema.ParseDuration(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("ParseDuration(%q) = %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]int64{"0": 0, "123": 123, "10MB": 10e6, "10MiB": 10 << 20, "1.5GiB": 3 << 29, "2 kb": 2000, "1TB": 1e12, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "9999999999TB": -1, "-1": -1, "": -1, "MB": -1, "1XB": -1, "1e3": -1} {
		got, err := schema.ParseSize(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("ParseSize(%q) = %d, %v", s, got, err)
		}
	}
}
