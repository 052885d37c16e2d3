package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/sdk/schema"
)

// rows are the instances of the blocks below: a map as HCL, and its keys.
var rows = map[string]string{
	"a": `{ host = "10.0.0.1", pair = 1, port = 5550, site = "fra", ca = "a.pem", up = true, names = ["x", "y"] }`,
	"b": `{ host = "10.0.0.2", pair = 2.50, port = 5551, site = "", ca = null, up = false, names = [] }`,
	"c": `{ host = "", pair = -3, port = 70000, site = null, ca = "/c.pem", up = null, names = ["z"] }`,
	"d": `{ host = null, pair = 123456789012345678901, port = "many", site = secret_env("PW"), ca = secret_env("PW"), up = "x", names = [null] }`,
}

// TestInstancesTogetherAreAsEachAlone compiles blocks once over all rows,
// where what is the same for all is evaluated once, and once over each row.
func TestInstancesTogetherAreAsEachAlone(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"alike":                  `config { host = "h${1}" }`,
		"names of its own":       `name = "gw-${each.key}"`,
		"number in a template":   `group = "p${each.value.pair}-${var.n}"`,
		"only a template":        `group = "${each.value.site}"`,
		"parentheses":            `group = (each.value.site)`,
		"null in a template":     `group = "x${each.value.site}"`,
		"list in a template":     `group = "x${each.value.names}"`,
		"labels":                 `labels = { env = var.n, (each.key) = "key", site = each.value.site, "u${1}" = upper("x") }`,
		"wrong labels":           `labels = { env = [], site = each.value.site }`,
		"labels that are alike":  `labels = { env = var.n, none = null }`,
		"no labels":              `labels = ["x"]`,
		"vars":                   `vars = { one = [1, each.value.pair, { x = each.key }], two = { for k, v in each.value : k => v if k == "host" } }`,
		"each as a name":         `vars = { each = 1, other = { each = each.key } }`,
		"each hidden":            `vars = { l = [for each in ["p", "q"] : each], m = each.key }`,
		"wrong reference":        `vars = { a = each.value.hots, b = local.none }`,
		"wrong call":             `vars = { a = each.key, b = upper() }`,
		"wrong function":         `group = uper("x")`,
		"try":                    `vars = { a = try(each.value.host, "x"), b = try(each.value.none, "fallback"), c = can(each.key) }`,
		"condition":              `group = each.key == "a" ? upper("x") : each.value.site`,
		"secret shown":           `group = secret_env("PW")`,
		"secret that is missing": "config {\n host = \"h\"\n password = secret_env(\"NONE\")\n }",
		"port":                   "config {\n host = each.value.host\n port = each.value.port\n }",
		"wrong constants":        "config {\n host = each.key\n port = 70000\n timeout = \"soon\"\n }",
		"wrong type":             "config {\n host = each.key\n port = [each.value.port]\n username = []\n }",
		"unknown arguments":      "config {\n host = each.key\n hots = \"h\"\n tls = 1\n }",
		"unknown blocks":         "config {\n host = each.key\n tsl {}\n port {}\n dynamic \"tsl\" {\n for_each = [1]\n content {}\n }\n }",
		"deprecated":             "config {\n host = each.key\n user = \"x\"\n }",
		"null":                   "config {\n host = each.key\n port = null\n }",
		"block alike":            "config {\n host = each.key\n tls { ca_file = \"x.pem\" }\n }",
		"block of its own":       "config {\n host = each.key\n tls {\n ca_file = each.value.ca\n min_version = \"1.2\"\n }\n }",
		"wrong block":            "config {\n host = each.key\n tls {\n ca_file = \"x\"\n fingerprint_sha256 = \"y\"\n min_version = \"1\"\n }\n }",
		"conflict":               "config {\n host = each.key\n tls {\n ca_file = \"x\"\n fingerprint_sha256 = each.value.ca\n }\n }",
		"block twice":            "config {\n host = each.key\n tls { ca_file = \"x\" }\n tls { ca_file = \"y\" }\n }",
		"block with a label":     "config {\n host = each.key\n tls \"x\" { ca_file = \"x\" }\n }",
		"list of blocks":         "config {\n host = each.key\n header { name = \"one\" }\n header { name = \"two\" }\n }",
		"mixed list of blocks":   "config {\n host = each.key\n header { name = \"one\" }\n header { name = each.key }\n header { name = \"three\" }\n }",
		"wrong list of blocks":   "config {\n host = each.key\n header { value = \"one\" }\n header { name = each.value.site }\n }",
		"dynamic alike":          "config {\n host = each.key\n dynamic \"header\" {\n for_each = [\"p\", \"q\"]\n content { name = header.value }\n }\n }",
		"blocks and dynamic":     "config {\n host = each.key\n header { name = \"one\" }\n dynamic \"header\" {\n for_each = [\"p\", \"q\"]\n content { name = header.value }\n }\n }",
		"dynamic":                "config {\n host = each.key\n header { name = \"one\" }\n dynamic \"header\" {\n for_each = each.value.names\n content { name = \"${header.value}-${var.n}\" }\n }\n }",
		"dynamic that hides":     "config {\n host = each.key\n dynamic \"header\" {\n for_each = [\"p\"]\n iterator = var\n content { name = var.value }\n }\n }",
		"no config":              `group = each.key`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var keys []string
			for key := range rows {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			together := rowsText(t, body, keys...)
			seen := map[string]bool{}
			var apart outcome
			for _, key := range keys {
				one := rowsText(t, body, key)
				apart.devices = append(apart.devices, one.devices...)
				for _, text := range one.said {
					if !seen[text] {
						seen[text] = true
						apart.said = append(apart.said, text)
					}
				}
			}
			slices.Sort(apart.said)
			if diff := cmp.Diff(apart.devices, together.devices); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(apart.said, together.said); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// outcome is what a compilation says of devices, as texts.
type outcome struct{ devices, said []string }

func rowsText(t *testing.T, body string, keys ...string) outcome {
	var text strings.Builder
	text.WriteString("variable \"n\" {\n default = \"v\"\n}\nlocals {\n rows = {\n")
	for _, key := range keys {
		fmt.Fprintf(&text, "  %s = %s\n", key, rows[key])
	}
	// What is said about lines below has the same place in every text.
	for range len(rows) - len(keys) {
		text.WriteString("\n")
	}
	if !strings.Contains(body, "config {") {
		body += "\n config {\n host = each.key\n username = \"u\"\n password = secret_env(\"PW\")\n }"
	}
	fmt.Fprintf(&text, " }\n}\ndevice \"datapower\" \"gw\" {\n for_each = local.rows\n %s\n}\n", body)
	cfg, ds := compile(t, text.String(), nil, func(in *plan.Inputs) { in.Secrets = oneSecret{} })
	var o outcome
	for _, d := range cfg.Devices {
		o.devices = append(o.devices, fmt.Sprintf("%s %s %v %q %#v %#v", d.Name, d.Key, d.Labels, d.Group, d.Vars, d.Config))
	}
	for _, d := range ds {
		if strings.Contains(d.Summary, "plan") { // there is none
			continue
		}
		if d.Range != nil {
			d.Range.Start.Byte, d.Range.End.Byte = 0, 0 // the lines above differ in length
		}
		o.said = append(o.said, fmt.Sprintf("%v %s %s: %s (%s)", d.Range, d.Severity, d.Summary, d.Detail, d.Suggestion))
	}
	slices.Sort(o.said)
	return o
}

type oneSecret struct{}

func (oneSecret) ReadSecret(ref secret.Ref) (string, error) {
	if ref.Args[0] == "PW" {
		return "hush", nil
	}
	return "", errors.New("not set")
}

// TestPluginsAreAskedAboutEveryRowWithoutItsSecrets also makes the plugin
// refuse one row, which is told at its cell, with the place of the argument.
func TestPluginsAreAskedAboutEveryRowWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	const n = 300
	var csv strings.Builder
	csv.WriteString("name,host\n")
	for i := range n {
		fmt.Fprintf(&csv, "gw-%03d,h%d\n", i, i)
	}
	var asked []plan.ValidateRequest
	cfg, ds := compile(t, `
device "datapower" "gw" {
  for_each = inventory("gw.csv", "name", object({ host = string }))
  config {
    host     = each.value.host
    username = "u"
    password = secret_env("PW")
    tls { server_name = secret_env("PW") }
    header { name = "plain" }
    header { name = secret_env("PW") }
  }
}
`, map[string]string{"gw.csv": csv.String()}, func(in *plan.Inputs) {
		in.Secrets = oneSecret{}
		in.Validate = func(reqs []plan.ValidateRequest) [][]schema.Diagnostic {
			asked = reqs
			answers := make([][]schema.Diagnostic, len(reqs))
			for i, r := range reqs {
				if r.Config.GetAttr("host").AsString() == "h217" {
					answers[i] = []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Unusable host", Detail: "Not 217.", Path: []string{"host"}}}
				}
			}
			return answers
		}
	})
	if len(asked) != n {
		t.Fatalf("asked %d times", len(asked))
	}
	for i, r := range asked {
		d := cfg.Devices[i]
		if d.Name != fmt.Sprintf("gw-%03d", i) || r.Config.GetAttr("host").AsString() != fmt.Sprintf("h%d", i) || !d.Config.GetAttr("password").IsMarked() {
			t.Fatalf("%d: %s %#v", i, d.Name, r.Config)
		}
		if text := fmt.Sprintf("%#v", r.Config); r.Config.ContainsMarked() || strings.Contains(text, "hush") || !strings.Contains(text, "plain") {
			t.Fatal(text)
		}
	}
	var told []string
	for _, d := range ds {
		if d.Summary == "Unusable host" {
			told = append(told, d.Range.String()+": "+d.Snippet.Code, d.Instance, d.Related.Range.String())
		}
	}
	if diff := cmp.Diff([]string{"gw.csv:219,8: gw-217,h217", `device.datapower.gw["gw-217"]`, "plan.hcl:5,16"}, told); diff != "" {
		t.Error(diff)
	}
}
