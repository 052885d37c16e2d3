package function_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
)

func eval(t *testing.T, text string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	files := function.Files{Dir: "/plans", FS: fstest.MapFS{
		"a.txt":     {Data: []byte("hello")},
		"b.bin":     {Data: []byte{0xff}},
		"bom.csv":   {Data: []byte("\xef\xbb\xbfname,host\na,h\n")},
		"bom.json":  {Data: []byte("\xef\xbb\xbf[1]")},
		"t.tmpl":    {Data: []byte("dear ${name}, %{ for x in list }${upper(x)}%{ endfor }")},
		"bad.tmpl":  {Data: []byte("${nobody}")},
		"dir/c.csv": {Data: []byte("name,host\na,h\n")},
	}}
	expr, ds := hclsyntax.ParseExpression([]byte(text), "x", hcl.InitialPos)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	return expr.Value(&hcl.EvalContext{Functions: function.Table(files, secret.NewStore(nil))})
}

func TestFunctionsGiveTheirValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cty.Value{
		`file("a.txt")`:            cty.StringVal("hello"),
		`file("./a.txt")`:          cty.StringVal("hello"),
		`fileexists("a.txt")`:      cty.True,
		`fileexists("nothing")`:    cty.False,
		`fileexists("dir")`:        cty.False,
		`try(file("nothing"), "")`: cty.StringVal(""),
		`can(file("nothing"))`:     cty.False,
		`yamldecode("a: 1").a`:     cty.NumberIntVal(1),
		`templatefile("t.tmpl", { name = "x", list = ["a", "b"] })`:        cty.StringVal("dear x, AB"),
		`inventory("dir/c.csv", "name", object({ host = string })).a.host`: cty.StringVal("h"),
		`join(",", sort(keys({ b = 1, a = 2 })))`:                          cty.StringVal("a,b"),
		`csvdecode(file("bom.csv"))[0].name`:                               cty.StringVal("a"),
		`jsondecode(file("bom.json"))[0]`:                                  cty.NumberIntVal(1),
		`jsondecode("\ufeff[1]")[0]`:                                       cty.NumberIntVal(1),
		`yamldecode("\ufeff[1]")[0]`:                                       cty.NumberIntVal(1),
		`csvdecode("\ufeffname\na")[0].name`:                               cty.StringVal("a"),
		`inventory("bom.csv", "name", object({ host = string })).a.host`:   cty.StringVal("h"),
		`tolist(["x"])[0]`:                                                 cty.StringVal("x"),
	} {
		got, ds := eval(t, text)
		if ds.HasErrors() || !got.RawEquals(want) {
			t.Errorf("%s = %#v %v, want %#v", text, got, ds, want)
		}
	}
}

func TestFunctionsStayBelowThePlansDirectory(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`file("../x")`:                       "outside the plan's directory",
		`file("/etc/passwd")`:                "outside the plan's directory",
		`fileexists("/etc/passwd")`:          "outside the plan's directory",
		`templatefile("../x", {})`:           "outside the plan's directory",
		`file("b.bin")`:                      "not UTF-8 text: line 1, column 1 holds another byte; save it as UTF-8",
		`templatefile("bad.tmpl", {})`:       "template bad.tmpl: line 1",
		`secret_env("")`:                     "must not be empty",
		`secret_command([])`:                 "must not be empty",
		`inventory("a.csv", "name", string)`: "read file",
	} {
		if _, ds := eval(t, text); !ds.HasErrors() || !strings.Contains(ds.Error(), want) {
			t.Errorf("%s: %v, want %q", text, ds, want)
		}
	}
}

func TestSecretsKeepTheirMarkThroughFunctions(t *testing.T) {
	t.Parallel()
	for text, ref := range map[string]string{
		`upper(secret_env("A"))`:                                        `secret_env("A")`,
		`"x-${secret_file("key")}"`:                                     `secret_file("/plans/key")`,
		`jsonencode({ a = secret_file("/k") })`:                         `secret_file("/k")`,
		`secret_command(["./get", "a"])`:                                `secret_command(["/plans/get", …])`,
		`secret_command(["vault", "a"])`:                                `secret_command(["vault", …])`,
		`templatefile("t.tmpl", { name = secret_env("A"), list = [] })`: `secret_env("A")`,
	} {
		v, ds := eval(t, text)
		if ds.HasErrors() {
			t.Errorf("%s: %v", text, ds)
			continue
		}
		_, refs := secret.Reveal(v)
		if len(refs) != 1 || refs[0].Ref.String() != ref {
			t.Errorf("%s: %v", text, refs)
		}
	}
}
