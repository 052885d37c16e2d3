package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dprun/dprun/plan/diag"
)

// A mistake in every row of a large inventory is not told ten thousand times.
func TestManyInstancesWithTheSameMistakeAreToldOfOnce(t *testing.T) {
	t.Parallel()
	var csv strings.Builder
	csv.WriteString("name,port\n")
	for i := range 500 {
		fmt.Fprintf(&csv, "gw-%03d,99999\n", i)
	}
	_, ds := compile(t, `
device "datapower" "edge" {
  for_each = inventory("gw.csv", "name", object({ port = number }))
  config {
    host     = each.key
    port     = each.value.port
    username = "u"
    password = secret_env("P")
  }
}
`, map[string]string{"gw.csv": csv.String()})
	var told []string
	for _, d := range ds {
		if d.Code == diag.InvalidValue {
			told = append(told, d.Range.String()+" "+d.Detail)
		}
	}
	if len(told) != 20 || !strings.HasPrefix(told[0], `gw.csv:2,8 device.datapower.edge["gw-000"]: `) || !strings.HasSuffix(told[19], " This place is wrong for 480 more, which are not listed.") {
		t.Errorf("%d: %s", len(told), strings.Join(told, "\n"))
	}
}
