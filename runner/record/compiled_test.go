package record

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/testfixtures/need"
)

// The account that makes backups holds no right to import: what imports logs in
// with the restore block's, and nothing else does.
func TestOnlyARestoreLogsInAsTheRestoreBlockSays(t *testing.T) {
	t.Parallel()
	as := func(user string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"username": cty.StringVal(user)})
	}
	cfg := &plan.Config{Devices: []*plan.Device{{Name: "one", Config: as("backup"), Restore: as("restore")}, {Name: "two", Config: as("backup")}}}
	x := NewCompiledPlan(cfg, &plan.Plan{}, nil, &redact.Redactor{})
	for _, c := range []struct {
		plan         *CompiledPlan
		device, want string
	}{{x, "one", "backup"}, {x.ForRestores(), "one", "restore"}, {x, "one", "backup"}, {x.ForRestores(), "two", "backup"}} {
		e := need.Value(c.plan.Device(t.Context(), c.device))(t)
		if got := e.Config.GetAttr("username").AsString(); got != c.want {
			t.Errorf("%s is logged in to as %s, not %s", c.device, got, c.want)
		}
	}
}
