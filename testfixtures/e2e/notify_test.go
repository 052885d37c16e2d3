package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/script"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const tellingPlan = `
script "exec" "told" {
  config { command = ["./told.sh"] }
}
script "exec" "away" {
  config { command = ["sh", "-c", "echo no route to the pager >&2; exit 7"] }
}
plan "p" {
  destinations = [destination.file.local]
  notify {
    on  = ["critical", "failed", "partial", "succeeded"]
    run = script.exec.told
  }
  notify {
    on  = ["critical"]
    run = script.exec.away
  }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
`

// told reads what the script was told, in order.
func (s *site) told() (out []script.Context) {
	s.t.Helper()
	for line := range strings.Lines(string(need.Value(os.ReadFile(s.dir + "/told"))(s.t))) {
		var c script.Context
		need.Done(s.t, json.Unmarshal([]byte(line), &c))
		out = append(out, c)
	}
	return out
}

func (s *site) listens() {
	s.write("told.sh", "#!/bin/sh\n{ cat; echo; } >> told\n")
	need.Done(s.t, os.Chmod(s.dir+"/told.sh", 0o700))
}

func TestAGatewayThatDoesNotComeBackIsToldAtOnceAndTheRestOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", Domains: []dpsim.Domain{{Name: "orders"}, {Name: "stock"}}}}})
	need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "unquiesce_stuck", Domain: "orders"}))
	s.listens()
	res := s.apply(tellingPlan)
	told := s.told()
	if len(told) != 2 || told[0].Notice.Event != script.Critical || told[1].Notice.Event == script.Succeeded || told[1].Notice.Event == script.Critical {
		t.Fatalf("told %+v", told)
	}
	first, end := told[0], told[1]
	if first.Tasks[0].Device != "gw" || first.Tasks[0].Domain != "orders" || first.Status != "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED" || !first.Notice.Ended.IsZero() || first.Notice.ExitCode != nil {
		t.Errorf("critical: %+v %+v", first, first.Notice)
	}
	if o := first.Notice.Owed; len(o) != 1 || o[0].Domain != "orders" || len(o[0].DeviceCommands) == 0 {
		t.Errorf("what to type on the gateway is not in the critical notification: %+v", o)
	}
	if end.Hook != "notify" || end.Status != "PLAN_LEFT_A_DEVICE_QUIESCED" || *end.Notice.ExitCode != 16 || len(end.Notice.Owed) != 1 || len(end.Notice.Causes) == 0 || end.Notice.Causes[0].Class != "critical" || end.Notice.Causes[0].Do == "" {
		t.Errorf("end: %+v %+v", end, end.Notice)
	}
	if e := res.Summary.Evidence; e == nil || end.Notice.Evidence != fmt.Sprintf("%d:%s", e.Sequence, e.Digest) || first.Notice.Evidence != "" {
		t.Errorf("evidence %q and %q, the run has %+v", first.Notice.Evidence, end.Notice.Evidence, e)
	}
	if res.ExitCode != 16 || len(res.Summary.Warnings) != 1 || !strings.Contains(res.Summary.Warnings[0], `the notification "critical" by script exec.away failed: it returned 7: no route to the pager`) {
		t.Errorf("exit code %d, warnings %q", res.ExitCode, res.Summary.Warnings)
	}
}
