package record

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/testfixtures/need"
)

// A member whose secret was given by value is one that other plans cannot read:
// were it left out, they would quiesce another one beside it when it is down.
func TestAMemberThatNobodyElseCanLogInToIsDeclared(t *testing.T) {
	t.Parallel()
	given := plansecret.NewStore(nil).Variable("pw", cty.StringVal("hush"))
	d := &plan.Device{Name: "fra-1", Type: "datapower", Group: "fra", Config: cty.ObjectVal(map[string]cty.Value{"password": given})}
	p := &plan.Plan{Name: "nightly", Activities: []*plan.Activity{{Devices: []*plan.Device{d}}}}
	got := need.Value(Members(&plan.Config{Devices: []*plan.Device{d}}, p, "/plans/a.hcl"))(t)
	if len(got) != 1 || got[0].Device != "fra-1" || got[0].Group != "fra" {
		t.Fatalf("declared: %+v", got)
	}
	var e Endpoint
	need.Done(t, json.Unmarshal(got[0].Endpoint, &e))
	if _, err := e.Open(nil); err == nil || !strings.Contains(err.Error(), "given by value") || strings.Contains(string(got[0].Endpoint), "hush") {
		t.Errorf("%s: %v", got[0].Endpoint, err)
	}
}
