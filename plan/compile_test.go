package plan_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/secret"
)

// frame is a plan around one activity, so that a test writes only what it is about.
const frame = `
destination "file" "vault" {
  config { directory = "srv" }
}
device "datapower" "one" {
  labels = { site = "fra" }
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
`

func mustCompile(t testing.TB, text string, files map[string]string, change ...func(*plan.Inputs)) *plan.Config {
	t.Helper()
	cfg, ds := compile(t, text, files, change...)
	if len(ds) > 0 {
		t.Fatal(render(ds))
	}
	return cfg
}

func TestDefaultsOfAPlan(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, frame+`
plan "p" {
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}`, nil)
	p := cfg.Plans[0]
	want := plan.Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute, Store: 2 * time.Hour, Healthy: 5 * time.Minute}
	if diff := cmp.Diff(want, p.Timeouts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(plan.Limits{Parallel: 4, PerDevice: 1}, p.Limits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(plan.Guard{MaxDevices: 1, MaxPerGroup: 1, Settle: 2 * time.Minute, Peers: "up", Active: "refuse", APIConnect: "refuse"}, p.Guard); diff != "" {
		t.Error(diff)
	}
	a := p.Activities[0]
	if p.ErrorPolicy != "ignore" || a.ErrorPolicy != "ignore" || a.Quiesce != "none" || a.OnBusy != "abort" || p.Window != nil {
		t.Errorf("%+v", a)
	}
	d := p.Destinations[0]
	if d.Verify != "read_back" || d.MinFree != (plan.MinFree{Percent: 10}) || d.Config.GetAttr("directory").AsString() != "/plans/srv" {
		t.Errorf("%+v", d)
	}
	v, ds := a.ConfigFor(plan.Scope{Plan: p, Activity: a, Device: a.Devices[0]})
	if len(ds) > 0 || v.GetAttr("persisted").AsString() != "auto" {
		t.Errorf("%#v %v", v, ds)
	}
}

func TestADrillMeansWhatItSays(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, frame+`
device "datapower" "lab" {
  labels = { drill = "yes" }
  config {
    host     = "10.9.0.1"
    username = "backup"
    password = secret_env("PW")
  }
  restore { username = "drill" }
}
plan "p" {
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = [pattern.others]
    domains = ["*"]
  }
  drill "short" {
    device   = device.datapower.lab
    identity = "1/lab"
  }
  drill "long" {
    device   = device.datapower.lab
    identity = "1/lab"
    devices  = ["a", "b*"]
    domains  = ["c"]
    sample   = 7
    max_age  = "60d"
  }
}
pattern "others" { except = ["lab"] }`, nil)
	everything := pattern.Set{pattern.Literal("*")}
	want := []plan.Drill{
		{Name: "short", Identity: "1/lab", Devices: everything, Domains: everything, Sample: 3, MaxAge: 30 * 24 * time.Hour},
		{Name: "long", Identity: "1/lab", Devices: pattern.Set{{Match: []string{"a", "b*"}}}, Domains: pattern.Set{pattern.Literal("c")}, Sample: 7, MaxAge: 60 * 24 * time.Hour},
	}
	var got []plan.Drill
	for _, d := range cfg.Plans[0].Drills {
		if d.Device.Name != "lab" || d.Device.Restore.GetAttr("username").AsString() != "drill" {
			t.Errorf("drill %s is on %+v", d.Name, d.Device)
		}
		one := *d
		one.Device, one.Range = nil, plan.Range{}
		got = append(got, one)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEverythingLabelledTakesForEach(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, `
locals { sites = { fra = "10.1.0.1", ber = "10.2.0.1" } }
device "datapower" "gw" {
  for_each = local.sites
  name     = "gw-${each.key}"
  labels   = { site = each.key }
  config {
    host     = each.value
    username = "u"
    password = secret_env("PW")
  }
}
pattern "site" {
  for_each = toset(["fra", "ber"])
  labels   = { site = each.key }
}
window "at" {
  for_each = ["20:00", "21:00"]
  allow {
    from = each.value
    to   = "23:00"
  }
}
script "exec" "say" {
  for_each = local.sites
  config { command = ["say", each.key, device.name] }
}
destination "file" "to" {
  for_each = local.sites
  path     = "${each.key}/${device.name}/${stamp}"
  config { directory = "/srv/${each.key}" }
}
plan "p" {
  for_each     = { fra = "20:00", ber = "21:00" }
  window       = window.at[each.value]
  destinations = [destination.file.to[each.key]]
  activity "export_domain" "d" {
    for_each   = toset(["a", "b"])
    devices    = [pattern.site["fra"], device.datapower.gw]
    domains    = [each.key]
    pre_script = script.exec.say["ber"]
  }
  activity "export_all_domains" "all" {
    devices    = [device.datapower.gw["ber"]]
    depends_on = [activity.d]
  }
}`, nil)
	if len(cfg.Plans) != 2 || cfg.Plans[0].Name != `p["ber"]` || cfg.Plans[0].Window.Name != `at["21:00"]` {
		t.Fatalf("%+v", cfg.Plans[0])
	}
	p := cfg.Plans[1]
	var names []string
	for _, a := range p.Activities {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{`d["a"]`, `d["b"]`, "all"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`d["a"]`, `d["b"]`}, p.Activities[2].DependsOn); diff != "" {
		t.Error(diff)
	}
	a := p.Activities[0]
	if len(a.Devices) != 2 || a.Devices[0].Name != "gw-ber" || a.Devices[1].Name != "gw-fra" {
		t.Errorf("%v", a.Devices)
	}
	scope := plan.Scope{Run: plan.RunScope{ID: "r"}, Plan: p, Activity: a, Device: a.Devices[1], Domain: "x", Stamp: "s"}
	set, ds := a.DomainsFor(scope)
	if diff := cmp.Diff(pattern.Set{{Match: []string{"a"}}}, set); diff != "" || len(ds) > 0 {
		t.Error(diff, ds)
	}
	path, ds := p.Destinations[0].PathFor(scope)
	if path != "fra/gw-fra/s" || len(ds) > 0 {
		t.Error(path, ds)
	}
	v, _ := a.PreScript.ConfigFor(scope)
	if got := v.GetAttr("command").Index(cty.NumberIntVal(2)).AsString(); got != "gw-fra" {
		t.Error(got)
	}
}

func TestVariablesTakeTheValueOfHighestPrecedence(t *testing.T) {
	t.Parallel()
	declare := `
variable "a" { default = "default" }
variable "b" { default = "default" }
variable "c" { default = "default" }
variable "d" { default = "default" }
variable "e" { default = "default" }
variable "n" {
  type    = list(number)
  default = []
}
`
	cfg := mustCompile(t, declare+frame+`
plan "p" {
  description  = join(" ", [var.a, var.b, var.c, var.d, var.e, length(var.n)])
  destinations = [destination.file.vault]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
  }
}`, map[string]string{"x.auto.dprunvars.hcl": "b = \"auto\"\nc = \"auto\"\nd = \"auto\"\ne = \"auto\"\n"}, func(in *plan.Inputs) {
		in.Vars = plan.VarInputs{
			Files: []plan.Source{{Name: "given.hcl", Text: []byte("c = \"file\"\nd = \"file\"\ne = \"file\"\n")}},
			Env:   map[string]string{"d": "env", "e": "env", "n": "[1, 2]", "not_declared": "x"},
			Args:  []plan.VarArg{{Name: "e", Value: "arg"}},
		}
	})
	if diff := cmp.Diff("default auto file env arg 2", cfg.Plans[0].Description); diff != "" {
		t.Error(diff)
	}
}

func TestNullStandsForTheDefaultWhereItIsNoValue(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, `
variable "a" {
  default  = "default"
  nullable = false
}
variable "b" { default = "default" }
variable "n" {
  type     = number
  default  = 7
  nullable = false
}
`+frame+`
plan "p" {
  description  = "${var.a} ${var.b == null} ${var.n}"
  destinations = [destination.file.vault]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
  }
}`, map[string]string{"x.auto.dprunvars.hcl": "a = null\nb = null\n"}, func(in *plan.Inputs) {
		in.Vars = plan.VarInputs{Args: []plan.VarArg{{Name: "n", Value: "null"}}}
	})
	if diff := cmp.Diff("default true 7", cfg.Plans[0].Description); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsStayUnknownWithoutAReader(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, frame+`
plan "p" {
  destinations = [destination.file.vault]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}`, nil)
	plain, refs := plan.Reveal(cfg.Devices[0].Config)
	if plain.GetAttr("password").IsKnown() || len(refs) != 1 || refs[0].Ref.Kind != secret.KindEnv {
		t.Errorf("%#v %v", plain, refs)
	}
	if _, ok := plan.Seal(cfg.Devices[0].Config); ok {
		t.Error("an unknown secret is sealed")
	}
}

func TestSecretsComeBackFromTheirReferences(t *testing.T) {
	t.Parallel()
	text := strings.Replace(frame, `secret_env("PW")`, `trimspace(secret_file("keys/pw"))`, 1) + `
variable "by_value" {
  sensitive = true
}
destination "sftp" "s" {
  config {
    host        = "h"
    username    = "a-${secret_env("PW")}"
    private_key = var.by_value
    known_hosts = "k"
    directory   = "d"
  }
}
plan "p" {
  destinations = [destination.file.vault, destination.sftp.s]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
  }
}`
	reader := secrets{"PW": "hush", "/plans/keys/pw": "quiet"}
	cfg := mustCompile(t, text, nil, func(in *plan.Inputs) {
		in.Secrets, in.Vars.Env = reader, map[string]string{"by_value": "plain"}
	})
	config := cfg.Devices[0].Config
	b, ok := plan.Seal(config)
	if !ok || strings.Contains(string(b), "quiet") || !strings.Contains(string(b), `"$secret"`) {
		t.Fatalf("%s %v", b, ok)
	}
	back, err := plan.Unseal(b, config.Type(), secrets{"/plans/keys/pw": "changed"})
	if err != nil {
		t.Fatal(err)
	}
	if !back.GetAttr("password").IsMarked() {
		t.Error("the secret is not marked again")
	}
	plain, _ := plan.Reveal(back)
	if got := plain.GetAttr("password").AsString(); got != "changed" {
		t.Error(got)
	}
	if _, err := plan.Unseal(b, config.Type(), noSecrets{}); err == nil || !strings.Contains(err.Error(), `secret_file("/plans/keys/pw")`) {
		t.Errorf("the error does not name the reference: %v", err)
	}
	if _, ok := plan.Seal(cfg.Destinations[1].Config); ok {
		t.Error("a composed secret is sealed")
	}
	if got := len(cfg.SensitiveValues()); got != 3 {
		t.Errorf("%d sensitive values", got)
	}
}

func TestSecretsAreNotInDiagnostics(t *testing.T) {
	t.Parallel()
	_, ds := compile(t, strings.Replace(frame, `password = secret_env("PW")`, `password = "p"
    port = secret_env("PORT")
    timeout = secret_env("PORT")
    tls { min_version = secret_env("PORT") }`, 1), nil, func(in *plan.Inputs) { in.Secrets = secrets{"PORT": "s3cr3t"} })
	if !ds.HasErrors() {
		t.Error("a wrong secret is accepted")
	}
	if got := render(ds); strings.Contains(got, "s3cr3t") {
		t.Error(got)
	}
}

func TestPathsAreEscapedAndStayInside(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, `
destination "file" "d" {
  path = "x/${device.name}/${domain}/${stamp}"
  config { directory = "/srv" }
}
destination "file" "plain" {
  config { directory = "/srv" }
}
device "datapower" "one" {
  name = "a/../b"
  config {
    host     = "h"
    username = "u"
    password = secret_env("PW")
  }
}
plan "p" {
  destinations = [destination.file.d, destination.file.plain]
  activity "export_domain" "dom" {
    devices = ["*"]
    domains = ["*"]
  }
  activity "export_all_domains" "all" {
    devices = ["*"]
  }
  activity "secure_backup" "sec" {
    devices = ["*"]
    config { certificate = "c" }
  }
}`, nil)
	p := cfg.Plans[0]
	for _, c := range []struct {
		activity, domain, stamp, custom, standard string
	}{
		{"dom", "..", "S", "x/a%2F..%2Fb/%2E./S", "a%2F..%2Fb/domain/%2E."},
		{"dom", "", "", "x/a%2F..%2Fb/<domain>/<stamp>", "a%2F..%2Fb/domain/<domain>"},
		{"all", "", "S", "x/a%2F..%2Fb/ALL/S", "a%2F..%2Fb/domain/all-domains"},
		{"sec", "", "S", "x/a%2F..%2Fb/ALL/S", "a%2F..%2Fb/secure-backup/S"},
	} {
		s := plan.Scope{Run: plan.RunScope{ID: "r"}, Plan: p, Activity: p.Activity(c.activity), Device: cfg.Devices[0], Domain: c.domain, Stamp: c.stamp}
		custom, ds := p.Destinations[0].PathFor(s)
		standard, _ := p.Destinations[1].PathFor(s)
		if custom != c.custom || standard != c.standard || len(ds) > 0 {
			t.Errorf("%s %q: %q, %q %v", c.activity, c.domain, custom, standard, ds)
		}
	}
}

func TestStampIsTheReferenceProductsFormat(t *testing.T) {
	t.Parallel()
	at := time.Date(2017, 6, 27, 0, 48, 0, 7_999_999, time.FixedZone("", 2*3600))
	if got := plan.FormatStamp(at); got != "2017-06-26-22-48-00-007" {
		t.Error(got)
	}
}

func TestReferencesAreToldFromEachOther(t *testing.T) {
	t.Parallel()
	cfg := mustCompile(t, `locals { devices = [for i in range(3) : "gw-${i}"] }
variable "lab" {
  type    = bool
  default = false
}
pattern "prod" { match = ["gw-0", "gw-1"] }
pattern "lab" { match = ["gw-2"] }
destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "gw" {
  for_each = toset(local.devices)
  config {
    host     = each.key
    username = "u"
    password = secret_env("PW")
    dynamic "header" {
      for_each = ["a", "b"]
      content {
        name  = header.value
        value = "${each.key}-${header.key}"
      }
    }
  }
}
plan "p" {
  destinations = var.lab ? [] : [destination.file.vault]
  activity "export_domain" "d" {
    devices = concat([var.lab ? pattern.lab : pattern.prod], [device.datapower.gw["gw-1"]])
    domains = ["*"]
  }
}`, nil)
	if got := len(cfg.Plans[0].Activities[0].Devices); got != 2 {
		t.Errorf("%d devices", got)
	}
	if got := cfg.Devices[1].Config.GetAttr("header").Index(cty.NumberIntVal(1)).GetAttr("value").AsString(); got != "gw-1-1" {
		t.Error(got)
	}
}

func TestDiagnosticsAreSortedAndComplete(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.hcl": "locals { x = nothing }\n", "z.hcl": "pattern \"a b\" {\n}\nplam \"x\" {}\n"}
	_, ds := compile(t, "device \"nope\" \"x\" {\n  a = 1\n}\n", files)
	var got []string
	for _, d := range ds.Sorted() {
		if d.Range == nil {
			continue // there is no plan
		}
		got = append(got, d.Range.Filename+" "+string(d.Code))
	}
	want := []string{"a.hcl unknown-reference", "plan.hcl unknown-type", "plan.hcl unknown-argument", "z.hcl invalid-name", "z.hcl unknown-block"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiagnosticsAreDrawnForAPerson(t *testing.T) {
	t.Parallel()
	_, ds := compile(t, "pattern \"x\" {\n  for_each = 5\n}\n"+frame, nil)
	want := `Error: Invalid for_each [invalid-for-each]
  on plan.hcl line 2, in pattern "x":
    2 |   for_each = 5
      |              ^

  for_each takes a map, an object, or a list of texts, not a number.
`
	for _, d := range ds {
		if d.Code == diag.InvalidForEach {
			if diff := cmp.Diff(want, diag.Text(d, diag.Style{})); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Error("no diagnostic")
}

func TestFormatIsStable(t *testing.T) {
	t.Parallel()
	once := hclwrite.Format([]byte("a=1\nbcd   = [ 1,2 ]\n"))
	if diff := cmp.Diff("a   = 1\nbcd = [1, 2]\n", string(once)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(string(once), string(hclwrite.Format(once))); diff != "" {
		t.Error(diff)
	}
}

func TestSyntaxErrorsHideOnlyTheirConsequences(t *testing.T) {
	t.Parallel()
	_, ds := compile(t, "pattern \"p\" {\n  match = [local.x]\n  lables = {}\n}\n", map[string]string{"b.hcl": "locals {\n  x = = 1\n  y = nothing\n}\n"})
	var got []string
	for _, d := range ds {
		got = append(got, d.Range.Filename+" "+string(d.Code))
	}
	if diff := cmp.Diff([]string{"b.hcl syntax-error", "plan.hcl unknown-argument"}, got); diff != "" {
		t.Errorf("%s\n%s", diff, render(ds))
	}
}

func TestAFileCanBeCompiledTwice(t *testing.T) {
	t.Parallel()
	src := plan.Sources{Files: []plan.Source{{Name: "plan.hcl", Text: []byte(frame)}}}
	f, _ := plan.Parse(src, "0.1.0")
	first, _ := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fstest.MapFS{}, Dir: "/plans"})
	second, _ := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fstest.MapFS{}, Dir: "/plans", Secrets: secrets{"PW": "hush"}})
	if got := len(first.SensitiveValues()); got != 0 {
		t.Errorf("the first compilation knows %d secrets", got)
	}
	if diff := cmp.Diff([]string{"hush"}, second.SensitiveValues()); diff != "" {
		t.Error(diff)
	}
}

// What a gateway calls its domains becomes the name of a file.
func TestNamesThatSteerATerminalAreEscapedInPaths(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"orders":                 "orders",
		"bestellungen-fürth":     "bestellungen-fürth",
		"a\u202egpj.exe":         "a%E2%80%AEgpj.exe",
		"a\u009b31mred":          "a%C2%9B31mred",
		"a\u2066b\u200fc\u2028d": "a%E2%81%A6b%E2%80%8Fc%E2%80%A8d",
		"a\xffb":                 "a%FFb",
		"\x1b[2J":                "%1B[2J",
		"..":                     "%2E.",
		"a/b\\c%d":               "a%2Fb%5Cc%25d",
		"":                       "",
	} {
		if got := plan.EscapeComponent(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
