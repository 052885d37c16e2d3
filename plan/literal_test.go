package plan_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestASecretThatIsWrittenInThePlanIsNotRepeated(t *testing.T) {
	t.Parallel()
	fsys := os.DirFS("testdata/invalid/secret-literal")
	src, _ := plan.Load(fsys, ".", "")
	f, _ := plan.Parse(src, "0.1.0")
	_, ds := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans",
		Vars: plan.VarInputs{Args: []plan.VarArg{{Name: "token", Value: "in-the-arguments"}}}})
	whole := need.Value(json.Marshal(ds))(t)
	for _, written := range []string{"in-the-default", "in-the-arguments", "in-the-plan", "in-a-local", "in-the-table", "in-a-map", "from-a-file"} {
		if strings.Contains(render(ds)+string(whole), written) {
			t.Errorf("%q is shown:\n%s", written, render(ds))
		}
	}
	for _, d := range ds {
		if d.Range == nil || d.Range.Start.Line != 20 {
			continue
		}
		const want = `Error: Secret written in the plan [secret-literal]
  on plan.hcl line 20, in device "datapower" "literal":
   20 |     password = (sensitive) # want: secret-literal "password = secret_file(\"/etc/dprun/password\")"
      |                ^^^^^^^^^^^

  The argument "password" is a secret, but this is plain text: everything in a plan, an inventory or a file that is read with file() is shown and stored. Put the secret alone into a file that only the user of dprun can read, and write password = secret_file("/etc/dprun/password"). secret_env, secret_command and a sensitive variable do as well.
`
		if got := diag.Text(d, diag.Style{}); got != want {
			t.Error(got)
		}
		return
	}
	t.Error(render(ds))
}

// The files that give sensitive variables their values are not shown either.
func TestTheFilesOfSensitiveVariablesAreNotShown(t *testing.T) {
	t.Parallel()
	const declared = "variable \"pw\" {\n  type      = number\n  sensitive = true\n}\n"
	for name, given := range map[string]string{"wrong type": "pw = \"hush-hush\"\n", "broken": "pw = \"hush-hush\nx = 1\n", "wrong function": "pw = parseint(\"hush-hush\", 10)\n"} {
		_, ds := compile(t, declared, map[string]string{"x.auto.dprunvars.hcl": given})
		whole := need.Value(json.Marshal(ds))(t)
		if !ds.HasErrors() || strings.Contains(render(ds)+string(whole), "hush") {
			t.Errorf("%s: %s", name, render(ds))
		}
	}
}
