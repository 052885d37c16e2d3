package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	ctyfunction "github.com/zclconf/go-cty/cty/function"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/testfixtures/need"
)

// secretShapes are the ways in which a secret stands in an argument.
var secretShapes = []string{"§", `"a: *${§}"`, "[§]", "{ k = §, n = 1 }", "{ (§) = 1 }", "[{ k = §, n = 1 }, 5]", "toset([§])"}

// fillers are what stands in the other arguments of a call, by turns.
var fillers = []string{`"x"`, "1", `["a"]`, "{ a = 1 }", `"2026-01-01T00:00:00Z"`, "object({ host = string })", "null"}

// calls are calls of every function with a secret in each of its arguments.
func calls() []string {
	var all []string
	table := function.Table(function.Files{}, secret.NewStore(nil))
	for _, name := range slices.Sorted(maps.Keys(table)) {
		fn := table[name]
		for n := 1; n <= arity(fn); n++ {
			for at := range n {
				for _, shape := range secretShapes {
					for turn := range 2 {
						args := make([]string, n)
						for i := range args {
							args[i] = fillers[(3*turn+i+at)%len(fillers)]
							if i == at {
								args[i] = shape
							}
						}
						all = append(all, name+"("+strings.Join(args, ", ")+")")
					}
				}
			}
		}
	}
	return all
}

func arity(fn ctyfunction.Function) int {
	n := len(fn.Params())
	if fn.VarParam() != nil {
		n = max(n+1, 2)
	}
	return n
}

// constructs are everything else of the expression language, with a secret
// where its errors could quote it.
var constructs = []string{
	"local.m[§]", "local.l[§]", "local[§]", "var[§]", "§.x", "§[0]", "§.x.y", "local.m[§].x", "[§].x", "{ k = § }.none", "{ (§) = 1 }.none", "{ (§) = 1 }[\"none\"]", "[§][7]",
	"§ + 1", "1 - §", "-§", "!§", "§ && true", "true || §", "§ > 1", "§ % 2", "§ ? 1 : 2", "true ? § : [1]", "local.on ? { (§) = 1 } : [1]", "local.on ? { (§) = 1 } : { b = [] }",
	"{ for x in [\"a\", \"b\"] : § => x }", "{ for x in [§, §] : x => 1 }", "{ for k, v in § : k => v }", "[for x in § : x]", "[for x in [§] : parseint(x, 10)]", "[for x in [\"a\"] : x if §]",
	"[for x in [\"a\"] : parseint(\"${x}${§}\", 10)]", "{ for k, v in { (§) = 1 } : k => v.x }", "{ for x in [1] : [§] => x }", "{ (§) = 1, (§) = 2 }", "{ ([§]) = 1 }",
	"§.*.x", "[§].*.x", "[§][*].x", "{ k = § }.k.*.y", "\"${[§]}\"", "\"%{ if § }x%{ endif }\"", "\"%{ for x in § }x%{ endfor }\"", "\"${§.x}\"",
	"max([§]...)", "max(§...)", "max({ (§) = 1 }...)", "parseint(upper(§), 10)", "try(parseint(§, 10))", "try(§.x, local.m[§])", "nothing(§)", "sort()",
	"templatefile(\"t.tmpl\", { x = § })", "templatefile(\"own.tmpl\", {})", "parseint(templatefile(\"read.tmpl\", {}), 10)", "templatefile(\"t.tmpl\", { (§) = 1 })", "templatefile(\"${§}.tmpl\", {})",
	"inventory(\"g.csv\", §, object({ host = string }))", "inventory(§, \"name\", object({ host = string }))", "inventory(\"g.csv\", \"name\", §)", "inventory(\"${§}.csv\", \"name\", object({ host = string }))",
	"secret_file(§)", "secret_env(§)", "secret_command([§])", "secret_command(§)", "file(\"../${§}\")", "fileexists(\"/${§}\")",
	"parseint(local.kept, 10)", "local.kept.x", "local.held.k.x", "local.held[§]", "[for h in [local.held] : parseint(h.k, 10)]", "parseint(local.held.k, 10)",
}

// secretPlan puts every expression into a local value, an argument that is
// printed, one that is not, and a lazy one.
func secretPlan(source string, exprs []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "variable \"s\" {\n  type = string\n  sensitive = true\n}\nlocals {\n  m = { a = 1 }\n  l = [1]\n  on = true\n  kept = %s\n  held = { k = %s }\n", source, source)
	for i, e := range exprs {
		fmt.Fprintf(&b, "  x%d = %s\n", i, strings.ReplaceAll(e, "§", source))
	}
	b.WriteString("}\n")
	return b.String()
}

// places are all arguments of a plan whose errors could quote a secret.
func placesPlan(source string) string {
	return strings.ReplaceAll(`
variable "s" {
  type = string
  sensitive = true
}
variable "typed" {
  type      = map(number)
  sensitive = true
}
variable "n" {
  type = number
  validation {
    condition = §
    error_message = "no ${§}"
  }
  default = 1
}
locals { key = { (§) = [] } }
device "datapower" "gw" {
  for_each = { (§) = 1 }
}
device "datapower" "set" {
  for_each = toset([§])
}
device "datapower" "a" {
  name   = §
  labels = { (§) = [], x = § }
  group  = [§]
  vars   = [§]
  config {
    host     = "h"
    port     = §
    username = { (§) = 1 }
    password = { (§) = 1 }
    tls { ca_file = [§] }
    dynamic "tls" {
      for_each = §
      content {}
    }
  }
}
device "datapower" "b" {
  for_each = { k = { (§) = "x", p = § } }
  labels = { site = each.value.p }
  config {
    host     = "h"
    port     = each.value.p
    username = each.value.none
    password = parseint(each.value.p, 10)
  }
}
pattern "p" {
  match  = [§]
  labels = { (§) = { a = 1 } }
}
window "w" {
  timezone = §
  allow { days = [§] }
}
script "exec" "s" {
  timeout = §
  config { command = [parseint(§, 10), device.name] }
}
script "exec" "t" {
  config {
    command = ["a", §]
    secrets = { (§) = [] }
  }
}
destination "file" "d" {
  path     = "${parseint(§, 10)}/${stamp}"
  verify   = §
  parallel = §
  min_free = §
  config { directory = "/d" }
}
plan "p" {
  description  = §
  destinations = [destination.file.d, §]
  error_policy = §
  limits { per_label = { (§) = "x" } }
  timeouts { run = § }
  activity "export_domain" "x" {
    devices    = ["*", §]
    domains    = [parseint(§, 10), local.key]
    quiesce    = §
    depends_on = [§]
    pre_script = script.exec.s
    config { persisted = local.m[§] }
  }
}
`, "§", source)
}

type sameSecret string

func (s sameSecret) ReadSecret(plan.SecretRef) (string, error) { return string(s), nil }

func diagnosticsWith(t *testing.T, text, value string) plan.Diagnostics {
	t.Helper()
	fsys := fstest.MapFS{
		"plan.hcl": {Data: []byte(text)}, "g.csv": {Data: []byte("name,host\na,h\n")}, "t.tmpl": {Data: []byte("${parseint(x, 10)}")},
		"own.tmpl": {Data: []byte("${parseint(secret_env(\"S\"), 10)}")}, "read.tmpl": {Data: []byte("${secret_env(\"S\")}")},
	}
	src, ds := plan.Load(fsys, ".", "")
	f, parsed := plan.Parse(src, "0.1.0")
	_, compiled := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans", Secrets: sameSecret(value),
		Vars: plan.VarInputs{Env: map[string]string{"s": value, "typed": `{ "` + value + `" = "x" }`}}})
	return append(append(ds, parsed...), compiled...)
}

// What is said must not depend on the secret at all: two secrets of one
// length give the very same diagnostics, and neither is in them.
func TestNoDiagnosticTellsAnythingOfASecret(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, source := range []string{"var.s", `secret_env("S")`} {
		texts = append(texts, placesPlan(source))
		for chunk := range slices.Chunk(slices.Concat(calls(), constructs), 100) {
			texts = append(texts, secretPlan(source, chunk))
		}
	}
	const first, second = "TOPSECRET", "qhuzwvxyk"
	said := map[diag.Code]int{}
	for _, text := range texts {
		a, b := diagnosticsWith(t, text, first), diagnosticsWith(t, text, second)
		texts := map[string]string{}
		for _, d := range b {
			if d.Range == nil {
				continue
			}
			texts[d.Range.String()] += d.Summary + d.Detail + d.Suggestion
		}
		for _, d := range a {
			// Whether there is an error may depend on a secret; what it says may not.
			if d.Range == nil {
				continue
			}
			if other, both := texts[d.Range.String()]; both && !strings.Contains(other, d.Summary+d.Detail+d.Suggestion) {
				t.Errorf("two secrets, two texts: %s\n%s", d.Error(), other)
			}
		}
		for _, d := range a {
			said[d.Code]++
			whole := need.Value(json.Marshal(d))(t)
			if shown := diag.Text(d, diag.Style{}) + string(whole); strings.Contains(strings.ToLower(shown), strings.ToLower(first)) {
				t.Errorf("a secret is shown: %s", shown)
			}
		}
	}
	for _, code := range []diag.Code{diag.FunctionCall, diag.InvalidExpression, diag.UnknownReference, diag.SecretShown, diag.WrongType} {
		if said[code] == 0 {
			t.Errorf("nothing was said with the code %s: the test tests nothing", code)
		}
	}
}

// A neighbour of a secret keeps its full text.
func TestAnErrorBesideASecretIsToldInFull(t *testing.T) {
	t.Parallel()
	ds := diagnosticsWith(t, `
variable "s" { sensitive = true }
locals {
  held = { k = var.s, n = "ten" }
  x    = parseint(local.held.n, 10)
  y    = { a = var.s, b = local.held.none }
  z    = secret_env("")
  w    = templatefile("none.tmpl", { k = "x" })
}
`, "TOPSECRET")
	for _, want := range []string{`cannot parse "ten" as a base 10 integer`, `has no "none"`, "name must not be empty", "none.tmpl"} {
		if !strings.Contains(render(ds), want) {
			t.Errorf("not said: %s\n%s", want, render(ds))
		}
	}
}

// Where a secret is in the way, the text says which one.
func TestAnErrorOverASecretNamesWhereItComesFrom(t *testing.T) {
	t.Parallel()
	ds := diagnosticsWith(t, "locals { x = parseint(secret_env(\"PW\"), 10) }\n", "TOPSECRET")
	if got := render(ds); !strings.Contains(got, `secret_env("PW")`) || !strings.Contains(got, "not shown") {
		t.Error(got)
	}
}
