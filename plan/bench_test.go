package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/dprun/dprun/plan"
)

const benchFrame = `
variable "env" {
  default = "prod"
}

pattern "all" {
  match = ["*"]
}

script "exec" "drain" {
  config { command = ["/bin/drain", device.name] }
}

destination "file" "vault" {
  path = "${device.labels.site}/${device.name}/${domain}/${stamp}"
  config { directory = "/srv/backups" }
}

plan "nightly" {
  destinations = [destination.file.vault]
  activity "secure_backup" "appliance" {
    devices        = [pattern.all]
    quiesce        = "device"
    before_quiesce = script.exec.drain
    config { certificate = device.vars.certificate }
  }
  activity "export_domain" "domains" {
    devices = [pattern.all]
    domains = ["*"]
  }
}
`

// literalDevices writes n device blocks of 20 lines.
func literalDevices(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `device "datapower" "d%[1]d" {
  name   = "gw-%[1]d"
  labels = { env = var.env, site = "s%[2]d" }
  group  = "pair-%[3]d"
  vars = {
    site        = "s%[2]d"
    certificate = "backup-cert"
    owner       = upper("team-%[2]d")
  }
  config {
    host     = "10.0.${%[2]d}.%[1]d"
    port     = 5550
    username = "backup"
    password = secret_file("/etc/dprun/gw.password")
    tls {
      ca_file     = "certs/appliances.pem"
      server_name = "gw-%[1]d.example.net"
    }
  }
}

`, i, i%50, i/2)
	}
	return b.String()
}

const inventoryDevices = `
device "datapower" "edge" {
  for_each = inventory("gateways.csv", "name", object({
    host = string, site = string, pair = string, owner = string,
    port = optional(number, 5550), certificate = optional(string, "backup-cert"),
  }))
  labels = { env = var.env, site = each.value.site }
  group  = each.value.pair
  vars   = each.value
  config {
    host     = each.value.host
    port     = each.value.port
    username = "backup"
    password = secret_file("/etc/dprun/gw.password")
    tls {
      ca_file     = "certs/appliances.pem"
      server_name = "${each.key}.example.net"
    }
  }
}
`

func inventoryCSV(n int) string {
	var b strings.Builder
	b.WriteString("name,host,site,pair,owner,port,certificate\n")
	for i := range n {
		fmt.Fprintf(&b, "gw-%d,10.0.%d.%d,s%d,pair-%d,team-%d,,\n", i, i%50, i, i%50, i/2, i%50)
	}
	return b.String()
}

// validate is what `dprun validate` does with plan files.
func validate(b testing.TB, text, csv string, devices int) time.Duration {
	fsys := fstest.MapFS{"plan.hcl": {Data: []byte(text)}, "gateways.csv": {Data: []byte(csv)}}
	start := time.Now()
	src, _ := plan.Load(fsys, ".", "")
	f, ds := plan.Parse(src, "0.1.0")
	cfg, more := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans"})
	took := time.Since(start)
	if ds = append(ds, more...); len(ds) > 0 {
		b.Fatal(render(ds[:1]))
	}
	if len(cfg.Devices) != devices || len(cfg.Plans[0].Activities[0].Devices) != devices {
		b.Fatalf("%d devices", len(cfg.Devices))
	}
	return took
}

// peer parses the same text and decodes its device blocks with hcldec, block
// by block: a list spec over all of them takes quadratic time.
func peer(b testing.TB, text string, devices int) time.Duration {
	str := func(name string) hcldec.Spec { return &hcldec.AttrSpec{Name: name, Type: cty.String} }
	spec := &hcldec.ObjectSpec{
		"name": str("name"), "group": str("group"),
		"labels": &hcldec.AttrSpec{Name: "labels", Type: cty.Map(cty.String)},
		"vars":   &hcldec.AttrSpec{Name: "vars", Type: cty.Map(cty.String)},
		"config": &hcldec.BlockSpec{TypeName: "config", Nested: &hcldec.ObjectSpec{
			"host": str("host"), "port": &hcldec.AttrSpec{Name: "port", Type: cty.Number}, "username": str("username"), "password": str("password"),
			"tls": &hcldec.BlockSpec{TypeName: "tls", Nested: &hcldec.ObjectSpec{"ca_file": str("ca_file"), "server_name": str("server_name")}},
		}},
	}
	secret := function.New(&function.Spec{Params: []function.Parameter{{Type: cty.String}}, Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.UnknownVal(cty.String), nil }})
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{"env": cty.StringVal("prod")})},
		Functions: map[string]function.Function{"upper": stdlib.UpperFunc, "secret_file": secret},
	}
	start := time.Now()
	f, ds := hclparse.NewParser().ParseHCL([]byte(text), "plan.hcl")
	if ds.HasErrors() {
		b.Fatal(ds)
	}
	content, ds := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "device", LabelNames: []string{"type", "name"}}}})
	values := make([]cty.Value, 0, len(content.Blocks))
	for _, block := range content.Blocks {
		v, more := hcldec.Decode(block.Body, spec, ctx)
		ds = append(ds, more...)
		values = append(values, v)
	}
	took := time.Since(start)
	if ds.HasErrors() || len(values) != devices {
		b.Fatal(ds)
	}
	return took
}

// BenchmarkValidate compares validating with parsing and decoding the same
// literal blocks, in one run, at two sizes; "x-peer" is the ratio. The peer of
// the inventory is the text that says the same as literal blocks.
func BenchmarkValidate(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		literal := literalDevices(n)
		forms := []struct{ name, text, csv string }{
			{"literal", benchFrame + literal, ""},
			{"inventory", benchFrame + inventoryDevices, inventoryCSV(n)},
		}
		for _, form := range forms {
			b.Run(fmt.Sprintf("%s/%d", form.name, n), func(b *testing.B) {
				var ours, theirs time.Duration
				for b.Loop() {
					ours += validate(b, form.text, form.csv, n)
					b.StopTimer()
					theirs += peer(b, literal, n)
					b.StartTimer()
				}
				b.ReportMetric(float64(ours)/float64(theirs), "x-peer")
				b.ReportMetric(float64(ours.Microseconds())/float64(n*b.N), "µs/device")
			})
		}
	}
}
