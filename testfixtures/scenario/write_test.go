package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/testfixtures/need"
)

const twoCommands = `Something happens.

-- plan.hcl --
-- fleet.hcl --
device "gw" {
  domains = 1
  domain "shop" { busy = true }
  fault "hang" { operation = "do-export" }
}
fault "unquiesce_stuck" {
  device = "gw*"
  count  = 1
}
-- steps.hcl --
# The first one fails.
dprun "apply" {
  exit = 3
}

dprun "recover" {
  args = ["recover"]
}
-- expect.hcl --
exit = 0
task "x/gw/app01" {
  from    = "READY_FOR_EXECUTION"
  history = ["SUCCESS"]
  message = "a part"
}
-- post.sh --
#!/bin/sh
`

func load(t *testing.T, text string) *Scenario {
	t.Helper()
	path := filepath.Join(t.TempDir(), "SUCCESS.one.txtar")
	need.Done(t, os.WriteFile(path, []byte(text), 0o600))
	return need.Value(Load(path))(t)
}

// ran is one run with one task.
func ran(task string, codes ...string) []Run {
	var h []event.Status
	for i, c := range codes {
		h = append(h, event.Status{Code: c, Final: i == len(codes)-1})
	}
	return []Run{{Plan: "p", Histories: map[string][]event.Status{"": {{Code: "SUCCESS"}}, task: h}}}
}

func TestUpdateWritesWhatHappened(t *testing.T) {
	t.Parallel()
	s := load(t, twoCommands)
	if d := cmp.Diff([]string{"WAITING_FOR_PRE_VALIDATION", "READY_FOR_EXECUTION", "SUCCESS"}, s.Expect.Tasks[0].History); d != "" {
		t.Errorf("the history that is meant (-want +got):\n%s", d)
	}
	o := &Outcome{Exits: map[string]int{"apply": -1, "recover": 16}, Owes: map[string][]string{"apply": {"gw/app01"}}, Down: []string{"gw/b", "gw/a"}, Stored: []string{"file"},
		Runs: ran("x/gw/app01", append(beginning(), "EXECUTION_STORE_STARTED", "SUCCESS")...)}
	need.Done(t, s.Update(o))
	text := string(need.Value(s.Text())(t))
	want := `Something happens.

Site:
  gateway gw: default, app01, shop (busy)
  fault hang (do-export on gw)
  fault unquiesce_stuck (on gw*, 1 time)

-- plan.hcl --
-- fleet.hcl --
device "gw" {
  domains = 1
  domain "shop" { busy = true }
  fault "hang" { operation = "do-export" }
}
fault "unquiesce_stuck" {
  device = "gw*"
  count  = 1
}
-- steps.hcl --
# The first one fails.
dprun "apply" {
  exit = -1
  owes = ["gw/app01"]
}

dprun "recover" {
  args = ["recover"]
}
-- expect.hcl --
exit = 16
down = ["gw/a", "gw/b"]

task "x/gw/app01" {
  from = "EXECUTION_PRE_CHECKS_STARTED"
  history = [
    "EXECUTION_STORE_STARTED",
    "SUCCESS",
  ]
  message = "a part"
}
-- post.sh --
#!/bin/sh
`
	if d := cmp.Diff(want, text); d != "" {
		t.Errorf("the file (-want +got):\n%s", d)
	}
	again := load(t, text)
	if d := cmp.Diff(s.Expect, again.Expect, cmp.Transformer("from", func(t ExpectedTask) any { return [3]any{t.ID, t.History, t.Message} })); d != "" {
		t.Errorf("what is expected when the file is read again (-want +got):\n%s", d)
	}
	// A text that is looked for is not rewritten: that it is missing is still told.
	if left := again.Differences(o); len(left) != 1 || !strings.Contains(left[0], "a part") {
		t.Errorf("differences after the update: %q", left)
	}
}

func TestUpdateWritesEveryTaskOfANewScenario(t *testing.T) {
	t.Parallel()
	s := load(t, "New.\n-- plan.hcl --\n-- fleet.hcl --\ndevice \"gw\" {}\n-- expect.hcl --\n")
	o := &Outcome{Exits: map[string]int{"apply": 0}, Runs: ran("x/gw/app01", "WAITING_FOR_PRE_VALIDATION", "SUCCESS")}
	need.Done(t, s.Update(o))
	again := load(t, string(need.Value(s.Text())(t)))
	if left := again.Differences(o); len(left) > 0 || again.Expect.Code != "SUCCESS" || *again.Expect.Stored != 0 {
		t.Errorf("%+v\n%q", again.Expect, left)
	}
}

func TestAHistoryIsShortenedByTheUsualBeginningOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "SUCCESS.txtar")
	need.Done(t, os.WriteFile(path, []byte(strings.Replace(twoCommands, "READY_FOR_EXECUTION", "EXECUTION_STORE_DONE", 1)), 0o600))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "EXECUTION_STORE_DONE") || !strings.Contains(err.Error(), "SENT_TO_MDB") {
		t.Errorf("%v", err)
	}
}
