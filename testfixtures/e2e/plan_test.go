package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestARunOutsideItsWindowContactsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 2}, {Name: "other", AppDomains: 1}}})
	s.write("say.sh", "#!/bin/sh\necho said > said\n")
	res := s.apply(`
window "noon" {
  timezone = "UTC"
  allow {
    from = "11:00"
    to   = "13:00"
  }
}
script "exec" "say" {
  config { command = ["/bin/sh", "./say.sh"] }
}
plan "p" {
  window       = window.noon
  destinations = [destination.file.local]
  pre_script   = script.exec.say
  post_script { run = script.exec.say }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
`)
	if h := s.sink.history(""); res.ExitCode != 13 || last(h) != "PRE_VALIDATION_OUT_OF_MAINTENANCE_WINDOW" {
		t.Errorf("exit %d, history %v", res.ExitCode, h)
	}
	if len(res.Summary.Tasks) != 2 {
		t.Errorf("tasks %+v; want one a device", res.Summary.Tasks)
	}
	for _, task := range res.Summary.Tasks {
		if task.Code != "EXECUTION_CANCELED_BECAUSE_MAINTENANCE_WINDOW" {
			t.Errorf("task %s ended in %s", task.Task, task.Code)
		}
	}
	for _, d := range s.fleet.State().Devices {
		if d.Total != 0 {
			t.Errorf("%s got %d requests: %v", d.Name, d.Total, d.Operations)
		}
	}
	if _, err := os.Stat(s.dir + "/said"); err == nil {
		t.Error("a script was run")
	}
	if left := files(t, s.dir+"/backups"); len(left) > 0 {
		t.Errorf("at the destination: %v", left)
	}
}

// TestAFailedPreScriptIsTold: the post-script runs all the same and is told
// why, on standard input and in variables; secrets come as private files.
func TestAFailedPreScriptIsTold(t *testing.T) {
	t.Parallel()
	const token = "pool-token-17"
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	s.write("token", token)
	s.write("note.sh", `env > $DPRUN_HOOK.env
cat > $DPRUN_HOOK.json
cat $DPRUN_SECRETS_DIR/TOKEN > $DPRUN_HOOK.secret
stat -c %a $DPRUN_SECRETS_DIR $DPRUN_SECRETS_DIR/TOKEN > $DPRUN_HOOK.modes
ls -l /proc/self/fd > $DPRUN_HOOK.fds
test $DPRUN_HOOK = post || { echo no ticket; exit 3; }
`)
	res := s.apply(`
script "exec" "note" {
  config {
    command = ["/bin/sh", "./note.sh"]
    secrets = { TOKEN = secret_file("token") }
  }
}
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices    = ["*"]
    domains    = ["app01"]
    quiesce    = "domain"
    pre_script = script.exec.note
    post_script { run = script.exec.note }
  }
}
`)
	h := s.sink.history("x/gw/app01")
	if res.ExitCode != 1 || last(h) != "EXECUTION_PRE_SCRIPT_ERROR" || slices.Contains(h, "EXECUTION_QUIESCE_STARTED") {
		t.Errorf("exit %d, history %v", res.ExitCode, h)
	}
	if m := res.Summary.Tasks[0].Message; !strings.Contains(m, "returned 3") || !strings.Contains(m, "no ticket") {
		t.Errorf("the message does not say what the script said: %q", m)
	}
	for _, hook := range []string{"pre", "post"} {
		env := read(t, s.dir, hook+".env")
		want := []string{"DPRUN_HOOK=" + hook, "DPRUN_PLAN=p", "DPRUN_TASK=x/gw/app01", "DPRUN_ACTIVITY=x", "DPRUN_TYPE=export_domain", "DPRUN_DEVICE=gw", "DPRUN_DOMAIN=app01", "DPRUN_RUN=", "DPRUN_STAMP="}
		if hook == "post" {
			want = append(want, "DPRUN_STATUS=EXECUTION_PRE_SCRIPT_ERROR", "DPRUN_MESSAGE=")
		}
		for _, w := range want {
			if !strings.Contains("\n"+env, "\n"+w) {
				t.Errorf("%s: no %s in its environment:\n%s", hook, w, env)
			}
		}
		if strings.Contains(env, token) || strings.Contains(env, s.fleet.Device("gw").Password) {
			t.Errorf("%s: a secret is in its environment:\n%s", hook, env)
		}
		var c struct {
			Version                                                      int
			Hook, Run, Plan, Task, Activity, Type, Device, Domain, Stamp string
			Status                                                       string
		}
		if err := json.Unmarshal([]byte(read(t, s.dir, hook+".json")), &c); err != nil {
			t.Errorf("%s: %v", hook, err)
		}
		if c.Version != 1 || c.Hook != hook || c.Task != "x/gw/app01" || c.Device != "gw" || c.Domain != "app01" || c.Type != "export_domain" || (c.Status != "") != (hook == "post") {
			t.Errorf("%s: told %+v", hook, c)
		}
		if got := read(t, s.dir, hook+".secret"); got != token {
			t.Errorf("%s: its secret is %q", hook, got)
		}
		if got := read(t, s.dir, hook+".modes"); got != "700\n600\n" {
			t.Errorf("%s: modes of the secrets: %q", hook, got)
		}
		if fds := read(t, s.dir, hook+".fds"); strings.Contains(fds, "/state/") {
			t.Errorf("%s: it inherits what is dprun's:\n%s", hook, fds)
		}
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestOneDestinationMayFail: one is missing from the start, one fails while
// storing; the others get the whole set, and the first failure is the code.
func TestOneDestinationMayFail(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	for _, d := range []string{"second", "blocked"} {
		need.Done(t, os.Mkdir(filepath.Join(s.dir, d), 0o700))
	}
	s.write("blocked/gw", "a file where the set's directory should be")
	res := s.apply(`
destination "file" "second" {
  config { directory = "second" }
}
destination "file" "missing" {
  config { directory = "no/such/directory" }
}
destination "file" "blocked" {
  path = device.name
  config { directory = "blocked" }
}
plan "p" {
  destinations = [destination.file.missing, destination.file.blocked, destination.file.local, destination.file.second]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app01"]
    quiesce = "domain"
  }
}
`)
	h := s.sink.history("x/gw/app01")
	if res.ExitCode != 1 || last(h) != "EXECUTION_PRE_CHECKS_DESTINATION_DIRECTORY_NOT_FOUND" || !slices.Contains(h, "EXECUTION_STORE_ERROR") || !slices.Contains(h, "EXECUTION_UNQUIESCE_DONE") {
		t.Errorf("exit %d, history %v", res.ExitCode, h)
	}
	for _, d := range []string{"backups", "second"} {
		if got := files(t, filepath.Join(s.dir, d)); len(got) != 2 {
			t.Errorf("%s holds %v, want an export and its manifest", d, got)
		}
	}
	if got := files(t, filepath.Join(s.dir, "blocked")); len(got) != 1 {
		t.Errorf("blocked holds %v", got)
	}
	if c := res.Summary.Tasks[0].Causes; len(c) != 1 || c[0].Code != "EXECUTION_STORE_ERROR" {
		t.Errorf("causes %+v", c)
	}
}

// TestHaltStopsWhatWaitsAndIgnoreDoesNot: what is under way is finished either way.
func TestHaltStopsWhatWaitsAndIgnoreDoesNot(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]string{"halt": "EXECUTION_CANCELED_BECAUSE_ERROR_POLICY", "ignore": "SUCCESS"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 3}}})
			need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "empty_file", Domain: "app01"}))
			res := s.apply(`
plan "p" {
  destinations = [destination.file.local]
  error_policy = "` + policy + `"
  limits { parallel = 1 }
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app*"]
    quiesce = "domain"
  }
}
`)
			exit := map[string]int{"halt": 1, "ignore": 3}[policy]
			if h := s.sink.history("x/gw/app01"); res.ExitCode != exit || last(h) != "EXECUTION_EXPORT_DOMAIN_PERSISTED_EMPTY_FILE" {
				t.Errorf("exit %d, history %v", res.ExitCode, h)
			}
			for _, domain := range []string{"app02", "app03"} {
				if h := s.sink.history("x/gw/" + domain); last(h) != want {
					t.Errorf("history of %s: %v, want %s", domain, h, want)
				}
			}
			if down := s.down(); len(down) > 0 {
				t.Errorf("left quiesced: %v", down)
			}
		})
	}
}

// TestAPanicLeavesNothingDown: a fault of dprun itself, at the worst moment.
func TestAPanicLeavesNothingDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	s.patience = "10s" // time moves on only after this: the call that panicked never ends
	s.sink.on = func(st event.Status) {
		if st.Code == "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED" {
			panic("boom")
		}
	}
	s.write("plan.hcl", devices+quiescing)
	var err error
	res := s.run(func(r *runner.Runner) (res *report.Result, _ error) {
		res, err = r.Apply(context.Background(), s.request())
		return res, nil
	})
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("error %v", err)
	}
	if down := s.down(); len(down) > 0 || len(res.Owed) > 0 {
		t.Errorf("left quiesced: %v; owed %+v", down, res.Owed)
	}
}
