package schema_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

type either struct {
	Server string            `dprun:"server"`
	Mount  string            `dprun:"mount" format:"path"`
	Agent  string            `dprun:"agent"`
	Mode   string            `dprun:"mode" oneof:"a|b" default:"a"`
	Port   int               `dprun:"port" format:"port"`
	Ratio  *float64          `dprun:"ratio" min:"0" max:"1"`
	Wait   time.Duration     `dprun:"wait" format:"duration"`
	Limit  int64             `dprun:"limit" format:"size" default:"10MB"`
	Days   []int             `dprun:"days" min:"1" max:"31"`
	Env    map[string]string `dprun:"env"`
	TLS    *tls              `dprun:"tls,block"`
	Rules  []rule            `dprun:"rule,block,required"`
}

func (either) SchemaConstraints() schema.Constraints {
	return schema.Constraints{ExactlyOne: [][]string{{"server", "mount"}}, AtMostOne: [][]string{{"agent", "mount"}}}
}

// TestTheJSONSchemaSaysWhatTheSchemaSays: a validator of somebody else and our
// own check find the same configurations good and bad.
func TestTheJSONSchemaSaysWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	block := schema.MustOf[either]()
	text := need.Value(schema.Plugin{Name: "mine", Version: "1.0.0", Destinations: []schema.DestinationType{{Name: "mine", Config: block}}}.JSONSchema())(t)
	c := jsonschema.NewCompiler()
	need.Done(t, c.AddResource("mine.json", need.Value(jsonschema.UnmarshalJSON(bytes.NewReader(text)))(t)))
	validator := need.Value(c.Compile("mine.json"))(t)
	const rule = `"rule": [{"from": "x"}]`
	for config, good := range map[string]bool{
		`{"server": "s", ` + rule + `}`:                                true,
		`{"mount": "/m", ` + rule + `}`:                                true,
		`{` + rule + `}`:                                               false,
		`{"server": "s", "mount": "/m", ` + rule + `}`:                 false,
		`{"mount": "/m", "agent": "a", ` + rule + `}`:                  false,
		`{"server": "s", "agent": "a", ` + rule + `}`:                  true,
		`{"server": "s"}`:                                              false,
		`{"server": "s", "rule": [{}]}`:                                false,
		`{"server": "s", "rule": [{"from": "x", "days": [31]}]}`:       true,
		`{"server": "s", "rule": [{"from": "x", "days": [32]}]}`:       false,
		`{"server": "s", "mode": "b", ` + rule + `}`:                   true,
		`{"server": "s", "mode": "c", ` + rule + `}`:                   false,
		`{"server": "s", "port": 22, ` + rule + `}`:                    true,
		`{"server": "s", "port": 0, ` + rule + `}`:                     false,
		`{"server": "s", "port": 1.5, ` + rule + `}`:                   false,
		`{"server": "s", "ratio": 0.5, ` + rule + `}`:                  true,
		`{"server": "s", "ratio": 2, ` + rule + `}`:                    false,
		`{"server": "s", "wait": "1d12h30m", ` + rule + `}`:            true,
		`{"server": "s", "wait": "soon", ` + rule + `}`:                false,
		`{"server": "s", "limit": "1.5 GiB", ` + rule + `}`:            true,
		`{"server": "s", "limit": "much", ` + rule + `}`:               false,
		`{"server": "s", "env": {"A": "b"}, ` + rule + `}`:             true,
		`{"server": "s", "tls": {"min_version": "1.3"}, ` + rule + `}`: true,
		`{"server": "s", "tls": {"min_version": "1.1"}, ` + rule + `}`: false,
		`{"server": "s", "sever": "s", ` + rule + `}`:                  false,
		`{"server": "s", "days": [1, 31], "env": {}, ` + rule + `}`:    true,
		`{"server": "s", "days": [0], ` + rule + `}`:                   false,
	} {
		instance := need.Value(jsonschema.UnmarshalJSON(strings.NewReader(`{"destination": {"mine": ` + config + `}}`)))(t)
		if err := validator.Validate(instance); (err == nil) != good {
			t.Errorf("%s: the JSON Schema says %v", config, err)
		}
		if strings.Contains(config, "sever\"") {
			continue // the language finds arguments that there are not
		}
		v := need.Value(ctyjson.Unmarshal([]byte(config), need.Value(ctyjson.ImpliedType([]byte(config)))(t)))(t)
		v = need.Value(convert.Convert(need.Value(block.ApplyDefaults(v))(t), block.ImpliedType()))(t)
		if ds := block.Check(v); schema.HasErrors(ds) == good {
			t.Errorf("%s: the check says %v", config, ds)
		}
	}
}
