package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/journal"
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

// TestWhatWasMissedIsToldOnceByThePlansScript: with what was due, how often, and
// what to type; to who asks for it alone. A server that is started anew says it
// not again, and tells of what was missed of another plan.
func TestWhatWasMissedIsToldOnceByThePlansScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw"}}})
	plans := filepath.Join(s.dir, "plans")
	need.Done(t, os.Mkdir(plans, 0o700))
	need.Done(t, os.Mkdir(filepath.Join(s.dir, "state"), 0o700))
	for _, name := range []string{"fleet.json", "gw.pw"} {
		need.Done(t, os.Link(filepath.Join(s.dir, name), filepath.Join(plans, name)))
	}
	told := filepath.Join(s.dir, "told")
	moved := &shifted{}
	moved.jump(time.Until(night))
	serve := func(plan string, lines int) {
		s.write("plans/"+plan+".hcl", devices+fmt.Sprintf(`
script "exec" "told" {
  config { command = ["sh", "-c", "{ cat; echo; } >> %s"] }
}
script "exec" "other" {
  config { command = ["sh", "-c", "echo other >> %[1]s"] }
}
plan %q {
  destinations = [destination.file.local]
  schedule {
    cron   = "0 18,20 * * *"
    missed = "skip"
  }
  notify {
    on  = ["missed", "failed"]
    run = script.exec.told
  }
  notify {
    on  = ["critical", "failed", "partial", "succeeded"]
    run = script.exec.other
  }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
  }
}
`, told, plan))
		r := s.open(moved)
		j := need.Value(journal.Open(filepath.Join(s.dir, "state", "journal.db")))(t)
		need.Value(j.NoteSchedule(t.Context(), journal.Scheduled{Plan: plan, Origin: filepath.Join(plans, plan+".hcl")}, "0 18,20 * * * UTC", night.Add(-5*time.Hour)))(t)
		need.Done(t, j.Close())
		signals, done := make(chan string, 1), make(chan error, 1)
		go func() { done <- r.Serve(t.Context(), runner.ServeRequest{Plans: plans, Signals: signals}) }()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if b, _ := os.ReadFile(told); strings.Count(string(b), "\n") >= lines {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("plan %s: waited in vain for what it tells; decided %+v", plan, firings(t, filepath.Join(s.dir, "state")))
			}
		}
		signals <- "SIGTERM"
		need.Done(t, <-done)
		need.Done(t, r.Close())
	}
	serve("p", 1)
	serve("q", 2)
	all := s.told()
	if len(all) != 2 || all[0].Plan != "p" || all[1].Plan != "q" {
		t.Fatalf("told %+v", all)
	}
	for _, c := range all {
		due := "2026-11-23T20:00:00Z"
		if n := c.Notice; c.Hook != "notify" || c.Run != "" || n.Event != script.Missed || !strings.HasPrefix(n.ID, c.Plan+"-") || !strings.HasSuffix(n.ID, due+"-missed") ||
			!slices.Equal(n.Commands, []string{"dprun schedule past", "dprun coverage"}) || n.ExitCode != nil || n.Host == "" {
			t.Errorf("plan %s: %+v %+v", c.Plan, c, n)
		}
		if want := "plan " + c.Plan + " was due 2 times, the last time at " + due + ", and was not run: "; !strings.HasPrefix(c.Message, want) || len(c.Message) == len(want) {
			t.Errorf("plan %s is told of with %q", c.Plan, c.Message)
		}
	}
	if all[0].Notice.ID == all[1].Notice.ID {
		t.Errorf("two notifications are %s", all[0].Notice.ID)
	}
	for _, f := range firings(t, filepath.Join(s.dir, "state")) {
		if f.Verdict != "missed" {
			t.Errorf("%+v", f)
		}
	}
}
